/*
 * cmocka with what it needs before it.
 */
#ifndef PIER_TEST_LOAD_KIT_H
#define PIER_TEST_LOAD_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
