/*
 * What rte_eal_init is called with.
 */
#ifndef PIER_APP_EAL_ARGV_H
#define PIER_APP_EAL_ARGV_H

#include "config.h"
#include "worker/contract.h"
#include "worker/place.h"

/*
 * The arguments of the command line if it has any for EAL, as they are; else made from [eal] and from
 * which devices the ports name: PCI devices that no port names are not touched. rte_eal_init
 * reorders argv, hence owned. place says which CPUs, where it is made; supply,
 * whether huge = auto finds enough huge pages.
 */
struct pier_eal_argv {
	char **argv;  /* NULL-ended */
	char **owned; /* the same strings, in the order they were made */
	int argc;
	bool made;    /* from [eal]: the file prefix is pier's own, so its files are pier's to remove */
	bool huge;    /* made, with huge pages */
};

/* argc, argv: the program's name and what the command line has for EAL; copied. */
void pier_eal_argv_make(struct pier_eal_argv *out, int argc, char **argv,
			const struct pier_config *c, const struct place_plan *place,
			const struct contract_supply *supply);
void pier_eal_argv_free(struct pier_eal_argv *v);

#endif
