/*
 * The worker's loop between a counting engine and a pair of ring ports, whose other end the test
 * holds: what is moved and counted, what a full or dead port leads to, requests, and the end.
 */
#include "kit.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "base/units.h"
#include "fake_engine.h"
#include "worker/clock.h"
#include "worker/overload.h"
#include "worker/worker.h"

#define RING   WORKER_BURST /* packets between the ends */
#define REFUSED_US 20000
#define FASTER 20 /* a worker's clock that a test need not wait for */

static char err[256];
static struct port_pools pools;
static struct port a, b;
static struct worker_port queue = {&a, 0, 0};
static struct worker *w;
static unsigned int faster = 1;

/* The library's call resolves to this: the worker takes its clock's pace from it. */
uint64_t rte_get_tsc_hz(void)
{
	return ((__typeof__(&rte_get_tsc_hz))dlsym(RTLD_NEXT, "rte_get_tsc_hz"))() / faster;
}

static int set_up(void **state)
{
	const struct port_pools_config cfg = {"test", 2047, 511, 1500, SOCKET_ID_ANY};
	struct worker_config wc = {
		.id = 5,
		.node = -1,
		.idle = WORKER_SLEEP,
		.ports = &queue,
		.n_ports = 1,
		.refused_us = REFUSED_US,
	};
	char pair[] = "wire", b_end[] = "wireb";
	struct port_config c;

	memset(&fake, 0, sizeof(fake));
	fake.next = UINT64_MAX;
	option_defaults(&port_option_table, &c);
	c.ring_pair = pair;
	c.rx_desc = RING;
	assert_true(port_pools_create(&cfg, &pools, err, sizeof(err)));
	assert_true(port_open(&c, 1, true, &pools, &a, err, sizeof(err)));
	c.device = b_end;
	assert_true(port_open(&c, 1, false, &pools, &b, err, sizeof(err)));
	wc.engine.pool = pools.data;
	w = worker_create(&wc, err, sizeof(err));
	assert_non_null(w);
	return 0;
}

static int set_up_fast(void **state)
{
	faster = FASTER;
	return set_up(state);
}

static int tear_down(void **state)
{
	faster = 1;
	worker_destroy(w);
	assert_int_equal(fake.destroyed, 1);
	assert_false(fake.went_back);
	port_close(&a);
	port_close(&b);
	assert_int_equal(port_pools_destroy(&pools), 0);
	return 0;
}

static uint64_t counted(enum counter c)
{
	struct counters now;

	worker_snapshot(w, &now);
	return now.v[c];
}

static void offer(unsigned int n)
{
	struct rte_mbuf *m;

	for (unsigned int i = 0; i < n; i++) {
		m = rte_pktmbuf_alloc(pools.data);
		memset(rte_pktmbuf_append(m, 100), 0, 100);
		assert_int_equal(rte_eth_tx_burst(b.id, 0, &m, 1), 1);
	}
}

/* Take at most max packets from the wire; they are numbered from *first on, which moves along. */
static unsigned int take(unsigned int max, uint64_t *first)
{
	struct rte_mbuf *m[RING];
	const unsigned int n = rte_eth_rx_burst(b.id, 0, m, max);

	for (unsigned int i = 0; i < n; i++, (*first)++)
		assert_memory_equal(rte_pktmbuf_mtod(m[i], void *), first, sizeof(*first));
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

static void clock_conversion(void **state)
{
	struct worker_clock c;

	worker_clock_init(&c, 2500000000, 1000);
	assert_int_equal(worker_clock_us(&c, 1000), 0);
	assert_int_equal(worker_clock_us(&c, 1000 + 2499), 0);
	assert_int_equal(worker_clock_us(&c, 1000 + 2500 * 7 + 1), 7);
	assert_int_equal(worker_clock_us(&c, 1000 + 2500 * 3), 7); /* a step back is none */
	assert_int_equal(worker_clock_us(&c, 1), 7);		   /* nor one before the start */
	/* A year: 128 bits hold it, and the factor's error stays far below a millisecond. */
	assert_in_range(worker_clock_us(&c, 1000 + 2500000000ull * 31536000), 31536000000000 - 10,
			31536000000000);
}

static void moves_and_counts(void **state)
{
	uint64_t first = 0;

	assert_int_equal(fake.cfg.worker, 5);
	assert_int_equal(worker_turn(w), 0);
	offer(3);
	fake.to_send = 4;
	assert_int_equal(worker_turn(w), 7);
	assert_int_equal(fake.received, 3);
	assert_int_equal(counted(CTR_RX_PACKETS), 3);
	assert_int_equal(counted(CTR_RX_BYTES), 300);
	assert_int_equal(counted(CTR_TX_PACKETS), 4);
	assert_int_equal(counted(CTR_TX_BYTES), 240);
	assert_int_equal(take(RING, &first), 4);
	/* An idle turn ticks, of busy ones every fourth. */
	assert_int_equal(fake.ticks, 1);
	for (int i = 0; i < 7; i++) {
		offer(1);
		worker_turn(w);
	}
	assert_int_equal(fake.ticks, 3);
	worker_turn(w);
	assert_int_equal(fake.ticks, 4);
}

static struct {
	unsigned int turns, received, does;
	uint64_t now, next;
} hooked;

static unsigned int hook_turn(void *arg, struct engine *e, uint64_t now, unsigned int received)
{
	assert_ptr_equal(arg, &hooked);
	assert_ptr_equal(e, &fake);
	hooked.turns++;
	hooked.received = received;
	hooked.now = now;
	fake.to_send += hooked.does;
	return hooked.does;
}

static uint64_t hook_next(void *arg, uint64_t now)
{
	return hooked.next;
}

/* The hook sees what was received, what it causes leaves in the same turn, and it counts as work. */
static void hook_in_each_turn(void **state)
{
	const struct worker_hook hook = {hook_turn, hook_next, &hooked};
	uint64_t first = 0;

	worker_set_hook(w, &hook);
	offer(2);
	hooked.does = 3;
	assert_int_equal(worker_turn(w), 2 + 3 + 3);
	assert_int_equal(hooked.turns, 1);
	assert_int_equal(hooked.received, 2);
	assert_int_equal(hooked.now, fake.now);
	assert_int_equal(take(RING, &first), 3);
	hooked.does = 0;
	assert_int_equal(worker_turn(w), 0);
	assert_int_equal(hooked.turns, 2);
	assert_int_equal(hooked.received, 0);
}

static void shortfall_waits_in_order(void **state)
{
	uint64_t first = 0;
	unsigned int got = 0;

	fake.to_send = 1000;
	assert_int_equal(worker_turn(w), RING);
	assert_int_equal(fake.sent, WORKER_BURST);
	assert_int_equal(worker_turn(w), 0); /* the wire is full: one burst is held */
	assert_int_equal(fake.sent, 2 * WORKER_BURST);
	assert_int_equal(worker_turn(w), 0); /* and not more */
	assert_int_equal(fake.max, 0);
	assert_int_equal(fake.sent, 2 * WORKER_BURST);
	got += take(10, &first);
	assert_int_equal(worker_turn(w), 10);
	assert_int_equal(worker_turn(w), 0);
	assert_int_equal(fake.max, 10); /* the room that became free */
	assert_int_equal(fake.sent, 2 * WORKER_BURST + 10);
	while (got < 1000) {
		got += take(7, &first);
		worker_turn(w);
	}
	assert_int_equal(got, 1000);
	assert_int_equal(counted(CTR_TX_PACKETS), 1000);
	assert_int_equal(counted(CTR_TX_BYTES), 60000);
	assert_int_equal(counted(CTR_TX_REFUSED), 0);
}

static struct {
	uint64_t next, bad;
} prepared;

static uint16_t look_at(void *of, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++, prepared.next++) {
		assert_memory_equal(rte_pktmbuf_mtod(pkts[i], void *), &prepared.next, sizeof(prepared.next));
		if (prepared.next % 7 == 5 && prepared.next != prepared.bad) {
			prepared.bad = prepared.next++;
			return i;
		}
	}
	return n;
}

/* Before a port that cuts segments sees a packet its driver prepares it, once; what it refuses is dropped. */
static void prepared_once(void **state)
{
	enum { REFUSED = 143 }; /* each seventh, of 1,000 */
	struct rte_mbuf *m[RING];
	unsigned int got = 0, n;

	prepared.next = 0;
	prepared.bad = UINT64_MAX;
	a.cap.flags |= PKT_TX_TSO;
	rte_eth_fp_ops[a.id].tx_pkt_prepare = look_at;
	fake.to_send = 1000;
	for (int turn = 0; turn < 100000 && (got < 1000 - REFUSED || fake.to_send); turn++) {
		worker_turn(w);
		n = rte_eth_rx_burst(b.id, 0, m, turn % 7);
		for (unsigned int i = 0; i < n; i++, got++) {
			const uint64_t want = got / 6 * 7 + (got % 6 == 5 ? 6 : got % 6);

			assert_memory_equal(rte_pktmbuf_mtod(m[i], void *), &want, sizeof(want));
		}
		rte_pktmbuf_free_bulk(m, n);
	}
	assert_int_equal(prepared.next, 1000);
	assert_int_equal(counted(CTR_TX_UNPREPARED), REFUSED);
	assert_int_equal(counted(CTR_TX_REFUSED), 0);
	assert_int_equal(counted(CTR_TX_PACKETS), 1000 - REFUSED);
	assert_int_equal(got, 1000 - REFUSED);
}

/* Turns until a packet is dropped; that is not before so many us. */
static void until_refused(uint64_t packets, uint64_t least)
{
	const uint64_t start = fake.now;

	while (counted(CTR_TX_REFUSED) != packets)
		worker_turn(w);
	assert_true(fake.now - start >= least);
	assert_int_equal(counted(CTR_TX_REFUSED), packets);
}

static void refused_head_is_dropped(void **state)
{
	uint64_t first = 0;

	fake.to_send = RING + 2;
	worker_turn(w);
	until_refused(1, REFUSED_US);
	assert_int_equal(take(1, &first), 1);
	worker_turn(w); /* something moves: counting begins anew */
	assert_int_equal(take(RING - 1, &first), RING - 1);
	first++; /* the one that was dropped */
	assert_int_equal(take(RING, &first), 1);
	assert_int_equal(counted(CTR_TX_PACKETS), RING + 1);

	fake.to_send = RING + 5; /* what is held at the end is freed, see tear_down */
	worker_turn(w);
	worker_turn(w);
}

/* Each packet has the whole time, and what we stood is not the port's. */
static void refused_for_long_not_late(void **state)
{
	fake.to_send = RING + 3;
	worker_turn(w);
	for (int i = 0; i < 3; i++) {
		usleep(3 * REFUSED_US);
		worker_turn(w);
	}
	assert_int_equal(counted(CTR_TX_REFUSED), 0);
	until_refused(1, REFUSED_US / 2); /* some of it is over: of each pause a little counts */
	worker_turn(w);
	until_refused(2, REFUSED_US);
}

static void link_down_drops_at_once(void **state)
{
	uint64_t first = 5;

	assert_int_equal(rte_eth_dev_set_link_down(a.id), 0);
	assert_true(port_link_up(&a)); /* as last polled */
	port_link_poll(&a);
	assert_false(port_link_up(&a));
	fake.to_send = 5;
	worker_turn(w);
	assert_int_equal(counted(CTR_TX_LINK_DOWN), 5);
	assert_int_equal(counted(CTR_TX_PACKETS), 0);
	assert_int_equal(rte_eth_dev_set_link_up(a.id), 0);
	port_link_poll(&a);
	fake.to_send = 1;
	worker_turn(w);
	assert_int_equal(take(RING, &first), 1);
}

/* A link that came up since it was asked for: what comes from it is answered. */
static void who_speaks_has_a_link(void **state)
{
	uint64_t first = 1;

	assert_int_equal(rte_eth_dev_set_link_down(a.id), 0);
	port_link_poll(&a);
	fake.to_send = 1;
	worker_turn(w);
	assert_int_equal(counted(CTR_TX_LINK_DOWN), 1);
	assert_int_equal(rte_eth_dev_set_link_up(a.id), 0);
	offer(1);
	fake.to_send = 1;
	worker_turn(w);
	assert_int_equal(counted(CTR_TX_LINK_DOWN), 1);
	assert_int_equal(take(RING, &first), 1);
}

/* What the device has, within what a received frame has room for. */
static void engine_hears_of_another_mtu(void **state)
{
	assert_int_equal(port_mtu(&a), 1500);
	worker_turn(w);
	assert_int_equal(fake.mtus, 0);
	a.mtu_max = 1400;
	while (!fake.mtus)
		worker_turn(w);
	assert_int_equal(port_mtu(&a), 1400);
	for (int i = 0; i < 1000; i++)
		worker_turn(w);
	assert_int_equal(fake.mtus, 1);
}

/* A turn with a full burst, of which so many packets were sent again. */
static void full_turn(unsigned int again)
{
	fake.cfg.counters->v[CTR_RX_OLD_DATA] += again;
	offer(WORKER_BURST);
	worker_turn(w);
}

/* What the loop tells overload.h, and what it does with the answer. */
static void pressure_is_told(void **state)
{
	while (!fake.refused)
		full_turn(1);
	for (int i = 0; i < OVERLOAD_RUN; i++)
		full_turn(1);
	assert_true(fake.pressure);
	assert_int_equal(fake.refused, OVERLOAD_MOST / (OVERLOAD_ALL / ENGINE_REFUSE_ALL));
	while (fake.pressure)
		worker_turn(w);
}

/* Under pressure each burst is shown to engine_refuse, and what it leaves is what comes in; else none is. */
static void bursts_are_refused_first(void **state)
{
	unsigned int before;
	uint64_t received;

	full_turn(0);
	assert_int_equal(fake.glances, 0);
	while (!fake.pressure)
		full_turn(1);
	before = fake.glances;
	received = fake.received;
	for (int i = 1; i <= 3; i++) {
		offer(2);
		worker_turn(w);
		assert_int_equal(fake.glances, before + i);
		assert_int_equal(fake.received, received + i);
	}
}

static void a_busy_worker_is_not_under_pressure(void **state)
{
	const uint64_t end = rte_rdtsc() + rte_get_tsc_hz() / 5;

	while (rte_rdtsc() < end)
		full_turn(0);
	assert_int_equal(fake.pressures, 0);
}

/* Whether the mapping that begins at start is left out of core dumps: "dd" among its flags. */
static bool undumped(const void *start)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long lo, hi;
	bool here = false, found = false;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &lo, &hi) == 2)
			here = lo <= (unsigned long)start && (unsigned long)start < hi;
		else if (here && !strncmp(line, "VmFlags:", 8))
			found |= strstr(line, " dd") != NULL;
	}
	fclose(f);
	return found;
}

static unsigned int resident(void *p, size_t bytes)
{
	unsigned char page[1024];
	unsigned int n = 0;

	assert_true(bytes / 4096 <= sizeof(page));
	assert_int_equal(mincore(p, bytes, page), 0);
	for (size_t i = 0; i < bytes / 4096; i++)
		n += page[i] & 1;
	return n;
}

static void memory_committed_at_once(void **state)
{
	struct worker_memory lazy = {.node = -1}, full = {.node = -1, .prefault = true};

	assert_int_equal(resident(worker_alloc(&lazy, 3 << 20, "large"), 3 << 20), 0);
	assert_int_equal(resident(worker_alloc(&full, 3 << 20, "large"), 3 << 20), 768);
	assert_int_equal(resident(worker_alloc(&full, 8192, "small"), 8192), 2);
	worker_memory_free(&lazy);
	worker_memory_free(&full);
}

/* The engine's keys lie in the memory it was given. */
static void keys_are_not_dumped(void **state)
{
	const struct worker_memory *m = worker_memory(w);

	assert_true(m->n > 0);
	for (unsigned int i = 0; i < m->n; i++)
		assert_true(undumped(m->regions[i].start));
}

static void *run(void *arg)
{
	return (void *)(intptr_t)worker_run(arg);
}

static struct worker_left left_to_do(void)
{
	struct worker_msg m = {.op = WORKER_OP_LEFT};

	assert_true(worker_request(w, &m));
	return m.left;
}

static void requests_while_it_runs(void **state)
{
	struct worker_msg m = {.op = WORKER_OP_LISTEN};
	unsigned int told = 0;
	uint64_t first = 0;
	pthread_t thread;
	void *rc;

	assert_true(worker_request(w, &m)); /* not running: carried out here */
	assert_int_equal(m.version, 41);
	assert_int_equal(pthread_create(&thread, NULL, run, w), 0);
	while (!worker_running(w))
		sched_yield();
	for (int i = 0; i < 100; i++) {
		m = (struct worker_msg){.op = WORKER_OP_USERS, .version = i};
		assert_true(worker_request(w, &m));
		assert_int_equal(m.users, 2 * i);
	}
	m = (struct worker_msg){.op = WORKER_OP_USAGE};
	assert_true(worker_request(w, &m));
	assert_int_equal(m.usage.connections, 77);
	m = (struct worker_msg){.op = WORKER_OP_UNLISTEN, .version = 41};
	assert_true(worker_request(w, &m));
	assert_int_equal(fake.unlistened, 41);
	assert_true(worker_running(w));
	m.op = WORKER_OP_DRAIN;
	assert_true(worker_request(w, &m));
	fake.left = 10 * RING;
	m = (struct worker_msg){.op = WORKER_OP_ABORT, .us = 60 * US_PER_SEC};
	assert_true(worker_request(w, &m));
	while (left_to_do().telling) /* the port takes what we take */
		told += take(RING, &first);
	while (take(RING, &first))
		;
	assert_int_equal(first, 10 * RING);
	fake.left = 3;
	assert_true(worker_request(w, &m));
	m.op = WORKER_OP_STOP;
	assert_true(worker_request(w, &m));
	assert_int_equal(pthread_join(thread, &rc), 0);
	assert_null(rc);
	assert_false(worker_running(w));
	assert_int_equal(fake.drains, 1);
	assert_int_equal(fake.left, 0);
	assert_int_equal(counted(CTR_CONN_UNTOLD), 0);
	while (take(RING, &first))
		;
	assert_int_equal(first, 10 * RING + 3); /* what was to be sent left before the end */
	assert_true(told >= 8 * RING);
}

static void begin_to_tell(uint64_t connections, uint64_t us)
{
	struct worker_msg m = {.op = WORKER_OP_ABORT, .us = us};

	fake.left = connections;
	assert_true(worker_request(w, &m));
}

/* 100 connections for a port with room for RING packets: it is waited for, and what it takes then leaves. */
static void the_end_waits_for_the_port(void **state)
{
	struct worker_left left;
	uint64_t first = 0;

	begin_to_tell(100, 60 * US_PER_SEC);
	for (int i = 0; i < 1000; i++)
		worker_turn(w);
	left = left_to_do();
	assert_true(left.telling);
	assert_int_equal(left.connections + left.packets, 100 - RING);
	assert_int_equal(left.untold + left.dropped, 0);
	while (left_to_do().telling) {
		take(5, &first);
		worker_turn(w);
	}
	while (take(RING, &first))
		;
	assert_int_equal(first, 100);
	assert_int_equal(counted(CTR_TX_REFUSED) + counted(CTR_CONN_UNTOLD), 0);
	assert_int_equal(left_to_do().connections + left_to_do().packets, 0);
}

/* Time is up, by the request or by a port that takes nothing: who is left is not told, and is counted. */
static void the_end_is_bounded(void **state)
{
	const unsigned int out = rte_mempool_in_use_count(pools.data);
	struct worker_left left;
	uint64_t first = 0;

	for (unsigned int stalled = 0; stalled < 2; stalled++) {
		begin_to_tell(4 * RING, 3600 * US_PER_SEC);
		for (int i = 0; i < 1000; i++)
			worker_turn(w);
		if (!stalled)
			begin_to_tell(fake.left, 0);
		while (left_to_do().telling)
			worker_turn(w);
		left = left_to_do();
		assert_int_equal(left.connections + left.packets, 0);
		assert_int_equal(left.untold + left.dropped, 3 * RING);
		assert_true(left.untold && left.dropped);
		assert_int_equal(counted(CTR_TX_REFUSED), (stalled + 1) * left.dropped);
		assert_int_equal(counted(CTR_CONN_UNTOLD), (stalled + 1) * left.untold);
		assert_int_equal(rte_mempool_in_use_count(pools.data), out + RING);
		first = fake.sent - RING - left.dropped;
		assert_int_equal(take(RING, &first), RING);
	}
	assert_int_equal(rte_mempool_in_use_count(pools.data), out);
}

/* A CPU that is away is no port that takes nothing: what lies between two turns counts as one. */
static void the_end_waits_for_its_own_cpu(void **state)
{
	uint64_t first = 0;

	begin_to_tell(100, 3600 * US_PER_SEC);
	for (int i = 0; i < 200; i++) {
		usleep(1000000 / 50 / FASTER);
		worker_turn(w);
	}
	assert_true(left_to_do().telling);
	while (left_to_do().telling) {
		take(RING, &first);
		worker_turn(w);
	}
	while (take(RING, &first))
		;
	assert_int_equal(first, 100);
	assert_int_equal(counted(CTR_CONN_UNTOLD), 0);
}

static void wakes_for_what_is_due(void **state)
{
	struct worker_msg m = {.op = WORKER_OP_STOP};
	pthread_t thread;

	fake.next = 0; /* always due: it never sleeps, and still hears requests */
	assert_int_equal(pthread_create(&thread, NULL, run, w), 0);
	while (!worker_running(w))
		sched_yield();
	offer(9);
	while (__atomic_load_n(&fake.received, __ATOMIC_RELAXED) < 9)
		sched_yield();
	assert_true(worker_request(w, &m));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(counted(CTR_RX_PACKETS), 9);
}

static void memory(void **state)
{
	struct worker_memory m = {.node = -1};
	uint8_t *p = worker_alloc(&m, 5 << 20, "large"), *q = worker_alloc(&m, 100, "small");

	assert_non_null(p);
	assert_non_null(q);
	assert_int_equal((uintptr_t)p % (2 << 20), 0);
	assert_int_equal((uintptr_t)q % CACHE_LINE, 0);
	assert_int_equal(p[0] | p[(5 << 20) - 1] | q[99], 0);
	p[0] = p[(5 << 20) - 1] = q[99] = 1;
	assert_true(m.bytes >= (5 << 20) + 100);
	assert_null(worker_alloc(&m, SIZE_MAX - 1, "impossible"));
	assert_null(worker_alloc(&m, 0, "nothing"));
	while (worker_alloc(&m, 1, "many"))
		assert_true(m.n <= WORKER_REGIONS_MAX);
	assert_int_equal(m.n, WORKER_REGIONS_MAX);
	worker_memory_free(&m);
	assert_int_equal(m.n + m.bytes, 0);
	assert_true(worker_memory(w)->bytes >= 3 << 20); /* the engine's */
}

#define TEST(f)	     cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define TEST_FAST(f) cmocka_unit_test_setup_teardown(f, set_up_fast, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_conversion),
		TEST(moves_and_counts),
		TEST(hook_in_each_turn),
		TEST(shortfall_waits_in_order),
		TEST(prepared_once),
		TEST(refused_head_is_dropped),
		TEST(refused_for_long_not_late),
		TEST(link_down_drops_at_once),
		TEST(who_speaks_has_a_link),
		TEST(engine_hears_of_another_mtu),
		TEST(pressure_is_told),
		TEST(bursts_are_refused_first),
		TEST(a_busy_worker_is_not_under_pressure),
		TEST(keys_are_not_dumped),
		TEST(requests_while_it_runs),
		TEST(the_end_waits_for_the_port),
		TEST_FAST(the_end_is_bounded),
		TEST_FAST(the_end_waits_for_its_own_cpu),
		TEST(wakes_for_what_is_due),
		TEST(memory),
		TEST(memory_committed_at_once),
	};

	return cmocka_run_group_tests(tests, kit_eal, kit_eal_end);
}
