/*
 * The engine, its application and the clients of crowd.h.
 */
#include <sys/mman.h>

#include "crowd.h"

struct crowd many;

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

	if (number_of(c) < many.sleepers)
		return 0;
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
struct kit *crowd(enum deed deed)
{
	struct kit *k = kit_new();

	memset(&many, 0, sizeof(many));
	many.k = k;
	many.deed = deed;
	many.in_order = true;
	many.pool = kit_mp;
	k->unchecked = true;
	k->conf.alloc = lazily;
	return k;
}

void crowd_start(struct kit *k)
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
void crowd_end(struct kit *k)
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
void crowd_turn(void)
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

void crowd_pass(uint64_t us)
{
	many.k->now += us;
}

/* ---- the clients ---- */

const struct tcp_opts crowd_all_options = {
	.flags = TCP_OPTS_MSS | TCP_OPTS_TS | TCP_OPTS_SACK_OK | TCP_OPTS_WSCALE,
	.mss = 1460, .wscale = 7, .tsval = 1};
const struct tcp_opts crowd_mss_only = {.flags = TCP_OPTS_MSS, .mss = 1460};

/* A segment of client i; a SYN has options o, another one none. */
void crowd_from(uint32_t i, uint16_t dport, struct seg s, uint16_t win, const struct tcp_opts *o)
{
	struct kit_peer p = {.k = many.k, .port = (uint16_t)(1024 + (i >> 24)), .dport = dport, .win = win};
	struct rte_mbuf *m = rte_pktmbuf_alloc(many.pool);
	uint32_t len;

	assert_non_null(m);
	kit_v4(p.addr, be32(10u << 24 | (i & 0xffffff)));
	kit_v4(p.server, KIT_SERVER);
	if (o)
		s.opts = *o;
	len = kit_build(&p, &s, rte_pktmbuf_mtod(m, uint8_t *));
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	many.octets_in += len - ETH_HDR_LEN;
	many.k->injected++;
	many.burst[many.n++] = m;
	if (many.n == BURST)
		crowd_turn();
}

/* SYN-ACKs to the clients from base on. */
void crowd_note_iss(const struct ip4_hdr *ip, const struct tcp_hdr *th, uint32_t payload)
{
	uint32_t i = (be32(ip->daddr) & 0xffffff) - many.base;

	if ((th->flags & (SYN | ACK)) == (SYN | ACK) && i < BURST)
		many.iss[i] = be32(th->seq);
}

/* A burst of clients opens; their third segment carries len octets, and that window. */
void crowd_open(uint32_t base, uint32_t len, uint16_t win)
{
	many.base = base;
	many.seen = crowd_note_iss;
	for (uint32_t i = 0; i < BURST; i++)
		crowd_from(base + i, KIT_PORT, (struct seg){.flags = SYN, .seq = 0}, 65535, &crowd_mss_only);
	for (uint32_t i = 0; i < BURST; i++)
		crowd_from(base + i, KIT_PORT, (struct seg){.flags = ACK | PSH, .seq = 1, .ack = many.iss[i] + 1,
						      .len = len}, win, NULL);
}
