/*
 * See port/poller.h. munmap() is the one step of the drivers' way that can be stood in: they have
 * no hook for it, and the interrupt thread takes no lock that could be held.
 */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_interrupts.h>

#include "base/compiler.h"
#include "port/poller.h"

#define LOOK_US 20

/* rte_rcu_qsbr_get_memsize(RTE_MAX_LCORE), which is no constant: the head, a counter and a bit for each. */
static uint8_t memory[sizeof(struct rte_rcu_qsbr) +
		      (sizeof(struct rte_rcu_qsbr_cnt) + RTE_CACHE_LINE_SIZE) *
			      RTE_MAX_LCORE] __rte_cache_aligned;

struct rte_rcu_qsbr *const port_pollers = (struct rte_rcu_qsbr *)memory;

static void __attribute__((constructor)) init(void)
{
	if (rte_rcu_qsbr_get_memsize(RTE_MAX_LCORE) > sizeof(memory) ||
	    rte_rcu_qsbr_init(port_pollers, RTE_MAX_LCORE))
		__builtin_trap();
}

void port_poller_begin(void)
{
	const unsigned int lcore = rte_lcore_id();

	if (lcore >= RTE_MAX_LCORE)
		return;
	rte_rcu_qsbr_thread_register(port_pollers, lcore);
	rte_rcu_qsbr_thread_online(port_pollers, lcore);
}

void port_poller_end(void)
{
	const unsigned int lcore = rte_lcore_id();

	if (lcore < RTE_MAX_LCORE)
		rte_rcu_qsbr_thread_offline(port_pollers, lcore);
}

/* Sleeps rather than spins: the poller that it waits for may be waiting for this CPU. */
static void wait_for_pollers(void)
{
	const uint64_t token = rte_rcu_qsbr_start(port_pollers);

	while (rte_rcu_qsbr_check(port_pollers, token, false) == 0)
		usleep(LOOK_US);
}

/* In place of the C library's, for the drivers as well, since the program's symbols come first. */
int munmap(void *addr, size_t len)
{
	if (unlikely(rte_thread_is_intr()))
		wait_for_pollers();
	return (int)syscall(SYS_munmap, addr, len);
}
