/*
 * EAL for tests that need ethdev: no root, no huge pages, nothing left in the file system.
 */
#ifndef TEST_PORT_KIT_H
#define TEST_PORT_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rte_eal.h>

#include "base/compiler.h"

static inline int kit_eal(void **state)
{
	static char args[][24] = {"test",	    "--no-huge", "--no-pci", "--no-shconf",
				  "--no-telemetry", "-m",	 "128"};
	char *argv[ARRAY_SIZE(args) + 1] = {NULL};

	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		argv[i] = args[i];
	return rte_eal_init(ARRAY_SIZE(args), argv) < 0;
}

static inline int kit_eal_end(void **state)
{
	return rte_eal_cleanup();
}

#endif
