/*
 * Ports that cut packets into segments: on the wire nothing differs.
 * Rows: HDR-11.
 */
#include "kit.h"

struct trace {
	unsigned int n, size;
	struct kit_frame *frames;
};

/* What is sent, and how it lies in the queue. */
struct variant {
	unsigned int offer;
	uint16_t mss;
	uint32_t bytes;
	uint64_t piece; /* 0: it is echoed */
	bool statics, close;
	uint8_t tx_mode;
	uint16_t mbufs; /* in a packet */
};

static void record(struct trace *t, const struct kit_frame *f)
{
	struct kit_frame *to;

	if (t->n == t->size) {
		t->size = t->size ? 2 * t->size : 64;
		t->frames = realloc(t->frames, t->size * sizeof(*t->frames));
		assert_non_null(t->frames);
	}
	to = &t->frames[t->n++];
	*to = *f;
	to->bytes = malloc(f->len);
	memcpy(to->bytes, f->bytes, f->len);
}

static void forget(struct trace *t)
{
	for (unsigned int i = 0; i < t->n; i++)
		free(t->frames[i].bytes);
	free(t->frames);
	*t = (struct trace){0};
}

/* Take what was sent; where it ends. */
static uint32_t hear(struct kit *k, struct kit_peer *p, struct trace *t, uint32_t end)
{
	struct kit_frame *f;

	while ((f = kit_frame_next(k))) {
		struct seg g;

		record(t, f);
		g = kit_parse(p, f);
		end = seq_max(end, g.seq + g.len + !!(g.flags & FIN));
	}
	return end;
}

static void ask(struct kit *k, struct kit_peer *p, const struct variant *v, uint32_t *seq)
{
	if (v->piece) {
		kit_app_send(p, v->bytes);
	} else {
		kit_burst_begin(k);
		for (; *seq <= v->bytes; *seq += min_of(v->bytes + 1 - *seq, 1448u))
			send_seg(p, .flags = ACK, .seq = *seq, .ack = 1,
				 .len = min_of(v->bytes + 1 - *seq, 1448u));
		kit_burst_end(k);
	}
	if (v->close)
		kit_app_shutdown(p);
}

/* All that is sent, as it is on the wire; returns how many packets the port had to cut. */
static uint64_t run(const struct variant *v, struct trace *t, uint8_t flags)
{
	struct kit *k = kit_new();
	uint32_t seq = 1, una = 1, end;
	struct kit_peer *p;
	uint64_t cut;

	k->cap[0].flags |= flags;
	k->cap[0].tso_mbufs = v->mbufs;
	k->cap[0].tx_mode = v->tx_mode;
	p = kit_peer(k);
	p->offer = v->offer;
	p->mss = v->mss;
	p->ws = 5; /* if it is offered */
	p->app.echo = !v->piece;
	p->app.statics = v->statics;
	p->app.piece = v->piece;
	kit_open(p);
	ask(k, p, v, &seq);
	for (unsigned int i = 0; una != 1 + v->bytes + v->close; i++) {
		assert_true(i < 200);
		end = hear(k, p, t, una);
		if (end == una) {
			kit_advance(k, MS); /* so many segments leave in one */
			continue;
		}
		una = end;
		send_seg(p, .flags = ACK, .seq = seq, .ack = una);
	}
	cut = kit_ctr(k, CTR_TX_TSO);
	assert_int_equal(kit_ctr(k, CTR_TX_RETRANSMITS), 0);
	kit_close(k);
	return cut;
}

static void same(const struct trace *a, const struct trace *b)
{
	assert_int_equal(a->n, b->n);
	for (unsigned int i = 0; i < a->n; i++) {
		assert_int_equal(a->frames[i].len, b->frames[i].len);
		assert_memory_equal(a->frames[i].bytes, b->frames[i].bytes, a->frames[i].len);
		assert_int_equal(a->frames[i].at, b->frames[i].at);
	}
}

static void HDR_11_segments_are_the_same(void **s)
{
	static const struct variant variants[] = {
		{OFFER_ALL, 1460, 65536, 4096, .mbufs = 64},
		{OFFER_ALL, 1460, 65536, 4096, .statics = true, .close = true, .mbufs = 64},
		{OFFER_ALL, 1460, 500000, 4096, .statics = true, .mbufs = 64}, /* more than 64 KB at once */
		{0, 1460, 65536, 100, .close = true, .mbufs = 64},
		{OFFER_ALL, 1460, 65000, 0, .mbufs = 64},
		{OFFER_ALL, 1460, 65000, 0, .mbufs = 64, .tx_mode = PKT_TX_HOLDS},
		{OFFER_ALL, 1460, 65000, 0, .mbufs = 64, .tx_mode = PKT_TX_GIVES_AWAY},
		{OFFER_ALL, 1460, 65000, 0, .mbufs = 5},
		{OFFER_ALL, 1333, 65535, 997, .mbufs = 4},
		{OFFER_TS, 536, 60001, 0, .close = true, .mbufs = 64},
		{0, 101, 30000, 4096, .statics = true, .mbufs = 64},
	};
	const uint8_t tso = PKT_TX_TSO | PKT_TX_TCP_CSUM;

	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(variants); i++) {
		const struct variant *v = &variants[i / 2];
		struct trace soft = {0}, hard = {0};
		uint64_t cut;

		assert_int_equal(run(v, &soft, 0), 0);
		cut = run(v, &hard, i & 1 ? tso | PKT_TX_IP_CSUM : tso);
		assert_in_range(cut, 2, hard.n / (v->mbufs > 5 ? 6 : 2));
		same(&soft, &hard);
		forget(&soft);
		forget(&hard);
	}
}

/* RFC 3168 section 6.1.2: CWR is the first segment's. Where it may be due, each is a packet. */
static void HDR_11_none_with_ecn(void **s)
{
	const struct variant v = {OFFER_ALL | OFFER_ECN, 1460, 65536, 4096, .mbufs = 64};
	struct trace soft = {0}, hard = {0};

	run(&v, &soft, 0);
	assert_int_equal(run(&v, &hard, PKT_TX_TSO | PKT_TX_TCP_CSUM), 0);
	same(&soft, &hard);
	forget(&soft);
	forget(&hard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(HDR_11_segments_are_the_same),
		cmocka_unit_test(HDR_11_none_with_ecn),
	};

	return KIT_RUN("tso", tests);
}
