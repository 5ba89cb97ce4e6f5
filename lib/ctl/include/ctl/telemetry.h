/*
 * What a running pier says on DPDK's telemetry socket (dpdk-telemetry.py):
 *
 *	/pier/stats           every counter, summed over the workers
 *	/pier/stats,N         worker N's
 *	/pier/help            the names of the counters
 *	/pier/help,NAME       what the counter NAME counts
 *	/pier/info            what the provider says about this process
 *	/pier/contract        what the provider says about its memory
 *	/pier/listeners       the listeners by number, CTL_LISTENERS_PAGE of them
 *	/pier/listeners,N     the same from the Nth on
 *
 *	/pier/handler,N       what the Nth listener's handler has counted, CTL_STATS_PAGE of it
 *	/pier/handler,N,M     the same from the Mth on
 *	/pier/reload          have the configuration read again
 *
 * A wrong argument is answered by {"error": "what was expected"}.
 *
 * The values come from a provider, so that nothing here knows workers. DPDK calls back without an
 * argument, hence one provider for the process. Its functions run on DPDK's telemetry thread, one
 * at a time.
 */
#ifndef PIER_CTL_TELEMETRY_H
#define PIER_CTL_TELEMETRY_H

#include <stdbool.h>

#include "base/counter.h"

struct rte_tel_data;

/* A reply holds 16 KB: a listener's dictionary may take some 200 bytes. */
#define CTL_LISTENERS_PAGE 64
#define CTL_STATS_PAGE     200

/*
 * dict is a dictionary to be filled with ctl_dict_u64 and ctl_dict_string.
 */
struct ctl_provider {
	void *arg;
	unsigned int workers;
	/* Read worker's counters, which it may be writing. */
	void (*stats)(void *arg, unsigned int worker, struct counters *out);
	void (*info)(void *arg, struct rte_tel_data *dict);
	void (*contract)(void *arg, struct rte_tel_data *dict);
	/* False: there is no ith listener. */
	bool (*listener)(void *arg, unsigned int i, struct rte_tel_data *dict);
	/* Call add for each statistic of its handler. False: there is no ith listener. */
	bool (*handler_stats)(void *arg, unsigned int i,
			      void (*add)(void *to, const char *name, uint64_t value), void *to);
	/* Start to reload the configuration. False: this program does not. */
	bool (*reload)(void *arg);
};

/*
 * Add a member to a dictionary: names hold letters, digits, '_' and '/', at most 63 characters; a
 * longer text than 127 characters is cut. At most 256 members.
 */
void ctl_dict_u64(struct rte_tel_data *dict, const char *name, uint64_t value);
void ctl_dict_string(struct rte_tel_data *dict, const char *name, const char *text);

/*
 * Register the commands and answer from the provider, which must live until ctl_telemetry_stop.
 * After EAL's start, control thread; once per process. Returns 0, or a negative errno.
 */
int ctl_telemetry_start(const struct ctl_provider *provider);

/* From the return of this call on the provider is not used. The commands answer with an error. */
void ctl_telemetry_stop(void);

#endif
