/*
 * An engine with its memory and the port under it. The port takes mbufs as its capability says: it copies them, at
 * once or when they have waited for it, holds them for a while, and then nothing may have been written to them in
 * either case, or gives them away, and then what is in them is lost.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include <rte_mempool.h>

#include "kit.h"
#include "twin.h"
#include "http_memo.h"

#define MBUFS 2047

unsigned int shortcuts;

static struct rte_mempool *pools[2], *refs[2];

/* The clock on the wall, for who asks it: by the linker (--wrap). */
static uint64_t wall;
int64_t __wrap_date_now(void);

int64_t __wrap_date_now(void)
{
	return (int64_t)(wall / SEC);
}

void sides_start(void)
{
	char name[16];

	if (!kit_eal("64"))
		exit(2);
	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "twin%d", i);
		pools[i] = rte_pktmbuf_pool_create_by_ops(name, MBUFS, 0, 0, RTE_PKTMBUF_HEADROOM + 2048, 0,
							  KIT_MEMPOOL_OPS);
		snprintf(name, sizeof(name), "ref%d", i);
		refs[i] = rte_pktmbuf_pool_create_by_ops(name, MBUFS, 0, 0, 0, 0, KIT_MEMPOOL_OPS);
		if (!pools[i] || !refs[i]) {
			fprintf(stderr, "no memory for mbufs\n");
			exit(2);
		}
	}
}

/* Zeroed by the kernel when it is touched. */
static void *give_memory(void *arg, size_t bytes, const char *what)
{
	struct side *s = arg;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED || s->n_mem == ARRAY_SIZE(s->mem))
		return NULL;
	s->mem[s->n_mem].at = p;
	s->mem[s->n_mem++].bytes = bytes;
	return p;
}

/*
 * http's memos are the thread's, and what is in them decides how an answer lies in memory, but the other engine's is
 * nothing to this one: each turn begins without.
 */
static void forget_memos(void)
{
	http_request_memo.len = 0;
	http_response_memo.reply = NULL;
}

/* Shared bytes take less memory, and more pieces: where either is short that decides how much is sent, and of what. */
static unsigned int without_shared(const struct side *s)
{
	return s->little || s->conf.mbuf_share ? 1u << SHORTCUT_SHARED : 0;
}

void side_turn(const struct side *s)
{
	shortcuts = s->mask & ~without_shared(s);
	forget_memos();
	wall = s->tw->now + 1700000000ull * SEC;
}

static unsigned int in_use(const struct side *s)
{
	return rte_mempool_in_use_count(s->conf.pool) + rte_mempool_in_use_count(s->conf.indirect);
}

void side_open(struct side *s)
{
	const unsigned int id = s != s->tw->side;
	char err[256] = "";

	s->n_mem = s->n_out = s->n_event = s->held_next = 0;
	memset(&s->ctr, 0, sizeof(s->ctr));
	memset(s->held, 0, sizeof(s->held));
	memset(s->app, 0, sizeof(s->app));
	s->port.cap = &s->cap;
	s->conf.ports = &s->port;
	s->conf.n_ports = 1;
	s->conf.addresses = &s->addr;
	s->conf.n_addresses = 1;
	s->conf.counters = &s->ctr;
	s->conf.pool = pools[id];
	s->conf.indirect = refs[id];
	s->conf.alloc = give_memory;
	s->conf.alloc_arg = s;
	side_turn(s);
	s->before = in_use(s);
	s->e = engine_create(&s->conf, s->tw->now, err, sizeof(err));
	if (!s->e) {
		fprintf(stderr, "engine_create: %s\n", err);
		exit(2);
	}
	for (unsigned int i = 0; i < TWIN_LISTENERS; i++) {
		listener_prepare(&s->listener[i]);
		if (engine_listen(s->e, &s->listener[i]) < 0)
			abort();
	}
}

/* False: somebody has written to it. */
static bool release_held(struct side *s, unsigned int i)
{
	struct rte_mbuf *m = s->held[i];
	uint32_t at = 0;
	bool same = true;

	if (!m)
		return true;
	s->held[i] = NULL;
	for (struct rte_mbuf *seg = m; seg; at += seg->data_len, seg = seg->next)
		same &= !memcmp(s->held_copy[i].bytes + at, rte_pktmbuf_mtod(seg, void *), seg->data_len);
	rte_pktmbuf_free(m);
	return same;
}

const char *side_close(struct side *s)
{
	const char *wrong = NULL;

	side_turn(s);
	for (unsigned int i = 0; i < TWIN_HELD; i++)
		if (!release_held(s, i))
			wrong = "a packet changed while the port held it";
	engine_destroy(s->e, s->tw->now);
	for (unsigned int i = 0; i < s->n_mem; i++)
		munmap(s->mem[i].at, s->mem[i].bytes);
	return in_use(s) != s->before ? "mbufs are lost" : wrong;
}

static void port_takes(struct side *s, struct rte_mbuf *m, const struct frame *f)
{
	const unsigned int i = s->held_next % TWIN_HELD;

	switch (s->late && s->cap.tx_mode == PKT_TX_COPIES ? PKT_TX_HOLDS : s->cap.tx_mode) {
	case PKT_TX_HOLDS:
		if (!release_held(s, i))
			differ(s->tw, "a packet changed while the port held it");
		s->held[i] = m;
		s->held_copy[i] = *f;
		s->held_next++;
		break;
	case PKT_TX_GIVES_AWAY:
		for (struct rte_mbuf *seg = m; seg; seg = seg->next)
			memset(rte_pktmbuf_mtod(seg, void *), 0x5a, seg->data_len);
		rte_pktmbuf_free(m);
		break;
	default:
		rte_pktmbuf_free(m);
	}
}

void side_output(struct side *s, unsigned int max)
{
	struct rte_mbuf *out[TWIN_OUT_MAX];

	side_turn(s);
	s->n_out = engine_output(s->e, 0, out, max, s->tw->now);
	for (unsigned int i = 0; i < s->n_out; i++) {
		struct frame *f = &s->out[i];

		rte_mbuf_sanity_check(out[i], 1);
		*f = (struct frame){.flags = out[i]->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK,
				    .tx = out[i]->tx_offload};
		for (struct rte_mbuf *seg = out[i]; seg; f->len += seg->data_len, seg = seg->next)
			memcpy(f->bytes + f->len, rte_pktmbuf_mtod(seg, void *), seg->data_len);
		port_takes(s, out[i], f);
	}
}

static struct rte_mbuf *mbuf_of(struct side *s, const struct frame *f, uint32_t cut)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->conf.pool), *more;
	const uint32_t first = cut && cut < f->len ? cut : f->len;

	if (!m)
		differ(s->tw, "no mbuf left");
	memcpy(rte_pktmbuf_append(m, (uint16_t)first), f->bytes, first);
	if (first < f->len) {
		more = rte_pktmbuf_alloc(s->conf.pool);
		if (!more)
			differ(s->tw, "no mbuf left");
		memcpy(rte_pktmbuf_append(more, (uint16_t)(f->len - first)), f->bytes + first, f->len - first);
		rte_pktmbuf_chain(m, more);
	}
	m->ol_flags |= f->flags;
	return m;
}

void side_input(struct side *s, const struct frame *f, const uint32_t *cut, unsigned int n)
{
	struct pkt_facts facts[ENGINE_BURST_MAX];
	struct rte_mbuf *in[ENGINE_BURST_MAX];

	side_turn(s);
	for (unsigned int i = 0; i < n; i++)
		in[i] = mbuf_of(s, &f[i], cut[i]);
	pkt_parse_burst(in, facts, n, 0, &s->cap);
	engine_input(s->e, in, facts, n, s->tw->now);
}

void side_tick(struct side *s)
{
	side_turn(s);
	engine_tick(s->e, s->tw->now, 256);
}

void side_event(struct side *s, const char *what, uint64_t id, uint64_t a, uint64_t b)
{
	if (s->n_event < TWIN_EVENTS)
		s->event[s->n_event++] = (struct event){what, id, a, b};
}
