/*
 * Who polls ports, so that what a driver unmaps outlives the burst under way.
 *
 * A driver may give memory up while a thread polls: net_memif unmaps its rings as soon as the other
 * end leaves, in EAL's interrupt thread, and looks at nobody. A thread in the middle of a burst
 * then reads where nothing is any more. Therefore munmap() waits, in the interrupt thread only,
 * until each poller was outside of the drivers once since (a grace period of rte_rcu_qsbr): by then
 * all of them have seen the flag that the driver took back before.
 *
 * Every thread that calls rte_eth_rx_burst() or rte_eth_tx_burst() on a device whose peer may leave
 * says so by these. They are for threads with an lcore id; for others they do nothing.
 */
#ifndef PIER_PORT_POLLER_H
#define PIER_PORT_POLLER_H

#include <rte_lcore.h>
#include <rte_rcu_qsbr.h>

extern struct rte_rcu_qsbr *const port_pollers;

/* The calling thread polls from now on: what it sees then stays until its next port_poller_pass(). */
void port_poller_begin(void);

/* It polls no more, or sleeps: nothing waits for it until it begins again. */
void port_poller_end(void);

/* Between two bursts, each turn: two loads, seldom a store in a line of this thread's own. */
static inline void port_poller_pass(void)
{
	const unsigned int lcore = rte_lcore_id();

	if (lcore < RTE_MAX_LCORE && port_pollers->qsbr_cnt[lcore].cnt != 0) /* 0: not begun */
		rte_rcu_qsbr_quiescent(port_pollers, lcore);
}

#endif
