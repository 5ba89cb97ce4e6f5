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

/* LEN bytes arrive, the nth time; returns their mbuf, which is the engine's. */
static struct rte_mbuf *arrive(struct kit_peer *p, unsigned int nth)
{
	const uint32_t at = 1 + LEN * nth;
	const struct seg s = {.flags = ACK | PSH, .seq = at, .ack = at, .len = LEN};
	struct rte_mbuf *m = rte_pktmbuf_alloc(kit_mp);
	struct pkt_facts facts;
	uint8_t frame[10000];
	uint32_t len;

	assert_non_null(m);
	len = kit_build(p, &s, frame);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	pkt_parse_burst(&m, &facts, 1, 0, &p->k->cap[0]);
	engine_input(p->k->e, &m, &facts, 1, p->k->now);
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

/* The nth echo, as a client would check it. */
static void is_echo(struct kit_peer *p, const struct rte_mbuf *m, unsigned int nth)
{
	uint8_t bytes[10000];
	struct kit_frame f;
	struct seg s;

	copy_of(m, &f, bytes);
	s = kit_parse(p, &f);
	assert_int_equal(s.flags, ACK | PSH);
	assert_int_equal(s.seq, 1 + LEN * nth);
	assert_int_equal(s.ack, 1 + LEN * (nth + 1));
	assert_int_equal(s.len, LEN);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(the_echo_is_the_mbuf_that_came),
		KIT_TEST(not_what_somebody_else_has),
		KIT_TEST(what_waits_is_not_rewritten),
		KIT_TEST(headers_need_room),
	};

	return cmocka_run_group_tests_name("lend", tests, kit_group_setup, NULL);
}
