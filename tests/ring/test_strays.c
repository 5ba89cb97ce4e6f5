/*
 * Three workers and four: what came by the queue of one that does not own it goes from one to the next
 * until it is at home, and no further than once around; by each way of steering.
 */
#include "team_kit.h"

#include "base/units.h"
#include "flow/tuple.h"
#include "wire/arp.h"
#include "wire/eth.h"

#define OPEN(k, ...) team_open(k, &(const struct team_kit_config){__VA_ARGS__})
#define N	     3

static void keeps_flows(struct port *p)
{
	p->plan.steering = PORT_STEER_ARRIVAL;
}

static uint64_t handovers(const struct team_kit *k)
{
	return team_counted_all(k, CTR_HANDOVER_PACKETS);
}

/* An ICMP error about f by queue q. */
static void send_error(struct team_kit *k, const struct frames_flow *f, unsigned int q)
{
	team_send(k, q, frames_too_big(k->pools[0].data, f, f->ack + 99, 576, 552));
	team_turns(k, 2 * N);
}

/* A segment of len bytes by queue q, in two pieces. */
static void send_pieces(struct team_kit *k, const struct frames_flow *f, unsigned int q, const char *text,
			uint16_t len)
{
	struct rte_mempool *mp = k->pools[0].data;
	struct rte_mbuf *whole = frames_tcp(mp, f, TCP_ACK, text, len);

	team_send(k, q, frames_fragment(mp, whole, f->port, 0, 32));
	team_send(k, q, frames_fragment(mp, whole, f->port, 32, (uint16_t)(whole->pkt_len - 34)));
	rte_pktmbuf_free(whole);
}

static void echo_in_pieces(struct team_kit *k, struct frames_flow *f, unsigned int q)
{
	static const char text[40] = "in two pieces";
	char back[64];
	uint8_t flags;

	send_pieces(k, f, q, text, sizeof(text));
	f->seq += sizeof(text);
	assert_int_equal(team_expect(k, f, &flags, back, sizeof(back)), sizeof(text));
	assert_memory_equal(back, text, sizeof(text));
}

/* By the queue of arrival: at home nothing is handed over, elsewhere as many times as it takes. */
static void arrival_finds_the_owner(void **state)
{
	static struct team_kit k;

	OPEN(&k, .workers = N, .neighbor = ENGINE_NEIGHBOR_REFLECT, .port = keeps_flows);
	for (unsigned int owner = 0; owner < N; owner++) {
		struct frames_flow f = team_flow(&k, -1);

		team_handshake(&k, &f, owner);
		for (unsigned int away = 0; away < N; away++) {
			const unsigned int q = (owner + N - away) % N;
			const uint64_t looked_at = team_counted(&k, owner, CTR_RX_ICMP_SEQ);
			uint64_t before = handovers(&k);

			team_echo(&k, &f, q);
			assert_int_equal(handovers(&k), before += away);
			echo_in_pieces(&k, &f, q);
			assert_int_equal(handovers(&k), before += away);
			send_error(&k, &f, q);
			assert_int_equal(handovers(&k), before += away);
			assert_int_equal(team_counted(&k, owner, CTR_RX_ICMP_SEQ), looked_at + 1);
		}
		team_finish(&k, &f, owner);
	}
	assert_int_equal(team_counted_all(&k, CTR_TX_RSTS), 0);
	assert_int_equal(team_counted_all(&k, CTR_RX_ICMP_NO_CONN), 0);
	team_close(&k);
}

/* What belongs to nobody goes around once, and is refused by the worker that it came to. */
static void arrival_refuses_once(void **state)
{
	static const char text[40] = "of no connection";
	static struct team_kit k;

	OPEN(&k, .workers = N, .neighbor = ENGINE_NEIGHBOR_REFLECT, .port = keeps_flows);
	for (unsigned int q = 0; q < N; q++) {
		struct frames_flow f = team_flow(&k, -1);
		uint64_t before = handovers(&k);
		uint8_t flags;

		team_send(&k, q, frames_tcp(k.pools[0].data, &f, TCP_ACK, NULL, 0));
		team_expect(&k, &f, &flags, NULL, 0);
		assert_int_equal(flags, TCP_RST);
		assert_int_equal(handovers(&k), before += N);
		send_pieces(&k, &f, q, text, sizeof(text));
		team_expect(&k, &f, &flags, NULL, 0);
		assert_int_equal(flags, TCP_RST);
		assert_int_equal(handovers(&k), before += N);
		assert_int_equal(team_counted(&k, q, CTR_TX_RSTS), 2);
		send_error(&k, &f, q);
		assert_int_equal(handovers(&k), before += N);
		assert_int_equal(team_counted(&k, q, CTR_RX_ICMP_NO_CONN), 1);
	}
	team_close(&k);
}

/* ARP is one worker's, whatever the queue, on such a port, too; what it learns all learn. */
static void arrival_arp(void **state)
{
	static struct team_kit k;

	OPEN(&k, .workers = N, .neighbor = ENGINE_NEIGHBOR_RESOLVE, .port = keeps_flows);
	for (unsigned int q = 0; q < N; q++) {
		struct frames_flow f = team_flow(&k, -1);
		uint8_t flags;

		f.addr = be32(0xc612000au + q);
		team_send(&k, q, frames_tcp(k.pools[0].data, &f, TCP_SYN, NULL, 0));
		team_turns(&k, 3);
		team_send(&k, (q + 1) % N, frames_arp(k.pools[0].data, &f, ARP_OP_REPLY));
		team_expect(&k, &f, &flags, NULL, 0);
		assert_int_equal(flags, TCP_SYN | TCP_ACK);
		assert_int_equal(team_counted(&k, 0, CTR_ARP_REPLIES_RX), q + 1);
		f.seq++;
		team_send(&k, q, frames_tcp(k.pools[0].data, &f, TCP_RST, NULL, 0));
		team_turns(&k, 3);
	}
	assert_int_equal(team_counted_all(&k, CTR_ARP_REPLIES_RX), N);
	team_close(&k);
}

/* A connection that the second worker's hook opens, once. */
struct opener {
	struct listener client;
	struct frames_flow to;
	bool done;
};

static unsigned int open_turn(void *arg, struct engine *e, uint64_t now, unsigned int received)
{
	struct opener *o = arg;
	struct engine_connect req = {.local = LISTENER_ANY, .remote_port = o->to.port};
	uint64_t id;

	if (o->done)
		return 0;
	o->done = true;
	req.version = engine_client(e, &o->client);
	flow_addr_v4(req.remote, o->to.addr);
	assert_int_equal(engine_connect(e, &req, now, &id), 0);
	return 1;
}

static uint64_t never(void *arg, uint64_t now)
{
	return UINT64_MAX;
}

/* The answer to a SYN of ours opens nothing where it arrives: it is looked for as all the rest. */
static void arrival_of_an_answer(void **state)
{
	static struct team_kit k;
	static struct opener o;
	const struct tcp_hdr *th = NULL;
	struct rte_mbuf *m;
	uint8_t flags;
	uint16_t len;

	OPEN(&k, .workers = N, .neighbor = ENGINE_NEIGHBOR_RESOLVE, .port = keeps_flows);
	o = (struct opener){.client = k.listener, .to = team_flow(&k, -1)};
	o.to.to_port = 0; /* not known yet */
	team_send(&k, 0, frames_arp(k.pools[0].data, &o.to, ARP_OP_REQUEST)); /* they know it then */
	team_turns(&k, 2 * N);
	worker_set_hook(k.worker[1], &(struct worker_hook){open_turn, never, &o});
	do {
		m = team_wait(&k, &th, &len);
		if (th) {
			assert_int_equal(th->flags, TCP_SYN);
			o.to.to_port = be16(th->sport);
			o.to.ack = be32(th->seq) + 1;
		}
		rte_pktmbuf_free(m);
	} while (!o.to.to_port);
	team_send(&k, 2, frames_tcp(k.pools[0].data, &o.to, TCP_SYN | TCP_ACK, NULL, 0));
	o.to.seq++;
	team_expect(&k, &o.to, &flags, NULL, 0);
	assert_int_equal(flags, TCP_ACK);
	team_echo(&k, &o.to, 0);
	team_send(&k, 1, frames_tcp(k.pools[0].data, &o.to, TCP_ACK | TCP_RST, NULL, 0));
	team_turns(&k, 3);
	assert_int_equal(team_counted(&k, 1, CTR_CONN_OPENED), 1);
	assert_int_equal(team_counted_all(&k, CTR_TX_RSTS), 0);
	team_close(&k);
}

/* What one worker hears of a neighbour all learn, the last of them, too. */
static void news_for_all(void **state)
{
	static struct team_kit k;

	OPEN(&k, .workers = N, .queues = 2, .neighbor = ENGINE_NEIGHBOR_RESOLVE);
	for (int owner = 0; owner < N; owner++) {
		struct frames_flow f = team_flow(&k, owner);
		uint8_t flags;

		f.addr = be32(0xc612000au + (unsigned int)owner);
		while (worker_team_flow(k.team, 0, f.addr, SERVER_ADDR, be16(f.port), BE16(TEAM_ECHO)) != owner)
			f.port++;
		team_send(&k, 1, frames_tcp(k.pools[0].data, &f, TCP_SYN, NULL, 0));
		team_turns(&k, 3);
		team_send(&k, 1, frames_arp(k.pools[0].data, &f, ARP_OP_REPLY));
		team_expect(&k, &f, &flags, NULL, 0);
		assert_int_equal(flags, TCP_SYN | TCP_ACK);
		f.seq++;
		team_send(&k, 0, frames_tcp(k.pools[0].data, &f, TCP_RST, NULL, 0));
		team_turns(&k, 3);
	}
	assert_int_equal(team_counted(&k, 0, CTR_ARP_REPLIES_RX), N);
	team_close(&k);
}

/* Four workers on two queues: each of those without owns flows, and sends by another's queue. */
static void two_queues_for_four(void **state)
{
	static struct team_kit k;

	OPEN(&k, .workers = 4, .queues = 2, .neighbor = ENGINE_NEIGHBOR_REFLECT);
	for (int owner = 0; owner < 4; owner++) {
		struct frames_flow f = team_flow(&k, owner);
		const unsigned int by = (unsigned int)owner % 2;
		uint64_t sent, others;

		team_handshake(&k, &f, 0);
		assert_int_equal(team_usage(&k, (unsigned int)owner).connections, 1);
		sent = team_counted(&k, by, CTR_TX_PACKETS);
		others = team_counted(&k, !by, CTR_TX_PACKETS);
		team_echo(&k, &f, 0);
		team_echo(&k, &f, 1);
		assert_int_equal(team_counted(&k, by, CTR_TX_PACKETS), sent + 2);
		assert_int_equal(team_counted(&k, !by, CTR_TX_PACKETS), others);
		team_finish(&k, &f, 1);
	}
	assert_int_equal(team_counted(&k, 0, CTR_RELAYED_PACKETS), 0);
	assert_int_equal(team_counted(&k, 1, CTR_RELAYED_PACKETS), 0);
	assert_true(team_counted(&k, 2, CTR_RELAYED_PACKETS) > 2);
	assert_true(team_counted(&k, 3, CTR_RELAYED_PACKETS) > 2);
	team_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEAM_TEST(arrival_finds_the_owner),
		TEAM_TEST(arrival_refuses_once),
		TEAM_TEST(arrival_arp),
		TEAM_TEST(arrival_of_an_answer),
		TEAM_TEST(news_for_all),
		TEAM_TEST(two_queues_for_four),
	};

	return cmocka_run_group_tests(tests, team_eal, team_eal_end);
}
