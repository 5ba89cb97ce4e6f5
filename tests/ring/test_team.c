/*
 * What comes to the wrong worker comes to the right one: segments, fragments, ICMP errors, ARP; by
 * each way of steering, and where there are fewer queues than workers. Every test ends with both
 * workers' books in order and the pools full.
 */
#include "team_kit.h"

#include <string.h>

#include "base/units.h"
#include "net/net.h"
#include "wire/arp.h"

#define OPEN(k, ...) team_open(k, &(const struct team_kit_config){__VA_ARGS__})

/* Each worker's flows, arriving on each queue: the owner has the connection. */
static void handed_to_the_owner(void **state)
{
	struct team_kit k;

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

/* Pieces of a datagram on different queues meet, and the whole goes to the flow's owner. */
static void fragments(void **state)
{
	static const char text[] = "in three pieces, of which none knows a port but the first ...";
	struct team_kit k;

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
	struct team_kit k;

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
	struct team_kit k;

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
	struct team_kit k;
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
	struct team_kit k;

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

/* One queue for two workers: the other one receives and sends through its owner. */
static void one_queue(void **state)
{
	struct team_kit k;

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
	struct team_kit k;
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
		cmocka_unit_test(handed_to_the_owner),
		cmocka_unit_test(fragments),
		cmocka_unit_test(icmp_errors),
		cmocka_unit_test(arp_news),
		cmocka_unit_test(probed_addresses),
		cmocka_unit_test(full_ring),
		cmocka_unit_test(one_queue),
		cmocka_unit_test(arrival),
	};

	return cmocka_run_group_tests(tests, team_eal, team_eal_end);
}
