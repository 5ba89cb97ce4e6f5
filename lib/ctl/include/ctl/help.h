/*
 * What can be configured, in words, generated from the option tables: for --help on a terminal, and
 * as Markdown for the README. Control thread only.
 */
#ifndef PIER_CTL_HELP_H
#define PIER_CTL_HELP_H

#include <stdio.h>

#include "base/option.h"

/*
 * One entry for each option: key and help, then what it accepts and its default. Tables of one
 * section that follow each other come under one heading.
 */
void ctl_help(FILE *to, const struct option_table *const tables[], unsigned int n);

/* The same as a Markdown table (key, value, default, meaning) for each option table. */
void ctl_reference(FILE *to, const struct option_table *const tables[], unsigned int n);

#endif
