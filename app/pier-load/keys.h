/*
 * The keys of the configuration as options of the command line. A part of its own because getopt.h and
 * base/option.h both have a struct option.
 */
#ifndef PIER_LOAD_KEYS_H
#define PIER_LOAD_KEYS_H

#include <stdbool.h>
#include <stdio.h>

/* The name of the ith key that is an option, or NULL; *flag: it may stand without a value. */
const char *load_key(unsigned int i, bool *flag);

/*
 * The assignment "section.key=value" for it, to be freed; value NULL: yes. Checked against the option,
 * so that the message names what was typed; NULL after saying on stderr what was expected.
 */
char *load_key_assignment(unsigned int i, const char *value);

/* The ith word that stands without an option's name: mode, target. NULL as above. */
char *load_word_assignment(unsigned int i, const char *value);

void load_keys_usage(FILE *to);
void load_keys_reference(FILE *to);
void load_modes_usage(FILE *to);

#endif
