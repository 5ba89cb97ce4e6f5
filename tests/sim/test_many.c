/*
 * Floods and crowds at the size that the rows name (crowd.h): of SYNs, of clients that vanish or take
 * nothing, a scan beside a transfer, memory by the million.
 */
#include <unistd.h>

#include "crowd.h"
#include "tcp/policy.h"

/* ---- floods of SYNs ---- */

/* 10^7 SYNs, a million a second, against a cap of 10^5. */
static void SYN_01_SYN_07_ten_million_syns(void **state)
{
	enum { CAP = 100000 };
	struct kit *k = crowd(REST);
	struct engine_contract c;
	unsigned int free, regions;
	uint64_t resent;

	k->conf.max_half_open = CAP;
	k->conf.max_connections = 2 * CAP;
	crowd_start(k);
	engine_size(&k->conf, &c);
	assert_true(c.small_records <= (CAP + k->conf.max_time_wait + 1ull) * 160);
	free = rte_mempool_avail_count(kit_mp);
	regions = many.n_mem;
	for (uint32_t i = 0; i < MANY(10000000u) / BURST * BURST; i++) {
		crowd_from(i, KIT_PORT, (struct seg){.flags = SYN, .seq = i * 2654435761u}, 65535,
		     i & 1 ? &crowd_mss_only : &crowd_all_options);
		if (i % BURST == BURST - 1)
			crowd_pass(BURST);
		if (i % (BURST * 1024) == 0)
			assert_true(kit_usage(k).half_open <= CAP);
	}
	resent = kit_ctr(k, CTR_SYNACK_RETRANSMITS);
	print_message("%" PRIu64 " cookies, %" PRIu64 " records, %" PRIu64 " repeated\n",
		      kit_ctr(k, CTR_COOKIES_SENT), kit_ctr(k, CTR_SYN_RECEIVED), resent);
	assert_true(kit_usage(k).half_open <= CAP);
	assert_true(kit_usage(k).half_open >= MANY(CAP) * 7ull / 8);
	assert_int_equal(kit_usage(k).block_bytes, 0);
	assert_int_equal(many.n_mem, regions);
	assert_true(rte_mempool_avail_count(kit_mp) + BURST >= free); /* some wait to be reused */
	/* What the output queue had no room for is counted. */
	assert_int_equal(many.frames_out + kit_ctr(k, CTR_TX_QUEUE_FULL),
			 MANY(10000000u) / BURST * BURST + resent);
	assert_true(many.octets_out * 2 <= many.octets_in * 3);
	crowd_end(k);
}

/* Real clients, one each millisecond: 10 ms away, from 11.0.0.0. */
static struct {
	uint64_t asked[1024], due[1024], longest;
	uint32_t iss[1024], asking, next;
	uint32_t tsval[1024];
} real;

static void note_real(const struct ip4_hdr *ip, const struct tcp_hdr *th, uint32_t payload)
{
	uint32_t i = be32(ip->daddr) & 0xffffff;

	if (be32(ip->daddr) >> 24 != 11 || (th->flags & (SYN | ACK)) != (SYN | ACK) || real.due[i])
		return;
	real.iss[i] = be32(th->seq);
	real.tsval[i] = load_be32((const uint8_t *)(th + 1) + 4 + 4);
	real.longest = max_of(real.longest, many.k->now - real.asked[i]);
	real.due[i] = many.k->now + 10 * MS;
}

/* One segment in a turn of its own. */
static void real_sends(uint32_t i, struct seg s)
{
	struct kit_peer p = {.k = many.k, .port = 5000, .dport = KIT_PORT, .win = 65535};
	struct rte_mbuf *m = rte_pktmbuf_alloc(kit_mp);
	uint32_t len;

	kit_v4(p.addr, be32(11u << 24 | i));
	kit_v4(p.server, KIT_SERVER);
	p.ts = !(s.flags & SYN);
	p.ts_recent = s.tsecr;
	len = kit_build(&p, &s, rte_pktmbuf_mtod(m, uint8_t *));
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	many.burst[many.n++] = m;
	many.k->injected++;
	crowd_turn();
}

/* A whole second of 1 Mpps, and 1000 clients in it. */
static void SYN_02_a_second_of_flood(void **state)
{
	struct kit *k = crowd(REST);
	const uint32_t clients = MANY(1000u);
	uint64_t start;
	uint32_t i = 0;

	memset(&real, 0, sizeof(real));
	k->conf.max_connections = 4000;
	k->conf.max_half_open = 256;
	crowd_start(k);
	many.seen = note_real;
	for (start = k->now; real.next < clients; ) {
		for (uint32_t j = 0; j < BURST - 1; j++, i++)
			crowd_from(i, KIT_PORT, (struct seg){.flags = SYN, .seq = i * 2654435761u}, 65535,
			     &crowd_all_options);
		crowd_turn();
		crowd_pass(BURST);
		if (real.asking < clients && k->now >= start + real.asking * MS) {
			real.asked[real.asking] = k->now;
			real_sends(real.asking++, (struct seg){.flags = SYN, .seq = 0, .opts = crowd_all_options});
		}
		while (real.next < real.asking && real.due[real.next] && k->now >= real.due[real.next]) {
			real_sends(real.next, (struct seg){.flags = ACK | PSH, .seq = 1, .len = REQUEST,
							   .ack = real.iss[real.next] + 1,
							   .tsval = 2, .tsecr = real.tsval[real.next]});
			real.next++;
		}
	}
	print_message("%u SYNs beside %u clients, %" PRIu64 " served, SYN-ACK after at most %" PRIu64
		      " us\n", i, clients, many.opens, real.longest);
	assert_true(i >= MANY(1000000u) * 9 / 10);
	assert_true(many.opens >= clients * 99ull / 100);
	assert_true(many.octets >= clients * 99ull / 100 * REQUEST);
	assert_true(real.longest <= 10 * MS);
	crowd_end(k);
}

/* ---- crowds ---- */

/* 10^6 clients vanish after our FIN. */
static void DOS_09_a_million_vanish(void **state)
{
	enum { CAP = 10000 };
	struct kit *k = crowd(CLOSE_ON_OPEN);
	const uint32_t n = MANY(1000000u) / BURST * BURST, cap = MANY(CAP);

	k->conf.max_orphans = cap;
	k->conf.max_connections = cap + 4 * BURST;
	k->conf.max_half_open = 4 * BURST;
	k->conf.block_bytes = 64 * MIB;
	crowd_start(k);
	for (uint32_t i = 0; i < n; i += BURST) {
		crowd_open(i, 0, 65535);
		crowd_pass(100);
		assert_true(kit_usage(k).orphans <= cap);
		assert_true(kit_usage(k).connections <= cap + BURST);
	}
	assert_int_equal(many.opens, n);
	assert_int_equal(kit_ctr(k, CTR_ORPHANS_RESET), n - cap);
	crowd_end(k);
}

/*
 * 10^5 clients ask and close their window. As long as there is room none is reset; then newcomers are
 * served all the same, and those go that came first.
 */
static void DOS_05_a_crowd_that_takes_nothing(void **state)
{
	struct kit *k = crowd(ANSWER_ON_DATA);
	const uint32_t n = MANY(100000u) / BURST * BURST, more = MANY(10000u) / BURST * BURST + BURST;

	many.last_closed = UINT32_MAX;
	k->conf.max_connections = n + n / 15 + BURST; /* short when less than a 16th is left */
	k->conf.max_half_open = 4 * BURST;
	k->conf.block_bytes = (uint64_t)n * 8 * KIB;
	crowd_start(k);
	for (uint32_t i = 0; i < n; i += BURST) {
		crowd_open(i, REQUEST, 0);
		crowd_pass(100);
	}
	assert_int_equal(kit_usage(k).stalled, n);
	assert_int_equal(kit_ctr(k, CTR_STALLED_RESET), 0);
	for (uint32_t i = n; i < n + more; i += BURST) {
		crowd_open(i, REQUEST, i % (2 * BURST) ? 65535 : 0);
		crowd_pass(MS);
	}
	crowd_turn();
	print_message("%u stalled, %u more came, %" PRIu64 " reset\n", n, more,
		      kit_ctr(k, CTR_STALLED_RESET));
	assert_int_equal(many.opens, n + more);
	assert_int_equal(many.octets, (n + more) * (uint64_t)REQUEST);
	assert_int_equal(kit_ctr(k, CTR_RX_SYN_NO_CONN), 0);
	assert_true(kit_ctr(k, CTR_STALLED_RESET) > 0);
	assert_int_equal(many.last_closed + 1, kit_ctr(k, CTR_STALLED_RESET));
	assert_true(many.in_order);
	many.deed = REST;
	crowd_end(k);
}

/* ---- a scan beside a transfer ---- */

static struct {
	uint32_t iss, nxt;
	uint64_t octets, rsts;
	bool too_long;
} transfer;

static void note_transfer(const struct ip4_hdr *ip, const struct tcp_hdr *th, uint32_t payload)
{
	if (th->flags & RST) {
		transfer.rsts++;
		transfer.too_long |= be16(ip->total_len) > 40 + 80;
	} else if (th->flags & SYN) {
		transfer.iss = be32(th->seq);
		transfer.nxt = transfer.iss + 1;
	} else if (be32(th->seq) == transfer.nxt) {
		transfer.nxt += payload;
		transfer.octets += payload;
	}
}

/* So many milliseconds of a transfer that is acknowledged each millisecond, with so many SYNs in each. */
static uint64_t beside(uint32_t ms, uint32_t syns)
{
	struct kit *k = crowd(STREAM);
	uint32_t sent = 0;

	memset(&transfer, 0, sizeof(transfer));
	many.seen = note_transfer;
	crowd_start(k);
	crowd_from(0, KIT_PORT, (struct seg){.flags = SYN, .seq = 0}, 65535, &crowd_mss_only);
	crowd_turn();
	for (uint32_t i = 0; i < ms; i++) {
		crowd_from(0, KIT_PORT, (struct seg){.flags = ACK, .seq = 1, .ack = transfer.nxt}, 65535, NULL);
		crowd_turn();
		for (uint32_t j = 0; j < syns; j++) {
			uint64_t before = many.frames_out;

			crowd_from(++sent & 0xffffff, (uint16_t)(1024 + j), (struct seg){.flags = SYN, .seq = j},
			     65535, NULL);
			if (many.n == 0) {
				crowd_pass(1);
				assert_true(many.frames_out - before <= BURST);
			}
		}
		crowd_turn();
		crowd_pass(MS - syns / BURST);
	}
	assert_int_equal(kit_ctr(k, CTR_TX_RETRANSMITS), 0);
	assert_true(transfer.rsts <= k->conf.rst_rate * (uint64_t)ms / 1000 + 1000);
	assert_int_equal(transfer.rsts + kit_ctr(k, CTR_TX_RST_RATE), (uint64_t)ms * syns);
	assert_false(transfer.too_long);
	crowd_end(k);
	return transfer.octets;
}

static void DOS_15_ten_million_in_a_second(void **state)
{
	const uint32_t ms = MANY(1000u);
	uint64_t alone = beside(ms, 0), scanned = beside(ms, 10000);

	print_message("%" PRIu64 " octets alone, %" PRIu64 " beside 10 Mpps\n", alone, scanned);
	assert_true(alone > ms * 10000ull);
	assert_true(scanned * 100 >= alone * 95);
}

/* ---- memory ---- */

static uint64_t resident(void)
{
	unsigned long all = 0, rss = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &all, &rss), 2);
	fclose(f);
	return rss * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A burst of clients whose connections we close, and they: in TIME-WAIT. */
static void pass_away(uint32_t base)
{
	crowd_open(base, 0, 65535);
	for (uint32_t i = 0; i < BURST; i++)
		crowd_from(base + i, KIT_PORT, (struct seg){.flags = FIN | ACK, .seq = 1, .ack = many.iss[i] + 2},
		     65535, NULL);
}

/* 10^6 idle connections and 10^6 in TIME-WAIT: 144 and 80 octets each, and a twentieth. */
static void DOS_01_a_million_of_each(void **state)
{
	const uint32_t n = MANY(1000000u) / BURST * BURST;
	struct kit *k = crowd(REST);
	uint64_t before, idle;

	k->conf.max_connections = n + BURST;
	k->conf.max_half_open = 4 * BURST;
	k->conf.max_time_wait = n;
	crowd_start(k);
	many.deed = CLOSE_ON_OPEN; /* blocks, pools and all that is touched once */
	pass_away(0);
	many.deed = REST;
	before = resident();
	for (uint32_t i = BURST; i < n; i += BURST)
		crowd_open(i, 0, 65535);
	crowd_pass(SEC);
	crowd_turn();
	idle = resident() - before;
	assert_int_equal(kit_usage(k).connections, n - BURST);
	assert_int_equal(kit_usage(k).block_bytes, 0);
	many.deed = CLOSE_ON_OPEN;
	for (uint32_t i = 0; i < n - BURST; i += BURST) {
		pass_away((1u << 23) + i);
		crowd_pass(10);
	}
	assert_int_equal(kit_usage(k).time_wait, n);
	print_message("%u idle: %.1f octets each; as many in TIME-WAIT: %.1f\n", n, (double)idle / n,
		      (double)(resident() - before - idle) / n);
#ifndef SIM_FEWER
	assert_true(resident() - before <= n * (144 + 80ull) / 20 * 21);
#endif
	crowd_end(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(SYN_01_SYN_07_ten_million_syns),
		cmocka_unit_test(SYN_02_a_second_of_flood),
		cmocka_unit_test(DOS_09_a_million_vanish),
		cmocka_unit_test(DOS_05_a_crowd_that_takes_nothing),
		cmocka_unit_test(DOS_15_ten_million_in_a_second),
		cmocka_unit_test(DOS_01_a_million_of_each),
	};

	return cmocka_run_group_tests_name("many", tests, kit_group_setup, NULL);
}
