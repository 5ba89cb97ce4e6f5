/*
 * An echo in the very mbuf that came: where the port copies what it sends, a received slice that nobody else refers
 * to leaves with our headers where the peer's were, and stays for sending it again. No segment shows it; what it must
 * not do is to change bytes that somebody still has.
 */
#include "inside.h"

#define LEN 1448

static struct kit_peer *echoing(struct kit *k, enum pkt_tx_mode mode)
{
	struct kit_peer *p;

	k->cap[0].tx_mode = (uint8_t)mode;
	p = kit_est(k);
	p->app.echo = true;
	return p;
}

/* The frame of LEN bytes that arrive when nth * LEN had been echoed. */
static uint32_t frame_of(struct kit_peer *p, unsigned int nth, unsigned int echoed, uint8_t *frame)
{
	const struct seg s = {.flags = ACK | PSH, .seq = 1 + LEN * nth, .ack = 1 + LEN * echoed, .len = LEN};

	return kit_build(p, &s, frame);
}

/* n times LEN bytes arrive together, from the nth on, when as many had been echoed; m: their mbufs, the engine's then. */
static void arrive_all(struct kit_peer *p, unsigned int nth, struct rte_mbuf **m, unsigned int n)
{
	struct rte_mbuf *in[ENGINE_BURST_MAX];
	struct pkt_facts facts[ENGINE_BURST_MAX];

	for (unsigned int i = 0; i < n; i++) {
		uint8_t frame[10000];
		const uint32_t len = frame_of(p, nth + i, nth, frame);

		m[i] = rte_pktmbuf_alloc(kit_mp);
		assert_non_null(m[i]);
		memcpy(rte_pktmbuf_append(m[i], (uint16_t)len), frame, len);
		in[i] = m[i];
	}
	pkt_parse_burst(in, facts, n, 0, &p->k->cap[0]);
	engine_input(p->k->e, in, facts, n, p->k->now);
}

static struct rte_mbuf *arrive(struct kit_peer *p, unsigned int nth)
{
	struct rte_mbuf *m;

	arrive_all(p, nth, &m, 1);
	return m;
}

static struct rte_mbuf *leave(struct kit *k)
{
	struct rte_mbuf *out[2];

	assert_int_equal(engine_output(k->e, 0, out, ARRAY_SIZE(out), k->now), 1);
	return out[0];
}

static void copy_of(const struct rte_mbuf *m, struct kit_frame *f, uint8_t *bytes)
{
	uint32_t at = 0;

	for (const struct rte_mbuf *s = m; s; at += s->data_len, s = s->next)
		memcpy(bytes + at, rte_pktmbuf_mtod(s, void *), s->data_len);
	*f = (struct kit_frame){.at = 0, .len = at, .bytes = bytes};
}

/* The nth echo, as a client would check it, when so many had come. */
static void is_echo_of(struct kit_peer *p, const struct rte_mbuf *m, unsigned int nth, unsigned int came, uint8_t flags)
{
	uint8_t bytes[10000];
	struct kit_frame f;
	struct seg s;

	copy_of(m, &f, bytes);
	s = kit_parse(p, &f);
	assert_int_equal(s.flags, flags);
	assert_int_equal(s.seq, 1 + LEN * nth);
	assert_int_equal(s.ack, 1 + LEN * came);
	assert_int_equal(s.len, LEN);
}

static void is_echo(struct kit_peer *p, const struct rte_mbuf *m, unsigned int nth)
{
	is_echo_of(p, m, nth, nth + 1, ACK | PSH);
}

static void the_echo_is_the_mbuf_that_came(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = echoing(k, PKT_TX_COPIES);

	for (unsigned int i = 0; i < 3; i++) {
		struct rte_mbuf *m = arrive(p, i);

		assert_ptr_equal(leave(k), m);
		is_echo(p, m, i);
		assert_int_equal(rte_mbuf_refcnt_read(m), 2); /* the send queue's and the port's */
		rte_pktmbuf_free(m);
	}
}

/* With ECN the headers are others, and are put before a copy: RFC 3168 section 6.1.2. */
static void not_with_ecn(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = kit_peer(k);

	k->cap[0].tx_mode = PKT_TX_COPIES;
	p->offer = OFFER_ALL | OFFER_ECN;
	kit_open(p);
	p->app.echo = true;
	for (uint32_t i = 0; i < 3; i++) {
		struct seg g;

		send_seg(p, .flags = ACK, .seq = 1 + i * LEN, .ack = 1 + i * LEN, .len = LEN);
		for (unsigned int again = 0; again < 2; again++) {
			while (!kit_has(k))
				kit_advance(k, MS);
			g = kit_take(p);
			assert_int_equal(g.seq, 1 + i * LEN);
			assert_int_equal(g.len, LEN);
			assert_int_equal(g.tos, again ? 0 : 2);
		}
	}
}

/* What came lies in the buffer of another mbuf, which is not ours: nothing is written to that. */
static void not_in_the_buffer_of_another(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = echoing(k, PKT_TX_COPIES);
	struct rte_mbuf *of = rte_pktmbuf_alloc(kit_mp), *m = rte_pktmbuf_alloc(kit_indirect), *out;
	struct pkt_facts facts;
	uint8_t frame[10000];
	const uint32_t len = frame_of(p, 0, 0, frame);

	memcpy(rte_pktmbuf_append(of, (uint16_t)len), frame, len);
	rte_pktmbuf_attach(m, of);
	pkt_parse_one(m, &facts, 0, &k->cap[0]);
	engine_input(k->e, &m, &facts, 1, k->now);
	out = leave(k);
	is_echo(p, out, 0);
	assert_memory_equal(rte_pktmbuf_mtod(of, void *), frame, len);
	rte_pktmbuf_free(out);
	rte_pktmbuf_free(of);
}

/* A port that reads it later has another one, and so has a port beside somebody else who refers to it. */
static void not_what_somebody_else_has(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = echoing(k, PKT_TX_HOLDS);
	struct rte_mbuf *m = arrive(p, 0), *out = leave(k);

	assert_ptr_not_equal(out, m);
	is_echo(p, out, 0);
	rte_pktmbuf_free(out);

	k->cap[0].tx_mode = PKT_TX_COPIES;
	m = arrive(p, 1);
	rte_mbuf_refcnt_update(m, 1); /* a handler's */
	out = leave(k);
	assert_ptr_not_equal(out, m);
	is_echo(p, out, 1);
	rte_pktmbuf_free(out);
	rte_pktmbuf_free(m);
}

/* What is sent again, in one segment or two, is the echo. */
static void expect_again(struct kit_peer *p)
{
	uint32_t end = 1;

	assert_true(kit_has(p->k));
	while (kit_has(p->k)) {
		const struct seg s = kit_take(p);

		assert_true(seq_leq(s.seq, end) && s.len && s.ack == 1 + LEN);
		end = max_of(end, s.seq + s.len);
	}
	assert_true(end <= 1 + LEN);
}

/* Sent again while the first one still waits for the port: that stays as it is. */
static void what_waits_is_not_rewritten(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = echoing(k, PKT_TX_COPIES);
	struct rte_mbuf *m = arrive(p, 0);
	uint8_t before[10000], after[10000];
	struct kit_frame f, g;

	assert_ptr_equal(leave(k), m);
	copy_of(m, &f, before);
	kit_advance(k, 2 * SEC);
	expect_again(p);
	copy_of(m, &g, after);
	assert_int_equal(f.len, g.len);
	assert_memory_equal(before, after, f.len);
	rte_pktmbuf_free(m);
	kit_advance(k, 5 * SEC);
	expect_again(p);
}

/* As it is where the payload lies at the beginning of its buffer, in a chain's second. */
static void headers_need_room(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = echoing(k, PKT_TX_COPIES);
	struct rte_mbuf *m = arrive(p, 0), *out;
	struct tcp_conn *c = NULL;
	struct tcp_work *w = inside(&(struct flow){.k = k, .p = p}, &c);
	struct slice *s = w->sndq_inline + w->sndq.head;

	memmove((uint8_t *)m->buf_addr + 65, s->data, LEN);
	s->data = (uint8_t *)m->buf_addr + 65; /* a byte less than the headers */
	out = leave(k);
	assert_ptr_not_equal(out, m);
	is_echo(p, out, 0);
	rte_pktmbuf_free(out);
}

/* What comes together leaves together, all but the last in the mbuf it came in (tcp/run.c). */
static void a_run_is_the_mbufs_that_came(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = echoing(k, PKT_TX_COPIES);
	struct rte_mbuf *m[6], *out[8];

	for (unsigned int nth = 0; nth < 12; nth += ARRAY_SIZE(m)) {
		arrive_all(p, nth, m, ARRAY_SIZE(m));
		assert_int_equal(engine_output(k->e, 0, out, ARRAY_SIZE(out), k->now), ARRAY_SIZE(m));
		for (unsigned int i = 0; i < ARRAY_SIZE(m); i++) {
			const bool last = i + 1 == ARRAY_SIZE(m);

			assert_int_equal(out[i] == m[i], !last);
			assert_true(last || rte_mbuf_refcnt_read(m[i]) == 2);
			is_echo_of(p, out[i], nth + i, nth + 6, last ? ACK | PSH : ACK);
			rte_pktmbuf_free(out[i]);
		}
	}
}

/* Of a run only what nobody else has, and where the port copies. */
static void a_run_leaves_what_others_have(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = echoing(k, PKT_TX_COPIES);
	struct rte_mbuf *m[6], *out[8];

	arrive_all(p, 0, m, ARRAY_SIZE(m));
	rte_mbuf_refcnt_update(m[1], 1);
	assert_int_equal(engine_output(k->e, 0, out, ARRAY_SIZE(out), k->now), ARRAY_SIZE(m));
	for (unsigned int i = 0; i < ARRAY_SIZE(m); i++) {
		assert_int_equal(out[i] == m[i], i != 1 && i != 5);
		is_echo_of(p, out[i], i, 6, i == 5 ? ACK | PSH : ACK);
		rte_pktmbuf_free(out[i]);
	}
	rte_pktmbuf_free(m[1]);
	k->cap[0].tx_mode = PKT_TX_HOLDS;
	arrive_all(p, 6, m, ARRAY_SIZE(m));
	assert_int_equal(engine_output(k->e, 0, out, ARRAY_SIZE(out), k->now), ARRAY_SIZE(m));
	for (unsigned int i = 0; i < ARRAY_SIZE(m); i++) {
		assert_ptr_not_equal(out[i], m[i]);
		is_echo_of(p, out[i], 6 + i, 12, i == 5 ? ACK | PSH : ACK);
		rte_pktmbuf_free(out[i]);
	}
}

/* Sent again while all of them wait for the port: those stay as they are. */
static void a_run_that_waits_is_not_rewritten(void **state)
{
	static uint8_t before[6][2000], after[2000];
	struct kit *k = *state;
	struct kit_peer *p = echoing(k, PKT_TX_COPIES);
	struct rte_mbuf *m[6], *out[8];
	struct kit_frame f[6], g;
	bool again = false;

	arrive_all(p, 0, m, ARRAY_SIZE(m));
	assert_int_equal(engine_output(k->e, 0, out, ARRAY_SIZE(out), k->now), ARRAY_SIZE(m));
	for (unsigned int i = 0; i < ARRAY_SIZE(m); i++)
		copy_of(out[i], &f[i], before[i]);
	kit_advance(k, 2 * SEC);
	while (kit_has(k)) {
		again |= kit_take(p).seq == 1;
	}
	assert_true(again);
	for (unsigned int i = 0; i < ARRAY_SIZE(m); i++) {
		copy_of(out[i], &g, after);
		assert_int_equal(g.len, f[i].len);
		assert_memory_equal(before[i], after, g.len);
		rte_pktmbuf_free(out[i]);
	}
}

/* Six arrive, the first one of so many bytes; the echo is in segments of at most mss. */
static void echo_in(struct kit *k, uint32_t mss, uint32_t first)
{
	struct kit_peer *p = kit_peer(k);
	uint32_t end = 1, sent = 1, segments = 0;

	k->cap[0].tx_mode = PKT_TX_COPIES;
	p->mss = (uint16_t)mss;
	p->win = 65535;
	kit_open(p);
	p->app.echo = true;
	kit_burst_begin(k);
	for (unsigned int i = 0; i < 6; i++) {
		const uint32_t len = i ? LEN : first;

		send_seg(p, .flags = ACK | PSH, .seq = sent, .ack = 1, .len = len);
		sent += len;
	}
	kit_burst_end(k);
	while (kit_has(k)) {
		const struct seg s = kit_take(p);

		assert_int_equal(s.seq, end);
		assert_true(s.len <= mss);
		end += s.len;
		segments++;
	}
	assert_int_equal(end, sent);
	assert_int_equal(segments, (sent - 1 + mss - 1) / mss);
}

/* Segments that are not what came: smaller ones, so that each mbuf is needed twice. */
static void a_run_of_smaller_segments(void **state)
{
	echo_in(*state, 1000, LEN);
}

/* As long as what came, and across two of them. */
static void a_run_of_shifted_segments(void **state)
{
	echo_in(*state, LEN, 600); /* 848 of the next are copied, and leave it to one owner */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(the_echo_is_the_mbuf_that_came),
		KIT_TEST(not_with_ecn),
		KIT_TEST(not_what_somebody_else_has),
		KIT_TEST(not_in_the_buffer_of_another),
		KIT_TEST(what_waits_is_not_rewritten),
		KIT_TEST(headers_need_room),
		KIT_TEST(a_run_is_the_mbufs_that_came),
		KIT_TEST(a_run_leaves_what_others_have),
		KIT_TEST(a_run_that_waits_is_not_rewritten),
		KIT_TEST(a_run_of_smaller_segments),
		KIT_TEST(a_run_of_shifted_segments),
	};

	return KIT_RUN("lend", tests);
}
