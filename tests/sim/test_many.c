/*
 * Floods and crowds at the size that the rows name: one engine, and clients that are numbers, not
 * connections of their own. A client is known by its address, 10.0.0.0 and its number; what it sends is
 * written into a template, what the engine sends is looked at and forgotten. Time is virtual, and goes on
 * between bursts by as much as the rate says.
 *
 * Under a sanitizer a hundredth of it.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "kit.h"
#include "tcp/policy.h"

#ifdef SIM_FEWER
#define MANY(n) ((n) / 100)
#else
#define MANY(n) (n)
#endif
#define BURST   64u
#define TICK    256 /* timers in a turn */
#define MEMORY  64 /* regions of an engine */
#define REQUEST 16u /* octets, of which a client asks */
#define ANSWER  1000u

/* What the handler does. */
enum deed { REST, CLOSE_ON_OPEN, ANSWER_ON_DATA, STREAM };

static struct {
	struct kit *k;
	enum deed deed;
	uint8_t frame[128];
	struct rte_mbuf *burst[BURST];
	unsigned int n;
	void (*seen)(const struct ip4_hdr *ip, const struct tcp_hdr *th, uint32_t payload);
	uint64_t octets_in, octets_out, frames_out;
	/* Of clients, by number from base on. */
	uint32_t base, iss[BURST];
	uint64_t opens, closes, octets; /* callbacks; octets: read */
	uint32_t last_closed;
	bool in_order;                  /* closes were those of 0, 1, 2, ... */
	struct { void *at; size_t bytes; } mem[MEMORY];
	unsigned int n_mem;
} many;

/* ---- the application ---- */

static uint8_t body[64 * KIB];

static uint32_t number_of(const struct pier_conn *c)
{
	return *(const uint32_t *)c->ctx;
}

static void many_open(struct pier_conn *c)
{
	struct pier_info info;

	pier_get_info(c, &info);
	*(uint32_t *)c->ctx = load_be32(info.remote_addr + 12) & 0xffffff;
	many.opens++;
	if (many.deed == CLOSE_ON_OPEN)
		pier_close(c);
	if (many.deed == STREAM)
		pier_want_writable(c);
}

static size_t many_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	size_t all = 0;

	for (unsigned int i = 0; i < n; i++)
		all += s[i].len;
	many.octets += all;
	if (many.deed == ANSWER_ON_DATA)
		pier_send_static(c, body, ANSWER);
	return all;
}

static void many_writable(struct pier_conn *c, size_t room)
{
	while (pier_send_static(c, body, sizeof(body)) == sizeof(body))
		;
	pier_want_writable(c);
}

static void many_eof(struct pier_conn *c)
{
	pier_close(c);
}

static void many_close(struct pier_conn *c, enum pier_close_reason why)
{
	if (why == PIER_CLOSE_PRESSURE && many.deed == ANSWER_ON_DATA) {
		many.in_order &= number_of(c) == many.last_closed + 1;
		many.last_closed = number_of(c);
	}
	many.closes++;
}

static const struct pier_handler many_handler = {
	.abi = PIER_HANDLER_ABI,
	.size = sizeof(struct pier_handler),
	.name = "many",
	.summary = "what a crowd wants",
	.ctx_size = sizeof(uint32_t),
	.open = many_open,
	.data = many_data,
	.writable = many_writable,
	.eof = many_eof,
	.close = many_close,
};

/* ---- the engine ---- */

/* Zero pages that count when they are touched. */
static void *lazily(void *arg, size_t bytes, const char *what)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_true(p != MAP_FAILED && many.n_mem < ARRAY_SIZE(many.mem));
	many.mem[many.n_mem].at = p;
	many.mem[many.n_mem++].bytes = bytes;
	return p;
}

/* A kit whose configuration may be changed until crowd_start. */
static struct kit *crowd(enum deed deed)
{
	struct kit *k = kit_new();

	memset(&many, 0, sizeof(many));
	many.k = k;
	many.deed = deed;
	many.in_order = true;
	k->unchecked = true;
	k->conf.alloc = lazily;
	return k;
}

static void crowd_start(struct kit *k)
{
	struct listener *l = &k->listeners[0];
	char err[256] = "";

	k->e = engine_create(&k->conf, k->now, err, sizeof(err));
	if (!k->e)
		fail_msg("engine_create: %s", err);
	*l = (struct listener){.handler = &many_handler, .settings = k, .tcp = k->tcp,
			       .local = LISTENER_ANY, .port_lo = KIT_PORT, .port_hi = KIT_PORT};
	listener_prepare(l);
	k->versions[k->n_listeners++] = engine_listen(k->e, l);
	assert_true(k->versions[0] >= 0);
}

/* Nothing is left, and no mbuf is missing. */
static void crowd_end(struct kit *k)
{
	uint64_t opens = many.opens;

	kit_close(k);
	assert_int_equal(many.closes, opens);
	for (unsigned int i = 0; i < many.n_mem; i++)
		munmap(many.mem[i].at, many.mem[i].bytes);
}

static void look(struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = rte_pktmbuf_mtod_offset(m, const struct ip4_hdr *, ETH_HDR_LEN);
	const struct tcp_hdr *th = (const struct tcp_hdr *)(ip + 1);
	uint32_t total = be16(ip->total_len);

	many.frames_out++;
	many.octets_out += total;
	if (many.seen)
		many.seen(ip, th, total - IP4_HDR_LEN - tcp_hdr_len(th));
	rte_pktmbuf_free(m);
}

/* What has come is taken in, and all that is due leaves. */
static void turn(void)
{
	struct pkt_facts facts[BURST];
	struct rte_mbuf *out[BURST];
	struct kit *k = many.k;
	unsigned int n;

	pkt_parse_burst(many.burst, facts, many.n, 0, &k->cap[0]);
	engine_input(k->e, many.burst, facts, many.n, k->now);
	many.n = 0;
	engine_tick(k->e, k->now, TICK);
	do {
		n = engine_output(k->e, 0, out, ARRAY_SIZE(out), k->now);
		for (unsigned int i = 0; i < n; i++)
			look(out[i]);
	} while (n);
}

static void pass(uint64_t us)
{
	many.k->now += us;
}

/* ---- the clients ---- */

static const struct tcp_opts all_options = {
	.flags = TCP_OPTS_MSS | TCP_OPTS_TS | TCP_OPTS_SACK_OK | TCP_OPTS_WSCALE,
	.mss = 1460, .wscale = 7, .tsval = 1};
static const struct tcp_opts mss_only = {.flags = TCP_OPTS_MSS, .mss = 1460};

/* A segment of client i; a SYN has options o, another one none. */
static void from(uint32_t i, uint16_t dport, struct seg s, uint16_t win, const struct tcp_opts *o)
{
	struct kit_peer p = {.k = many.k, .addr = be32(10u << 24 | (i & 0xffffff)), .server = KIT_SERVER,
			     .port = (uint16_t)(1024 + (i >> 24)), .dport = dport, .win = win};
	struct rte_mbuf *m = rte_pktmbuf_alloc(kit_mp);
	uint32_t len;

	assert_non_null(m);
	if (o)
		s.opts = *o;
	len = kit_build(&p, &s, rte_pktmbuf_mtod(m, uint8_t *));
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	many.octets_in += len - ETH_HDR_LEN;
	many.k->injected++;
	many.burst[many.n++] = m;
	if (many.n == BURST)
		turn();
}

/* SYN-ACKs to the clients from base on. */
static void note_iss(const struct ip4_hdr *ip, const struct tcp_hdr *th, uint32_t payload)
{
	uint32_t i = (be32(ip->daddr) & 0xffffff) - many.base;

	if ((th->flags & (SYN | ACK)) == (SYN | ACK) && i < BURST)
		many.iss[i] = be32(th->seq);
}

/* A burst of clients opens; their third segment carries len octets, and that window. */
static void open_burst(uint32_t base, uint32_t len, uint16_t win)
{
	many.base = base;
	many.seen = note_iss;
	for (uint32_t i = 0; i < BURST; i++)
		from(base + i, KIT_PORT, (struct seg){.flags = SYN, .seq = 0}, 65535, &mss_only);
	for (uint32_t i = 0; i < BURST; i++)
		from(base + i, KIT_PORT, (struct seg){.flags = ACK | PSH, .seq = 1, .ack = many.iss[i] + 1,
						      .len = len}, win, NULL);
}

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
		from(i, KIT_PORT, (struct seg){.flags = SYN, .seq = i * 2654435761u}, 65535,
		     i & 1 ? &mss_only : &all_options);
		if (i % BURST == BURST - 1)
			pass(BURST);
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
	struct kit_peer p = {.k = many.k, .addr = be32(11u << 24 | i), .server = KIT_SERVER,
			     .port = 5000, .dport = KIT_PORT, .win = 65535};
	struct rte_mbuf *m = rte_pktmbuf_alloc(kit_mp);
	uint32_t len;

	p.ts = !(s.flags & SYN);
	p.ts_recent = s.tsecr;
	len = kit_build(&p, &s, rte_pktmbuf_mtod(m, uint8_t *));
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	many.burst[many.n++] = m;
	many.k->injected++;
	turn();
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
			from(i, KIT_PORT, (struct seg){.flags = SYN, .seq = i * 2654435761u}, 65535,
			     &all_options);
		turn();
		pass(BURST);
		if (real.asking < clients && k->now >= start + real.asking * MS) {
			real.asked[real.asking] = k->now;
			real_sends(real.asking++, (struct seg){.flags = SYN, .seq = 0, .opts = all_options});
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
		open_burst(i, 0, 65535);
		pass(100);
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
		open_burst(i, REQUEST, 0);
		pass(100);
	}
	assert_int_equal(kit_usage(k).stalled, n);
	assert_int_equal(kit_ctr(k, CTR_STALLED_RESET), 0);
	for (uint32_t i = n; i < n + more; i += BURST) {
		open_burst(i, REQUEST, i % (2 * BURST) ? 65535 : 0);
		pass(MS);
	}
	turn();
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
	from(0, KIT_PORT, (struct seg){.flags = SYN, .seq = 0}, 65535, &mss_only);
	turn();
	for (uint32_t i = 0; i < ms; i++) {
		from(0, KIT_PORT, (struct seg){.flags = ACK, .seq = 1, .ack = transfer.nxt}, 65535, NULL);
		turn();
		for (uint32_t j = 0; j < syns; j++) {
			uint64_t before = many.frames_out;

			from(++sent & 0xffffff, (uint16_t)(1024 + j), (struct seg){.flags = SYN, .seq = j},
			     65535, NULL);
			if (many.n == 0) {
				pass(1);
				assert_true(many.frames_out - before <= BURST);
			}
		}
		turn();
		pass(MS - syns / BURST);
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
	open_burst(base, 0, 65535);
	for (uint32_t i = 0; i < BURST; i++)
		from(base + i, KIT_PORT, (struct seg){.flags = FIN | ACK, .seq = 1, .ack = many.iss[i] + 2},
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
		open_burst(i, 0, 65535);
	pass(SEC);
	turn();
	idle = resident() - before;
	assert_int_equal(kit_usage(k).connections, n - BURST);
	assert_int_equal(kit_usage(k).block_bytes, 0);
	many.deed = CLOSE_ON_OPEN;
	for (uint32_t i = 0; i < n - BURST; i += BURST) {
		pass_away((1u << 23) + i);
		pass(10);
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
