/*
 * LD_PRELOAD: what a poll-mode program's first port costs it, the same for pier and for others. The burst
 * functions of port 0 are wrapped once the link is up; a turn goes from one receive call to the next, and the
 * cycles of turns that moved a packet are busy. Read by bench/peers/served.py in the file that METER names.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <rte_ethdev.h>
#include <rte_cycles.h>

/* All of them counters; hz is the TSC's frequency. */
struct meter {
	volatile uint64_t hz, busy, total, rx, tx, turns, busy_turns, tx_calls, tx_refused;
};
static struct meter *m;
static eth_rx_burst_t real_rx;
static eth_tx_burst_t real_tx;
static uint64_t last, moved;

static uint16_t rx(void *q, struct rte_mbuf **p, uint16_t n)
{
	const uint64_t now = rte_rdtsc();

	if (last) {
		m->total += now - last;
		if (moved) {
			m->busy += now - last;
			m->busy_turns++;
		}
		m->turns++;
	}
	last = now;
	n = real_rx(q, p, n);
	m->rx += n;
	moved = n;
	return n;
}

static uint16_t tx(void *q, struct rte_mbuf **p, uint16_t n)
{
	uint16_t sent = real_tx(q, p, n);

	m->tx += sent;
	m->tx_calls++;
	m->tx_refused += n - sent;
	moved += sent;
	return sent;
}

static void *install(void *arg)
{
	struct rte_eth_link link;

	while (!rte_eth_dev_is_valid_port(0) || rte_eth_link_get_nowait(0, &link) || !link.link_status)
		usleep(2000);
	m->hz = rte_get_tsc_hz();
	real_rx = rte_eth_fp_ops[0].rx_pkt_burst;
	real_tx = rte_eth_fp_ops[0].tx_pkt_burst;
	rte_eth_fp_ops[0].tx_pkt_burst = tx;
	rte_eth_fp_ops[0].rx_pkt_burst = rx;
	return arg;
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("METER");
	pthread_t t;
	int fd;

	if (!path)
		return;
	fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, 4096))
		return;
	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsetenv("LD_PRELOAD");
	pthread_create(&t, NULL, install, NULL);
}
