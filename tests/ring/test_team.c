/*
 * What comes to the wrong worker comes to the right one: segments, fragments, ICMP errors, ARP; by
 * each way of steering, and where there are fewer queues than workers. Every test ends with both
 * workers' books in order and the pools full.
 */
#include "team_kit.h"

#include <string.h>

#include "base/units.h"
#include "flow/tuple.h"
#include "net/net.h"
#include "wire/arp.h"
#include "wire/eth.h"

#define OPEN(k, ...) team_open(k, &(const struct team_kit_config){__VA_ARGS__})

/* Each worker's flows, arriving on each queue: the owner has the connection. */
static void handed_to_the_owner(void **state)
{
	static struct team_kit k;

	OPEN(&k, .neighbor = ENGINE_NEIGHBOR_REFLECT);
	assert_int_equal(k.near.plan.steering, PORT_STEER_SOFTWARE);
	for (int owner = 0; owner < TEAM_N; owner++)
		for (unsigned int q = 0; q < 2; q++) {
			struct frames_flow f = team_flow(&k, owner);

			team_handshake(&k, &f, q);
			assert_int_equal(team_usage(&k, owner).connections, 1);
			assert_int_equal(team_usage(&k, !owner).connections, 0);
			team_echo(&k, &f, q);
			team_echo(&k, &f, !q); /* a link may change its mind */
			team_finish(&k, &f, q);
			assert_int_equal(team_usage(&k, owner).connections, 0);
		}
	assert_true(team_counted(&k, 0, CTR_HANDOVER_PACKETS) > 0);
	assert_true(team_counted(&k, 1, CTR_HANDOVER_PACKETS) > 0);
	assert_int_equal(team_counted_all(&k, CTR_CONN_CLOSED), 4);
	assert_int_equal(team_counted_all(&k, CTR_TX_RSTS), 0);
	team_close(&k);
}

/* Who owns which queue is as planned; ARP, too, is the business of the one with queue 0. */
static void planned_owners(void **state)
{
	static const uint16_t owners[TEAM_N] = {1, 0};
	static struct team_kit k;
	struct frames_flow f;

	OPEN(&k, .neighbor = ENGINE_NEIGHBOR_REFLECT, .owners = owners);
	for (unsigned int q = 0; q < TEAM_N; q++) {
		f = team_flow(&k, owners[q]);
		team_handshake(&k, &f, q);
		assert_int_equal(team_usage(&k, owners[q]).connections, 1);
		team_echo(&k, &f, q);
		team_finish(&k, &f, q);
		assert_int_equal(team_counted(&k, owners[q], CTR_CONN_CLOSED), 1);
	}
	assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), 0);
	for (unsigned int q = 0; q < TEAM_N; q++)
		team_send(&k, q, frames_arp(k.pools[0].data, &f, ARP_OP_REQUEST));
	team_turns(&k, 3);
	assert_int_equal(team_counted(&k, owners[0], CTR_ARP_REQUESTS_RX), 2);
	assert_int_equal(team_counted_all(&k, CTR_ARP_REQUESTS_RX), 2);
	team_take_all(&k);
	team_close(&k);
}

/* The same with a queue for one of them only: the other one's flows go through it. */
static void planned_owner_of_one_queue(void **state)
{
	static const uint16_t owners[TEAM_N] = {1, 0};
	static struct team_kit k;

	OPEN(&k, .queues = 1, .neighbor = ENGINE_NEIGHBOR_REFLECT, .owners = owners);
	for (int owner = 0; owner < TEAM_N; owner++) {
		struct frames_flow f = team_flow(&k, owner);

		team_handshake(&k, &f, 0);
		assert_int_equal(team_usage(&k, owner).connections, 1);
		team_echo(&k, &f, 0);
		team_finish(&k, &f, 0);
	}
	assert_int_equal(team_counted(&k, 0, CTR_TX_PACKETS), 0);
	assert_int_equal(team_counted(&k, 1, CTR_RELAYED_PACKETS), 0);
	assert_true(team_counted(&k, 0, CTR_RELAYED_PACKETS) > 0);
	team_close(&k);
}

/* Where nobody says otherwise the rings to one worker have 4,096 slots together, each 64 to 1,024. */
static void rings_by_workers(void **state)
{
	static const struct {
		unsigned int n;
		uint32_t slots;
	} want[] = {{2, 1024}, {4, 1024}, {5, 512}, {8, 512}, {9, 256}, {16, 256}, {33, 64}, {64, 64}};
	char err[128];

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		struct worker_team_config cfg = {.n = want[i].n};
		uint64_t bytes[3];

		for (unsigned int j = 0; j < ARRAY_SIZE(bytes); j++) {
			struct worker_team *t;

			cfg.ring_size = j == 0 ? 0 : j * want[i].slots;
			t = worker_team_create(&cfg, err, sizeof(err));
			assert_non_null(t);
			bytes[j] = worker_team_bytes(t);
			worker_team_destroy(t);
		}
		assert_int_equal(bytes[0], bytes[1]);
		assert_true(bytes[1] < bytes[2]);
	}
}

/* What waits in a relay when all is over goes with it: see team_close. */
static void relay_at_the_end(void **state)
{
	static struct team_kit k;
	struct frames_flow f;

	OPEN(&k, .queues = 1, .neighbor = ENGINE_NEIGHBOR_REFLECT);
	f = team_flow(&k, 1);
	for (unsigned int i = 0; i < 3; i++)
		team_send(&k, 0, frames_tcp(k.pools[0].data, &f, TCP_ACK, NULL, 0));
	worker_turn(k.worker[0]);
	worker_turn(k.worker[1]);
	assert_int_equal(team_counted(&k, 1, CTR_RELAYED_PACKETS), 3);
	assert_int_equal(team_counted(&k, 0, CTR_TX_PACKETS), 0);
	team_close(&k);
}

/* Pieces of a datagram on different queues meet, and the whole goes to the flow's owner. */
static void fragments(void **state)
{
	static const char text[] = "in three pieces, of which none knows a port but the first ...";
	static struct team_kit k;

	OPEN(&k, .neighbor = ENGINE_NEIGHBOR_REFLECT);
	for (int owner = 0; owner < TEAM_N; owner++) {
		struct frames_flow f = team_flow(&k, owner);
		struct rte_mempool *mp = k.pools[0].data;
		struct rte_mbuf *whole;
		char back[128];
		uint8_t flags;
		uint16_t end;

		team_handshake(&k, &f, 0);
		whole = frames_tcp(mp, &f, TCP_ACK, text, sizeof(text));
		end = (uint16_t)(whole->pkt_len - 34);
		team_send(&k, 0, frames_fragment(mp, whole, 77, 0, 32));
		team_send(&k, 1, frames_fragment(mp, whole, 77, 48, end));
		team_send(&k, 1, frames_fragment(mp, whole, 77, 32, 48));
		rte_pktmbuf_free(whole);
		f.seq += sizeof(text);
		assert_int_equal(team_expect(&k, &f, &flags, back, sizeof(back)), sizeof(text));
		assert_memory_equal(back, text, sizeof(text));
		assert_int_equal(team_counted_all(&k, CTR_RX_REASSEMBLED), owner + 1);
		team_finish(&k, &f, 0);
	}
	team_close(&k);
}

static void at_address(struct team_kit *k, struct frames_flow *f, unsigned int host, int owner)
{
	f->addr = be32(0xc6120000u + host);
	while (worker_team_flow(k->team, 0, f->addr, SERVER_ADDR, be16(f->port),
				BE16(TEAM_ECHO)) != owner)
		f->port++;
}

/* Have 1,400 bytes come back; returns the longest segment's payload. */
static unsigned int big_echo(struct team_kit *k, struct frames_flow *f, unsigned int q)
{
	static const char big[1400];
	const uint32_t first = f->ack;
	unsigned int longest = 0;
	char back[1500];
	uint8_t flags;

	team_send(k, q, frames_tcp(k->pools[0].data, f, TCP_ACK, big, sizeof(big)));
	f->seq += sizeof(big);
	while (f->ack - first < sizeof(big)) {
		const unsigned int len = team_expect(k, f, &flags, back, sizeof(back));

		longest = max_of(longest, len);
	}
	return longest;
}

static void reset(struct team_kit *k, struct frames_flow *f, unsigned int q)
{
	team_send(k, q, frames_tcp(k->pools[0].data, f, TCP_ACK | TCP_RST, NULL, 0));
	team_turns(k, 4);
}

/* A report about a packet too big goes to whose packet it was, and both learn the path's MTU. */
static void icmp_errors(void **state)
{
	static struct team_kit k;

	OPEN(&k, .neighbor = ENGINE_NEIGHBOR_REFLECT);
	for (int owner = 0; owner < TEAM_N; owner++)
		for (unsigned int q = 0; q < 2; q++) {
			const unsigned int host = 10 + 2 * (unsigned int)owner + q;
			const uint64_t lowered = team_counted(&k, owner, CTR_PMTU_LOWERED);
			struct frames_flow f = team_flow(&k, owner), g = team_flow(&k, !owner);
			uint32_t first;

			at_address(&k, &f, host, owner);
			team_handshake(&k, &f, q);
			first = f.ack;
			assert_int_equal(big_echo(&k, &f, q), 536);
			team_send(&k, q, frames_too_big(k.pools[0].data, &f, first, 576, 552));
			team_turns(&k, 4);
			assert_int_equal(team_counted(&k, owner, CTR_PMTU_LOWERED), lowered + 1);
			assert_int_equal(team_counted_all(&k, CTR_RX_ICMP_NO_CONN), 0);
			at_address(&k, &g, host, !owner);
			team_handshake(&k, &g, q);
			assert_int_equal(big_echo(&k, &g, q), 512);
			reset(&k, &f, q);
			reset(&k, &g, q);
		}
	assert_int_equal(team_counted_all(&k, CTR_ICMP_ERRORS_RX), 4);
	team_close(&k);
}

/* The worker that asks is not the one that hears the answer. */
static void arp_news(void **state)
{
	static struct team_kit k;

	OPEN(&k, .neighbor = ENGINE_NEIGHBOR_RESOLVE);
	for (int owner = 0; owner < TEAM_N; owner++)
		for (unsigned int q = 0; q < 2; q++) {
			struct frames_flow f = team_flow(&k, owner);
			uint8_t flags;

			/* A neighbour that nobody knows. */
			at_address(&k, &f, 10 + 2 * (unsigned int)owner + q, owner);
			team_send(&k, q, frames_tcp(k.pools[0].data, &f, TCP_SYN, NULL, 0));
			team_turns(&k, 3);
			team_send(&k, q, frames_arp(k.pools[0].data, &f, ARP_OP_REPLY));
			team_expect(&k, &f, &flags, NULL, 0);
			assert_int_equal(flags, TCP_SYN | TCP_ACK);
			f.seq++;
			team_send(&k, q, frames_tcp(k.pools[0].data, &f, TCP_RST, NULL, 0));
			team_turns(&k, 3);
		}
	assert_int_equal(team_counted(&k, 0, CTR_ARP_REPLIES_RX), 4); /* queue 0's owner */
	assert_int_equal(team_counted(&k, 1, CTR_ARP_REPLIES_RX), 0);
	team_close(&k);
}

/* Nobody uses an address before the worker that probes it has; and nobody after it found an owner. */
static void probed_addresses(void **state)
{
	struct frames_flow f, other;
	static struct team_kit k;
	unsigned int q;
	struct rte_mbuf *m;

	OPEN(&k, .neighbor = ENGINE_NEIGHBOR_REFLECT, .announce = ENGINE_ANNOUNCE_PROBE);
	f = team_flow(&k, 1);
	team_turns(&k, 3);
	team_send(&k, 1, frames_tcp(k.pools[0].data, &f, TCP_SYN, NULL, 0));
	team_turns(&k, 5);
	assert_int_equal(team_counted(&k, 1, CTR_RX_NOT_LOCAL), 1);
	other = f;
	other.addr = SERVER_ADDR;
	team_send(&k, 1, frames_arp(k.pools[0].data, &other, ARP_OP_REPLY)); /* it is mine */
	team_turns(&k, 5);
	assert_int_equal(team_counted(&k, 0, CTR_ARP_CONFLICTS), 1);
	while ((m = team_take(&k, &q)))
		rte_pktmbuf_free(m);
	assert_int_equal(team_counted_all(&k, CTR_ARP_TX), 1); /* one probe, of one worker */
	team_close(&k);
}

/* Four packets fit into the ring: the rest is dropped, and has its reason. */
static void full_ring(void **state)
{
	struct frames_flow f;
	static struct team_kit k;

	OPEN(&k, .neighbor = ENGINE_NEIGHBOR_REFLECT, .ring_size = 4);
	f = team_flow(&k, 1);
	for (unsigned int i = 0; i < 10; i++) {
		team_send(&k, 0, frames_tcp(k.pools[0].data, &f, TCP_RST, NULL, 0));
		worker_turn(k.worker[0]);
	}
	assert_int_equal(team_counted(&k, 0, CTR_HANDOVER_PACKETS), 4);
	assert_int_equal(team_counted(&k, 0, CTR_RX_HANDOVER_FULL), 6);
	worker_turn(k.worker[1]);
	assert_int_equal(team_counted(&k, 1, CTR_RX_LISTEN_RST), 4);
	/* And it goes on, around the end of the ring. */
	for (unsigned int i = 0; i < 20; i++) {
		team_send(&k, 0, frames_tcp(k.pools[0].data, &f, TCP_RST, NULL, 0));
		team_turns(&k, 1);
	}
	assert_int_equal(team_counted(&k, 1, CTR_RX_LISTEN_RST), 24);
	/* What is in a ring at the end goes with the team: see team_close. */
	team_send(&k, 0, frames_tcp(k.pools[0].data, &f, TCP_RST, NULL, 0));
	worker_turn(k.worker[0]);
	team_close(&k);
}

/* A segment that found the ring full is sent again, as any that was lost, and arrives. */
static void full_ring_loses_no_data(void **state)
{
	static const char text[] = "there was no room for this at first";
	struct frames_flow f, g;
	static struct team_kit k;
	char back[64];
	uint8_t flags;

	OPEN(&k, .neighbor = ENGINE_NEIGHBOR_REFLECT, .ring_size = 4);
	f = team_flow(&k, 1);
	g = team_flow(&k, 1);
	team_handshake(&k, &f, 0);
	for (unsigned int i = 0; i < 4; i++)
		team_send(&k, 0, frames_tcp(k.pools[0].data, &g, TCP_RST, NULL, 0));
	team_send(&k, 0, frames_tcp(k.pools[0].data, &f, TCP_ACK, text, sizeof(text)));
	worker_turn(k.worker[0]);
	assert_int_equal(team_counted(&k, 0, CTR_RX_HANDOVER_FULL), 1);
	assert_int_equal(team_drain(&k), 0);
	team_send(&k, 0, frames_tcp(k.pools[0].data, &f, TCP_ACK, text, sizeof(text)));
	f.seq += sizeof(text);
	assert_int_equal(team_expect(&k, &f, &flags, back, sizeof(back)), sizeof(text));
	assert_memory_equal(back, text, sizeof(text));
	assert_int_equal(team_counted(&k, 0, CTR_RX_HANDOVER_FULL), 1);
	team_finish(&k, &f, 0);
	team_close(&k);
}

/* Turns until a request for f's address comes: they are a second apart. */
static void expect_arp(struct team_kit *k, const struct frames_flow *f)
{
	for (bool asked = false; !asked;) {
		unsigned int q;
		struct rte_mbuf *m = team_take(k, &q);
		const struct arp_pkt *a;

		if (!m) {
			team_turns(k, 1);
			continue;
		}
		a = rte_pktmbuf_mtod_offset(m, const struct arp_pkt *, ETH_HDR_LEN);
		asked = rte_pktmbuf_mtod(m, const struct eth_hdr *)->type == BE16(ETH_TYPE_ARP) &&
			a->op == BE16(ARP_OP_REQUEST) && a->tpa == f->addr;
		rte_pktmbuf_free(m);
	}
}

/* An answer that the worker which asked does not hear of, for its ring is full: it asks again. */
static void news_lost(void **state)
{
	struct frames_flow f, g;
	static struct team_kit k;
	uint8_t flags;

	OPEN(&k, .neighbor = ENGINE_NEIGHBOR_RESOLVE, .ring_size = 4);
	f = team_flow(&k, 1);
	at_address(&k, &f, 10, 1);
	g = team_flow(&k, 1);
	team_send(&k, 1, frames_tcp(k.pools[0].data, &f, TCP_SYN, NULL, 0));
	expect_arp(&k, &f);
	for (unsigned int i = 0; i < 4; i++)
		team_send(&k, 0, frames_tcp(k.pools[0].data, &g, TCP_RST, NULL, 0));
	team_send(&k, 0, frames_arp(k.pools[0].data, &f, ARP_OP_REPLY));
	worker_turn(k.worker[0]);
	assert_int_equal(team_counted(&k, 0, CTR_NEWS_LOST), 1);
	assert_int_equal(team_counted(&k, 0, CTR_RX_HANDOVER_FULL), 0); /* no packet */
	assert_int_equal(team_drain(&k), 0);
	assert_int_equal(team_counted(&k, 1, CTR_RX_LISTEN_RST), 4);
	expect_arp(&k, &f);
	team_send(&k, 0, frames_arp(k.pools[0].data, &f, ARP_OP_REPLY));
	team_expect(&k, &f, &flags, NULL, 0);
	assert_int_equal(flags, TCP_SYN | TCP_ACK);
	assert_int_equal(team_counted(&k, 0, CTR_NEWS_LOST), 1);
	f.seq++;
	team_send(&k, 0, frames_tcp(k.pools[0].data, &f, TCP_RST, NULL, 0));
	team_turns(&k, 3);
	team_close(&k);
}

/* More than the ring to the queue's owner holds waits where it was made; nothing is dropped. */
static void full_relay(void **state)
{
	enum { RELAY = 512, ALL = RELAY + 150 };
	static struct team_kit k;

	OPEN(&k, .queues = 1, .neighbor = ENGINE_NEIGHBOR_REFLECT);
	for (unsigned int i = 0; i < ALL; i++) {
		struct frames_flow f = team_flow(&k, 1);

		f.to_port = TEAM_ECHO + 1; /* answered by RST */
		while (worker_team_flow(k.team, 0, f.addr, SERVER_ADDR, be16(f.port),
					be16(f.to_port)) != 1)
			f.port++;
		team_send(&k, 0, frames_tcp(k.pools[0].data, &f, TCP_SYN, NULL, 0));
		worker_turn(k.worker[0]);
	}
	assert_int_equal(team_counted(&k, 0, CTR_HANDOVER_PACKETS), ALL);
	while (worker_turn(k.worker[1]))
		;
	assert_int_equal(team_counted(&k, 1, CTR_TX_RSTS), ALL);
	assert_int_equal(team_counted(&k, 1, CTR_RELAYED_PACKETS), RELAY);
	assert_int_equal(team_drain(&k), ALL);
	assert_int_equal(team_counted(&k, 1, CTR_RELAYED_PACKETS), ALL);
	assert_int_equal(team_counted_all(&k, CTR_TX_QUEUE_FULL), 0);
	team_close(&k);
}

/* Connections that a worker's hook opens, one a turn. */
struct opener {
	struct listener client;
	int version;
	const struct frames_flow *to; /* NULL: nothing is to be opened */
};

static unsigned int open_turn(void *arg, struct engine *e, uint64_t now, unsigned int received)
{
	struct opener *o = arg;
	struct engine_connect req = {.local = LISTENER_ANY};
	uint64_t id;

	if (!o->to)
		return 0;
	if (o->version < 0)
		o->version = engine_client(e, &o->client);
	req.version = o->version;
	req.remote_port = o->to->port;
	flow_addr_v4(req.remote, o->to->addr);
	assert_int_equal(engine_connect(e, &req, now, &id), 0);
	o->to = NULL;
	return 1;
}

static uint64_t never(void *arg, uint64_t now)
{
	return UINT64_MAX;
}

/* The SYN to f: learns its port. */
static void expect_syn(struct team_kit *k, struct frames_flow *f)
{
	const struct tcp_hdr *th;
	struct rte_mbuf *m;
	uint16_t len;

	do {
		m = team_wait(k, &th, &len);
		if (th && th->dport == be16(f->port)) {
			assert_int_equal(th->flags, TCP_SYN);
			f->to_port = be16(th->sport);
			f->ack = be32(th->seq) + 1;
		}
		rte_pktmbuf_free(m);
	} while (!f->to_port);
}

/* The local port of what a worker opens is such that answers are its own, whatever queue they come by. */
static void active_opens_come_home(void **state)
{
	enum { EACH = 12 };
	struct opener o[TEAM_N];
	struct frames_flow f;
	static struct team_kit k;
	uint8_t flags;

	OPEN(&k, .neighbor = ENGINE_NEIGHBOR_RESOLVE);
	for (unsigned int w = 0; w < TEAM_N; w++) {
		o[w] = (struct opener){.client = k.listener, .version = -1};
		worker_set_hook(k.worker[w], &(struct worker_hook){open_turn, never, &o[w]});
	}
	f = team_flow(&k, -1);
	team_send(&k, 0, frames_arp(k.pools[0].data, &f, ARP_OP_REQUEST)); /* they know it then */
	team_turns(&k, 3);
	for (unsigned int i = 0; i < TEAM_N * EACH; i++) {
		const unsigned int w = i % TEAM_N;

		f = team_flow(&k, -1);
		f.to_port = 0;
		o[w].to = &f;
		expect_syn(&k, &f);
		assert_int_equal(worker_team_flow(k.team, 0, f.addr, SERVER_ADDR, be16(f.port),
						  be16(f.to_port)), w);
		team_send(&k, !w, frames_tcp(k.pools[0].data, &f, TCP_SYN | TCP_ACK, NULL, 0));
		f.seq++;
		team_expect(&k, &f, &flags, NULL, 0);
		assert_int_equal(flags, TCP_ACK);
		team_echo(&k, &f, !w);
		reset(&k, &f, !w);
	}
	assert_int_equal(team_counted_all(&k, CTR_CONN_OPENED), TEAM_N * EACH);
	assert_int_equal(team_counted_all(&k, CTR_TX_RSTS), 0);
	team_close(&k);
}

/* One queue for two workers: the other one receives and sends through its owner. */
static void one_queue(void **state)
{
	static struct team_kit k;

	OPEN(&k, .queues = 1, .neighbor = ENGINE_NEIGHBOR_REFLECT);
	assert_int_equal(k.near.plan.steering, PORT_STEER_SOFTWARE);
	for (int owner = 0; owner < TEAM_N; owner++) {
		struct frames_flow f = team_flow(&k, owner);

		team_handshake(&k, &f, 0);
		assert_int_equal(team_usage(&k, owner).connections, 1);
		for (unsigned int i = 0; i < 40; i++)
			team_echo(&k, &f, 0);
		team_finish(&k, &f, 0);
	}
	assert_int_equal(team_counted(&k, 0, CTR_RELAYED_PACKETS), 0);
	assert_true(team_counted(&k, 1, CTR_RELAYED_PACKETS) > 40);
	assert_int_equal(team_counted(&k, 1, CTR_TX_PACKETS), 0); /* who sends counts */
	team_close(&k);
}

static void keeps_flows(struct port *p)
{
	p->plan.steering = PORT_STEER_ARRIVAL;
}

/* The queue of the SYN owns the flow; a segment on the other one is not refused, but finds it. */
static void arrival(void **state)
{
	struct frames_flow f, stranger;
	static struct team_kit k;
	uint8_t flags;

	OPEN(&k, .neighbor = ENGINE_NEIGHBOR_REFLECT, .port = keeps_flows);
	for (unsigned int q = 0; q < 2; q++) {
		f = team_flow(&k, -1);
		team_handshake(&k, &f, q);
		assert_int_equal(team_usage(&k, q).connections, 1);
		team_echo(&k, &f, q);
		assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), 2 * q);
		team_echo(&k, &f, !q);
		team_send(&k, !q, frames_too_big(k.pools[0].data, &f, f.ack + 99, 576, 552));
		team_turns(&k, 4);
		assert_int_equal(team_counted_all(&k, CTR_RX_ICMP_NO_CONN), 0);
		assert_int_equal(team_counted(&k, q, CTR_RX_ICMP_SEQ), 1); /* it was looked at */
		assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), 2 * q + 2);
		team_finish(&k, &f, q);
	}
	/* One that nobody knows is refused once, by the worker that it came to. */
	stranger = team_flow(&k, -1);
	team_send(&k, 1, frames_tcp(k.pools[0].data, &stranger, TCP_ACK, NULL, 0));
	team_expect(&k, &stranger, &flags, NULL, 0);
	assert_int_equal(flags, TCP_RST);
	assert_int_equal(team_counted(&k, 1, CTR_TX_RSTS), 1);
	assert_int_equal(team_counted(&k, 0, CTR_TX_RSTS), 0);
	team_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEAM_TEST(handed_to_the_owner),
		TEAM_TEST(planned_owners),
		TEAM_TEST(planned_owner_of_one_queue),
		cmocka_unit_test(rings_by_workers),
		TEAM_TEST(relay_at_the_end),
		TEAM_TEST(fragments),
		TEAM_TEST(icmp_errors),
		TEAM_TEST(arp_news),
		TEAM_TEST(probed_addresses),
		TEAM_TEST(full_ring),
		TEAM_TEST(full_ring_loses_no_data),
		TEAM_TEST(news_lost),
		TEAM_TEST(active_opens_come_home),
		TEAM_TEST(one_queue),
		TEAM_TEST(full_relay),
		TEAM_TEST(arrival),
	};

	return cmocka_run_group_tests(tests, team_eal, team_eal_end);
}
