/*
 * RSS on a port that has none: the calls by which a driver tells of its hash, takes its key and its
 * indirection table are answered here for one end of a ring pair, and packets are put on the queue
 * that such a NIC would choose, by DPDK's own software Toeplitz (rte_softrss), which shares no code
 * with lib/flow. Distributions do not ship the headers that a driver is written with, so this mock
 * is made of the calls instead: they resolve to this program's, which calls the library's.
 */
#include "team_kit.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_thash.h>

#include "base/units.h"
#include "wire/arp.h"
#include "wire/ip4.h"

#define RETA	128
#define KEY_LEN 40
#define FLOWS	3000

enum fault {
	NONE,
	OWN_KEY,   /* hashes with another key than it was given, and says so */
	SECRETIVE, /* does not tell its key */
	REFUSES,   /* takes no indirection table */
	FORGETS,   /* takes it, and has another */
	LIES,	   /* hashes as it likes */
	NO_TCP,	   /* hashes addresses only, it says */
};

static struct {
	bool on;
	bool v6; /* it hashes IPv6 too; extension headers it does not see through */
	enum fault fault;
	uint8_t key[KEY_LEN];
	uint16_t reta[RETA];
} nic;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* The near end is opened first. */
static bool mocked(uint16_t port)
{
	char name[RTE_ETH_NAME_MAX_LEN] = "";

	rte_eth_dev_get_name_by_port(port, name);
	return nic.on && !strcmp(name, "net_ring_teama");
}

int rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info)
{
	const int rc = REAL(rte_eth_dev_info_get)(port, info);

	if (rc || !mocked(port))
		return rc;
	info->reta_size = RETA;
	info->hash_key_size = KEY_LEN;
	info->flow_type_rss_offloads = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_IPV4 |
				       (nic.v6 ? RTE_ETH_RSS_NONFRAG_IPV6_TCP : 0);
	return 0;
}

int rte_eth_dev_configure(uint16_t port, uint16_t nrx, uint16_t ntx,
			  const struct rte_eth_conf *conf)
{
	struct rte_eth_conf plain = *conf;

	if (mocked(port)) {
		assert_int_equal(conf->rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
		assert_int_equal(conf->rx_adv_conf.rss_conf.rss_key_len, KEY_LEN);
		memcpy(nic.key, conf->rx_adv_conf.rss_conf.rss_key, KEY_LEN);
		if (nic.fault == OWN_KEY)
			nic.key[5] ^= 0x41;
		plain.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
		memset(&plain.rx_adv_conf, 0, sizeof(plain.rx_adv_conf));
	}
	return REAL(rte_eth_dev_configure)(port, nrx, ntx, &plain);
}

int rte_eth_dev_rss_hash_conf_get(uint16_t port, struct rte_eth_rss_conf *conf)
{
	if (nic.fault == SECRETIVE)
		return -ENOTSUP;
	memcpy(conf->rss_key, nic.key, KEY_LEN);
	conf->rss_key_len = KEY_LEN;
	conf->rss_hf = nic.fault == NO_TCP ? RTE_ETH_RSS_IPV4 : RTE_ETH_RSS_NONFRAG_IPV4_TCP;
	conf->rss_hf |= nic.v6 ? RTE_ETH_RSS_NONFRAG_IPV6_TCP : 0;
	return 0;
}

int rte_eth_dev_rss_reta_update(uint16_t port, struct rte_eth_rss_reta_entry64 *conf, uint16_t size)
{
	if (nic.fault == REFUSES)
		return -ENOTSUP;
	assert_int_equal(size, RETA);
	for (unsigned int i = 0; i < RETA; i++)
		if (conf[i / 64].mask & 1ull << i % 64)
			nic.reta[i] = conf[i / 64].reta[i % 64];
	return 0;
}

int rte_eth_dev_rss_reta_query(uint16_t port, struct rte_eth_rss_reta_entry64 *conf, uint16_t size)
{
	for (unsigned int i = 0; i < size; i++)
		conf[i / 64].reta[i % 64] = nic.reta[i] ^ (nic.fault == FORGETS && i == 77);
	return 0;
}

/* Where the NIC puts a packet of f. */
static unsigned int queue_of(const struct frames_flow *f)
{
	uint32_t tuple[3] = {be32(f->addr), be32(SERVER_ADDR),
			     (uint32_t)f->port << 16 | f->to_port};

	if (nic.fault == LIES)
		return f->port & 1;
	return nic.reta[rte_softrss(tuple, 3, nic.key) % RETA];
}

static void open_planned(struct team_kit *k, enum fault fault, const uint16_t *owners)
{
	memset(&nic, 0, sizeof(nic));
	nic.on = true;
	nic.fault = fault;
	team_open(k, &(const struct team_kit_config){.neighbor = ENGINE_NEIGHBOR_REFLECT,
						     .owners = owners});
}

static void open_with(struct team_kit *k, enum fault fault)
{
	open_planned(k, fault, NULL);
}

/*
 * A client like no other. Toeplitz is linear: of flows that count up, a key may put all on one queue. Of
 * these each key but one that ignores ports and half of the address puts them on either like a coin.
 */
static struct frames_flow any_flow(struct team_kit *k)
{
	struct frames_flow f = team_flow(k, -1);
	const uint64_t r = team_random();

	f.addr = be32(0xc6120101u + (uint32_t)(r % 0xfe00));
	f.port = (uint16_t)(1024 + (r >> 32) % 64000);
	return f;
}

/* A segment of each of many flows; returns how many landed where the owner is not. */
static unsigned int shower(struct team_kit *k)
{
	unsigned int astray = 0, on[2] = {0};

	for (unsigned int i = 0; i < FLOWS; i++) {
		struct frames_flow f = any_flow(k);
		unsigned int q;
		int owner;

		q = queue_of(&f);
		owner = worker_team_flow(k->team, 0, f.addr, SERVER_ADDR, be16(f.port),
					 BE16(TEAM_ECHO));
		astray += (unsigned int)owner != q;
		on[q]++;
		team_send(k, q, frames_tcp(k->pools[0].data, &f, TCP_RST, NULL, 0));
		team_turns(k, 1);
	}
	team_turns(k, 3);
	if (nic.fault != REFUSES) /* then its table is as it was, and all go to queue 0 */
		assert_true(on[0] > FLOWS / 3 && on[1] > FLOWS / 3);
	assert_int_equal(team_counted_all(k, CTR_RX_LISTEN_RST), FLOWS);
	return astray;
}

static void conversations(struct team_kit *k)
{
	for (unsigned int i = 0; i < 8; i++) {
		struct frames_flow f = team_flow(k, -1);

		team_handshake(k, &f, queue_of(&f));
		team_echo(k, &f, queue_of(&f));
		team_finish(k, &f, queue_of(&f));
	}
	assert_int_equal(team_counted_all(k, CTR_CONN_CLOSED), 8);
	assert_int_equal(team_counted_all(k, CTR_TX_RSTS), 0);
}

/* Every packet lands at its owner: none is handed over, before and after the port is believed. */
static void lands_at_home(void **state)
{
	static const enum fault harmless[] = {NONE, OWN_KEY};

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		static struct team_kit k;

		open_with(&k, harmless[i]);
		assert_int_equal(k.near.plan.steering, PORT_STEER_RSS);
		assert_int_equal(shower(&k), 0);
		conversations(&k);
		assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), 0);
		assert_int_equal(team_counted_all(&k, CTR_RSS_MISPLACED), 0);
		team_close(&k);
	}
}

/* The same where the plan gives the queues to others than would get them in turn. */
static void lands_at_planned_home(void **state)
{
	static const uint16_t owners[TEAM_N] = {1, 0};
	static struct team_kit k;

	open_planned(&k, NONE, owners);
	assert_int_equal(k.near.plan.steering, PORT_STEER_RSS);
	assert_int_equal(shower(&k), FLOWS); /* which tells queues from owners */
	conversations(&k);
	assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), 0);
	assert_int_equal(team_counted_all(&k, CTR_RSS_MISPLACED), 0);
	team_close(&k);
}

/* What the port does not tell or do is done here, and it is known before the first packet. */
static void not_relied_on(void **state)
{
	static const enum fault faults[] = {SECRETIVE, REFUSES, FORGETS, NO_TCP};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		static struct team_kit k;

		open_with(&k, faults[i]);
		assert_int_equal(k.near.plan.steering, PORT_STEER_SOFTWARE);
		shower(&k);
		conversations(&k);
		team_close(&k);
	}
}

/* A port that says one thing and does another is found out by its packets. */
static void found_out(void **state)
{
	static struct team_kit k;

	open_with(&k, LIES);
	assert_int_equal(k.near.plan.steering, PORT_STEER_RSS);
	assert_true(shower(&k) > FLOWS / 3);
	conversations(&k);
	assert_int_equal(team_counted(&k, 0, CTR_RSS_MISPLACED), 1);
	assert_int_equal(team_counted(&k, 1, CTR_RSS_MISPLACED), 1);
	assert_true(team_counted_all(&k, CTR_HANDOVER_PACKETS) > FLOWS / 3);
	team_close(&k);
}

/* And one that changes its mind later is, too: one packet of each burst is looked at. */
static void changes_its_mind(void **state)
{
	static struct team_kit k;

	open_with(&k, NONE);
	assert_int_equal(shower(&k), 0);
	nic.fault = LIES;
	for (unsigned int i = 0; i < 64; i++) {
		struct frames_flow f = any_flow(&k);

		team_send(&k, queue_of(&f), frames_tcp(k.pools[0].data, &f, TCP_RST, NULL, 0));
		team_turns(&k, 1);
	}
	conversations(&k);
	assert_int_equal(team_counted_all(&k, CTR_RSS_MISPLACED), 2);
	team_close(&k);
}

/* Packets of owners a and b in one burst on queue 0, both from a closed connection's peer. */
static void burst_of_two(struct team_kit *k, unsigned int a, unsigned int b)
{
	const unsigned int owner[2] = {a, b};

	for (unsigned int i = 0; i < 2; i++) {
		struct frames_flow f;

		do
			f = any_flow(k);
		while (queue_of(&f) != owner[i]);
		team_send(k, 0, frames_tcp(k->pools[0].data, &f, TCP_RST, NULL, 0));
	}
	team_turns(k, 3);
}

/*
 * Until a port is believed each packet is looked at, from then on the first of a burst; and of what the port
 * does not hash each packet, always.
 */
static void looked_at(void **state)
{
	static struct team_kit k;
	struct frames_flow f;

	open_with(&k, NONE);
	for (unsigned int i = 0; i < 500; i++)
		burst_of_two(&k, 0, 0);
	burst_of_two(&k, 0, 1);
	assert_int_equal(team_counted_all(&k, CTR_RSS_MISPLACED), 1);
	assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), 1);
	team_close(&k);

	open_with(&k, NONE);
	assert_int_equal(shower(&k), 0);
	burst_of_two(&k, 0, 1);
	assert_int_equal(team_counted_all(&k, CTR_RSS_MISPLACED), 0);
	f = any_flow(&k);
	f.addr = be32(0xc6120001u); /* a neighbour */
	for (unsigned int i = 0; i < 2; i++) {
		while (queue_of(&f) != 1)
			f.port++;
		team_send(&k, 1, frames_tcp(k.pools[0].data, &f, TCP_RST, NULL, 0));
		team_send(&k, 1, frames_arp(k.pools[0].data, &f, ARP_OP_REQUEST));
	}
	team_turns(&k, 3);
	assert_int_equal(team_counted(&k, 0, CTR_ARP_REQUESTS_RX), 2);
	assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), 2);
	assert_int_equal(team_counted_all(&k, CTR_RSS_MISPLACED), 0);
	burst_of_two(&k, 1, 0);
	assert_int_equal(team_counted_all(&k, CTR_RSS_MISPLACED), 1);
	team_close(&k);
}

/* An ICMP error comes by any queue; whose packet it is about, that packet's answer would tell. */
static void errors_find_the_owner(void **state)
{
	enum { ERRORS = 12 };
	static struct team_kit k;

	open_with(&k, NONE);
	for (unsigned int i = 0; i < ERRORS; i++) {
		struct frames_flow f;
		unsigned int owner;
		uint64_t before;

		do
			f = any_flow(&k);
		while (queue_of(&f) != (i & 1));
		owner = i & 1;
		before = team_counted(&k, owner, CTR_RX_ICMP_SEQ);
		team_handshake(&k, &f, owner);
		team_send(&k, !owner, frames_too_big(k.pools[0].data, &f, f.ack + 99, 576, 552));
		team_turns(&k, 4);
		assert_int_equal(team_counted(&k, owner, CTR_RX_ICMP_SEQ), before + 1); /* looked at */
		team_finish(&k, &f, owner);
	}
	assert_int_equal(team_counted_all(&k, CTR_RX_ICMP_NO_CONN), 0);
	assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), ERRORS);
	team_close(&k);
}

/* The worker that owns an IPv6 flow, by DPDK's hash: the queue, if the NIC sees the ports. */
static unsigned int owner6(const struct frames_flow *f)
{
	uint32_t tuple[9];
	uint8_t from[16];

	frames_addr6(from, f);
	for (unsigned int i = 0; i < 4; i++) {
		tuple[i] = load_be32(from + 4 * i);
		tuple[4 + i] = load_be32(SERVER_ADDR6 + 4 * i);
	}
	tuple[8] = (uint32_t)f->port << 16 | f->to_port;
	return nic.reta[rte_softrss(tuple, 9, nic.key) % RETA];
}

static void open_v6(struct team_kit *k, bool hashes)
{
	memset(&nic, 0, sizeof(nic));
	nic.on = true;
	nic.v6 = hashes;
	team_open(k, &(const struct team_kit_config){.neighbor = ENGINE_NEIGHBOR_REFLECT, .v6 = true});
	assert_int_equal(k->near.plan.steering, PORT_STEER_RSS);
}

/* RSTs of many flows, two a burst on the same queue; where the second one's owner is not, it is handed over. */
static unsigned int shower6(struct team_kit *k, bool ext)
{
	unsigned int astray = 0;

	for (unsigned int i = 0; i < FLOWS; i++) {
		struct frames_flow f = any_flow(k);
		const unsigned int q = ext || !nic.v6 ? 0 : owner6(&f);

		astray += owner6(&f) != q;
		team_send(k, q, frames_tcp6(k->pools[0].data, &f, TCP_RST, ext));
		if (i & 1)
			team_turns(k, 1);
	}
	team_turns(k, 3);
	return astray;
}

/* IPv6 lands at home if the port hashes it. What it does not see through is steered here, and blamed on nobody. */
static void ipv6_lands_at_home(void **state)
{
	static struct team_kit k;
	unsigned int astray;

	open_v6(&k, true);
	assert_int_equal(shower6(&k, false), 0);
	assert_int_equal(team_counted_all(&k, CTR_RX_LISTEN_RST), FLOWS);
	assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), 0);
	astray = shower6(&k, true);
	assert_in_range(astray, FLOWS / 3, FLOWS * 2 / 3);
	assert_int_equal(team_counted_all(&k, CTR_RX_LISTEN_RST), 2 * FLOWS);
	assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), astray);
	assert_int_equal(team_counted_all(&k, CTR_RSS_MISPLACED), 0);
	team_close(&k);
}

/* A port that hashes the ports of IPv4 alone is believed of those. */
static void ipv6_is_steered_where_the_port_does_not(void **state)
{
	static struct team_kit k;
	unsigned int astray;

	open_v6(&k, false);
	astray = shower6(&k, false);
	assert_in_range(astray, FLOWS / 3, FLOWS * 2 / 3);
	assert_int_equal(team_counted_all(&k, CTR_RX_LISTEN_RST), FLOWS);
	assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), astray);
	assert_int_equal(team_counted_all(&k, CTR_RSS_MISPLACED), 0);
	team_close(&k);
}

/* ICMPv6 errors come by any queue, and go to the worker of what they are about. */
static void ipv6_errors_find_the_owner(void **state)
{
	enum { ERRORS = 12 };
	static struct team_kit k;

	open_v6(&k, true);
	for (unsigned int i = 0; i < ERRORS; i++) {
		const unsigned int owner = i & 1;
		const uint64_t before = team_counted(&k, owner, CTR_RX_ICMP_SEQ);
		struct rte_mbuf *m;
		struct frames_flow f;
		unsigned int q;

		do
			f = any_flow(&k);
		while (owner6(&f) != owner);
		team_send(&k, owner, frames_tcp6(k.pools[0].data, &f, TCP_SYN, false));
		team_turns(&k, 3);
		m = team_take(&k, &q);
		assert_non_null(m);
		f.seq++;
		f.ack = be32(rte_pktmbuf_mtod_offset(m, const struct tcp_hdr *, 54)->seq) + 1;
		rte_pktmbuf_free(m);
		team_send(&k, owner, frames_tcp6(k.pools[0].data, &f, TCP_ACK, false));
		team_turns(&k, 2);
		team_send(&k, !owner, frames_too_big6(k.pools[0].data, &f, f.ack + 99, 1500, 1280));
		team_turns(&k, 4);
		assert_int_equal(team_counted(&k, owner, CTR_RX_ICMP_SEQ), before + 1); /* looked at */
		team_send(&k, owner, frames_tcp6(k.pools[0].data, &f, TCP_RST, false));
		team_turns(&k, 3);
	}
	assert_int_equal(team_counted_all(&k, CTR_CONN_OPENED), ERRORS);
	assert_int_equal(team_counted_all(&k, CTR_CONN_RESET_RX), ERRORS);
	assert_int_equal(team_counted_all(&k, CTR_RX_ICMP_NO_CONN), 0);
	assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), ERRORS);
	team_close(&k);
}

/* Neighbours' questions are the first worker's, as ARP is, by whatever queue they come. */
static void solicitations_go_home(void **state)
{
	static struct team_kit k;
	struct frames_flow f;

	open_v6(&k, true);
	f = any_flow(&k);
	for (unsigned int q = 0; q < 2; q++) {
		struct rte_mbuf *m;
		unsigned int by;

		team_send(&k, q, frames_solicit(k.pools[0].data, &f));
		team_turns(&k, 3);
		m = team_take(&k, &by);
		assert_non_null(m);
		assert_int_equal(*rte_pktmbuf_mtod_offset(m, uint8_t *, 54), 136);
		rte_pktmbuf_free(m);
		assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), q);
	}
	team_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEAM_TEST(lands_at_home),
		TEAM_TEST(lands_at_planned_home),
		TEAM_TEST(not_relied_on),
		TEAM_TEST(found_out),
		TEAM_TEST(changes_its_mind),
		TEAM_TEST(looked_at),
		TEAM_TEST(errors_find_the_owner),
		TEAM_TEST(ipv6_lands_at_home),
		TEAM_TEST(ipv6_is_steered_where_the_port_does_not),
		TEAM_TEST(ipv6_errors_find_the_owner),
		TEAM_TEST(solicitations_go_home),
	};

	return cmocka_run_group_tests(tests, team_eal, team_eal_end);
}
