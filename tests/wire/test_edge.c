/*
 * The edge: what there is a limit to is all taken. Each time what is refused is counted by its reason,
 * connections that are there go on, everything works again as soon as there is room, and kit_teardown
 * finds nothing left behind. Limits with files of their own: test_memory.c (mbufs, blocks), test_listen.c
 * (backlog), test_cookie.c (half-open under a flood), test_time_wait.c, test_policy.c; ring/test_team.c (the
 * rings between workers).
 */
#include <errno.h>
#include <stdlib.h>

#include "kit.h"
#include "tcp/tcp.h"

/* ---- the connection table ---- */

#define FILL_MAX 4096

static uint64_t filled[FILL_MAX];
static unsigned int n_filled;

static struct flow_table *table(struct kit *k)
{
	return (struct flow_table *)(uintptr_t)&engine_tcp(k->e)->table; /* it is to be changed */
}

/* Every slot is taken: by record 0, which is nobody's. */
static void fill_table(struct kit *k)
{
	const uint32_t entry = flow_entry(FLOW_CONN, 0);
	uint64_t hash = 1;

	n_filled = 0;
	for (unsigned int failed = 0; failed < 2000;) {
		hash = hash * 6364136223846793005u + 1442695040888963407u;
		if (flow_table_insert(table(k), hash, entry)) {
			failed++;
		} else {
			assert_true(n_filled < FILL_MAX);
			filled[n_filled++] = hash;
		}
	}
	k->unchecked = true; /* the books do not know of them */
}

static void empty_table(struct kit *k)
{
	while (n_filled)
		assert_true(flow_table_remove(table(k), filled[--n_filled], flow_entry(FLOW_CONN, 0)));
	k->unchecked = false;
}

/* A connection that is there speaks, and is answered. */
static void goes_on(struct kit_peer *p, uint32_t *seq)
{
	p->app.on_data = 10;
	send_seg(p, .flags = ACK | PSH, .seq = *seq, .ack = *seq, .len = 10);
	*seq += 10;
	expect(p, .flags = ACK | PSH, .seq = *seq - 10, .ack = *seq, .len = 10);
	send_seg(p, .flags = ACK, .seq = *seq, .ack = *seq);
}

static void serves(struct kit *k, struct kit_peer *p)
{
	uint32_t seq = 1;

	kit_syn(p);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
	goes_on(p, &seq);
	kit_quiet(k);
}

static void table_full_for_a_syn(void **s)
{
	struct kit *k = *s;
	struct kit_peer *old, *p;
	uint32_t seq = 1;

	k->tcp.syn_cookies = TCP_COOKIES_NEVER;
	old = kit_plain(k);
	p = kit_peer(k);
	fill_table(k);
	for (unsigned int i = 1; i <= 3; i++) {
		kit_syn(p);
		kit_quiet(k);
		assert_int_equal(kit_ctr(k, CTR_RX_TABLE_FULL), i);
		assert_int_equal(kit_usage(k).half_open, 0);
		goes_on(old, &seq);
	}
	empty_table(k);
	serves(k, p);
	assert_int_equal(kit_ctr(k, CTR_RX_TABLE_FULL), 3);
}

/* The client has its SYN-ACK, and no word of it is here: the next segment opens it all the same. */
static void table_full_for_a_cookie(void **s)
{
	struct kit *k = *s;
	struct kit_peer *old, *p;
	uint32_t seq = 1;

	k->tcp.syn_cookies = TCP_COOKIES_ALWAYS;
	old = kit_plain(k);
	p = kit_peer(k);
	kit_syn(p);
	kit_synack(p);
	fill_table(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	kit_quiet(k);
	assert_int_equal(p->app.opens, 0);
	assert_int_equal(kit_ctr(k, CTR_RX_TABLE_FULL), 1);
	assert_int_equal(kit_usage(k).connections, 1);
	assert_int_equal(kit_usage(k).half_open, 0);
	goes_on(old, &seq);
	empty_table(k);
	seq = 1;
	goes_on(p, &seq);
	assert_int_equal(p->app.opens, 1);
}

static void table_full_for_an_active_open(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	kit_start(k);
	p = kit_peer(k);
	fill_table(k);
	assert_int_equal(kit_connect_from(p, LISTENER_ANY, 0), -ENOMEM);
	kit_quiet(k);
	assert_int_equal(kit_usage(k).connections, 0);
	assert_int_equal(kit_usage(k).block_bytes, 0);
	empty_table(k);
	kit_active(kit_peer(k));
}

/* ---- records ---- */

static void records_out(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[4], *late;
	uint32_t seq[4] = {1, 1, 1, 1};

	k->conf.max_connections = 4;
	for (unsigned int i = 0; i < 4; i++)
		p[i] = kit_plain(k);
	late = kit_peer(k);
	for (unsigned int i = 0; i < 4; i++) {
		kit_syn(late);
		kit_quiet(k);
		assert_int_equal(kit_ctr(k, CTR_RX_SYN_NO_CONN), i + 1);
		goes_on(p[i], &seq[i]);
	}
	send_seg(p[2], .flags = RST, .seq = seq[2]);
	serves(k, late);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_NO_CONN), 4);
	assert_int_equal(kit_usage(k).connections, 4);
}

/* Without cookies a half-open record is a promise: no more of them than there is room for behind. */
static void records_promised(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[3];

	k->conf.max_connections = 2;
	k->tcp.syn_cookies = TCP_COOKIES_NEVER;
	kit_start(k);
	for (unsigned int i = 0; i < 3; i++)
		kit_syn(p[i] = kit_peer(k));
	kit_synack(p[0]);
	kit_synack(p[1]);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_NO_CONN), 1);
	send_seg(p[0], .flags = RST, .seq = 1);
	serves(k, p[2]);
}

/* ---- half-open records ---- */

static void half_open_full(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[4], *late, *old;
	uint32_t seq = 1;

	k->conf.max_half_open = 4;
	k->tcp.syn_cookies = TCP_COOKIES_NEVER;
	old = kit_plain(k);
	for (unsigned int i = 0; i < 4; i++) {
		p[i] = kit_peer(k);
		kit_syn(p[i]);
		kit_synack(p[i]);
	}
	late = kit_peer(k);
	kit_syn(late);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_BACKLOG), 1);
	assert_int_equal(kit_usage(k).half_open, 4);
	goes_on(old, &seq);
	send_seg(p[1], .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p[1]->app.opens, 1);
	serves(k, late);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_BACKLOG), 1);
}

/* A SYN of one that is half open takes no second record: it is answered again, and counted. */
static void a_syn_again(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	kit_start(k);
	p = kit_peer(k);
	kit_syn(p);
	kit_synack(p);
	for (unsigned int i = 1; i <= 3; i++) {
		kit_syn(p);
		kit_synack(p);
		assert_int_equal(kit_ctr(k, CTR_SYN_REPEATED), i);
		assert_int_equal(kit_usage(k).half_open, 1);
	}
	assert_int_equal(kit_ctr(k, CTR_SYN_RECEIVED), 1);
	assert_int_equal(kit_ctr(k, CTR_SYNACK_RETRANSMITS), 0); /* those are the timer's */
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
}

/* ---- TIME-WAIT ---- */

/* The oldest makes room, and the newest still answers for itself. */
static void time_wait_full(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[6];

	k->conf.max_time_wait = 4;
	for (unsigned int i = 0; i < 6; i++) {
		p[i] = kit_plain(k);
		kit_app_close(p[i]);
		expect(p[i], .flags = FIN | ACK, .seq = 1, .ack = 1);
		send_seg(p[i], .flags = FIN | ACK, .seq = 1, .ack = 2);
		expect(p[i], .flags = ACK, .seq = 2, .ack = 2);
		assert_int_equal(kit_usage(k).time_wait, i < 4 ? i + 1 : 4);
	}
	assert_int_equal(kit_ctr(k, CTR_TIME_WAIT_RECYCLED), 2);
	send_seg(p[5], .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p[5], .flags = ACK, .seq = 2, .ack = 2);
	send_seg(p[0], .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p[0], .flags = RST, .seq = 2);
	serves(k, kit_peer(k));
}

/* ---- the queue of stateless answers ---- */

#define ANSWERS 1024 /* may wait for a port */

/* What was put into the burst comes in, and nothing goes out: the port takes nothing. */
static void input_only(struct kit *k)
{
	struct pkt_facts facts[ENGINE_BURST_MAX];

	k->bursting = false;
	pkt_parse_burst(k->burst, facts, k->n_burst, 0, &k->cap[0]);
	engine_input(k->e, k->burst, facts, k->n_burst, k->now);
	k->n_burst = 0;
}

/* SYNs to a port that nobody listens on, n bursts of them. */
static void strangers(struct kit_peer *p, uint32_t *seq, unsigned int n)
{
	while (n--) {
		p->k->now += MS; /* rst-rate has to let them through */
		kit_burst_begin(p->k);
		for (unsigned int i = 0; i < ENGINE_BURST_MAX; i++)
			send_seg(p, .flags = SYN, .seq = (*seq)++);
		input_only(p->k);
	}
}

/* A port that takes nothing for a while: RSTs, then a SYN-ACK, find the queue full. */
static void answers_full(void **s)
{
	struct kit *k = *s;
	struct kit_peer *stranger, *old, *p;
	uint32_t seq = 0;

	k->conf.rst_rate = 1000000;
	old = kit_plain(k);
	stranger = kit_peer(k);
	stranger->dport = 4444;
	p = kit_peer(k);
	strangers(stranger, &seq, ANSWERS / ENGINE_BURST_MAX);
	assert_int_equal(kit_ctr(k, CTR_TX_QUEUE_FULL), 0);
	strangers(stranger, &seq, 2);
	assert_int_equal(kit_ctr(k, CTR_TX_QUEUE_FULL), 2 * ENGINE_BURST_MAX);
	kit_burst_begin(k);
	kit_syn(p);
	input_only(k);
	assert_int_equal(kit_ctr(k, CTR_TX_QUEUE_FULL), 2 * ENGINE_BURST_MAX + 1);
	assert_int_equal(kit_usage(k).half_open, 1); /* one packet is lost, and nothing else */
	/* What connections have to say does not wait in that queue. */
	old->app.on_data = 10;
	kit_burst_begin(k);
	send_seg(old, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	input_only(k);
	kit_turn(k); /* the port takes all there is: the oldest first */
	for (unsigned int i = 0; i < ANSWERS; i++)
		expect(stranger, .flags = RST | ACK, .ack = i + 1);
	expect(old, .flags = ACK, .seq = 1, .ack = 11, .len = 10);
	send_seg(old, .flags = ACK, .seq = 11, .ack = 11);
	kit_syn(p); /* again, as peers do */
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
	seq = 1;
	goes_on(p, &seq);
	send_seg(stranger, .flags = SYN, .seq = 7);
	expect(stranger, .flags = RST | ACK, .ack = 8);
	assert_int_equal(kit_ctr(k, CTR_TX_QUEUE_FULL), 2 * ENGINE_BURST_MAX + 1);
}

/* ---- paths ---- */

/* A peer of its own address, and so of its own next hop. */
static struct kit_peer *neighbour(struct kit *k, unsigned int i)
{
	struct kit_peer *p = kit_peer(k);

	kit_host(p->addr, 100 + i);
	return p;
}

static void open_neighbour(struct kit_peer *p)
{
	kit_syn(p);
	kit_arp(p->k);
	kit_synack(p);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(p->app.opens, 1);
	kit_quiet(p->k);
}

static void refused_for_its_path(struct kit_peer *p, uint64_t times)
{
	kit_syn(p);
	kit_quiet(p->k);
	assert_int_equal(kit_ctr(p->k, CTR_RX_SYN_NO_PATH), times);
	assert_int_equal(kit_usage(p->k).half_open, 0);
}

/* Every path has a connection; the next hop of a new one gets none until one of them is done. */
static void paths_full(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[4], *next;
	uint32_t seq = 1;

	k->conf.max_paths = k->conf.max_neighbors = ARRAY_SIZE(p);
	k->ports[0].neighbor = ENGINE_NEIGHBOR_RESOLVE;
	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		open_neighbour(p[i] = neighbour(k, i));
	next = neighbour(k, 50);
	refused_for_its_path(next, 1);
	refused_for_its_path(next, 2);
	goes_on(p[0], &seq);
	send_seg(p[3], .flags = RST, .seq = 1);
	assert_int_equal(p[3]->app.closes, 1);
	open_neighbour(next);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_NO_PATH), 2);
	assert_int_equal(kit_ctr(k, CTR_NEIGHBOR_EVICTED), 1);
}

/* A SYN answered by cookie needs no path; what proves it does, and is sent again. */
static void paths_full_for_a_cookie(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[4], *next;
	uint32_t seq = 1;

	k->tcp.syn_cookies = TCP_COOKIES_ALWAYS;
	k->conf.max_paths = k->conf.max_neighbors = ARRAY_SIZE(p);
	k->ports[0].neighbor = ENGINE_NEIGHBOR_RESOLVE;
	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = neighbour(k, i);
		kit_syn(p[i]);
		kit_synack(p[i]);
		send_seg(p[i], .flags = ACK, .seq = 1, .ack = 1);
		assert_int_equal(p[i]->app.opens, 1);
	}
	next = neighbour(k, 50);
	kit_syn(next);
	kit_synack(next);
	send_seg(next, .flags = ACK, .seq = 1, .ack = 1);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_NO_PATH), 1);
	assert_int_equal(next->app.opens, 0);
	send_seg(p[3], .flags = RST, .seq = 1);
	next->app.on_data = 10;
	send_seg(next, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	kit_arp(k);
	expect(next, .flags = ACK, .seq = 1, .ack = 11, .len = 10);
	assert_int_equal(next->app.opens, 1);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_NO_PATH), 1);
	send_seg(next, .flags = ACK, .seq = 11, .ack = 11);
	seq = 11;
	goes_on(next, &seq);
}

/* Neither on the link nor, without a gateway, behind it: no SYN of theirs is answered. */
static void no_route(void **s)
{
	struct kit *k = *s;
	struct kit_peer *far;

	k->ports[0].neighbor = ENGINE_NEIGHBOR_RESOLVE;
	far = kit_peer(k);
	kit_far(far->addr, 1);
	refused_for_its_path(far, 1);
	open_neighbour(neighbour(k, 0));
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_NO_PATH), 1);
}

static const struct CMUnitTest tests[] = {
	KIT_TEST(table_full_for_a_syn),
	KIT_TEST(table_full_for_a_cookie),
	KIT_TEST(table_full_for_an_active_open),
	KIT_TEST(records_out),
	KIT_TEST(records_promised),
	KIT_TEST(half_open_full),
	KIT_TEST(a_syn_again),
	KIT_TEST(time_wait_full),
	KIT_TEST(answers_full),
	KIT_TEST(paths_full),
	KIT_TEST(paths_full_for_a_cookie),
	KIT_TEST(no_route),
};

KIT_MAIN(tests)
