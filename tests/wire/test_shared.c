/*
 * Bytes that a handler sends again and again lie in the engine once, whatever connections have them queued. No segment
 * shows it; what must not be is that one connection's bytes change, or go, for what another one does.
 */
#include "inside.h"

#define LEN 300

/* A handler's bytes, and the word it keeps with them. */
static uint8_t bytes[LEN + 4];
static uint32_t word;
static uint8_t behind[10];

static void write_bytes(uint8_t what)
{
	for (unsigned int i = 0; i < LEN; i++)
		bytes[i] = (uint8_t)(what + i);
	memset(bytes + LEN, 0xff, sizeof(bytes) - LEN); /* they add nothing to the sum */
	word = 0;
}

/* With so many others behind them. */
static void send_bytes(struct pier_conn *c, struct kit_app *a, uint64_t more)
{
	assert_int_equal(pier_send_summed(c, bytes, LEN, &word), LEN);
	assert_int_equal(pier_send(c, behind, more), more);
}

static void send_others(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	static const uint8_t others[LEN];

	assert_int_equal(pier_send(c, others, LEN), LEN);
}

/* The next frame to p is what was written by that name, with so many bytes of last behind, and its sums are right. */
static void expect_bytes(struct kit_peer *p, uint8_t what, unsigned int more, uint8_t last)
{
	const uint8_t *at = NULL;
	const struct tcp_hdr *th;
	const struct kit_frame *f;

	do {
		f = kit_frame_next(p->k);
		assert_non_null(f);
		th = kit_tcp(f->bytes);
	} while (be16(th->dport) != p->port);
	assert_true(kit_sum_ok(f->bytes));
	at = (const uint8_t *)th + tcp_hdr_len(th);
	assert_int_equal(kit_payload(f->bytes), LEN + more);
	for (unsigned int i = 0; i < LEN; i++)
		assert_int_equal(at[i], (uint8_t)(what + i));
	for (unsigned int i = 0; i < more; i++)
		assert_int_equal(at[LEN + i], last);
}

/* Where what p has to send lies. */
static const uint8_t *queued(struct kit_peer *p)
{
	struct tcp_conn *c = NULL;
	const struct tcp_work *w = inside(&(struct flow){.k = p->k, .p = p}, &c);

	assert_int_equal(w->sndq.n, 1);
	return w->sndq_inline[w->sndq.head].data;
}

static void they_lie_there_once(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = kit_est(k), *q = kit_est(k);

	write_bytes(1);
	kit_app_call(p, send_bytes, 0);
	expect_bytes(p, 1, 0, 0);
	kit_app_call(q, send_bytes, 0);
	expect_bytes(q, 1, 0, 0);
	assert_ptr_equal(queued(p), queued(q));

	send_seg(p, .flags = ACK, .seq = 1, .ack = 1 + LEN);
	kit_app_call(p, send_others, 0); /* in memory that nobody has */
	assert_ptr_not_equal(queued(p), queued(q));
	kit_drain(k);
	kit_advance(k, 2 * SEC);
	expect_bytes(q, 1, 0, 0);
	kit_drain(k);
}

/* Other bytes at the same place: what was sent before is sent again as it was. */
static void others_at_the_same_place(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = kit_est(k), *q = kit_est(k), *r = kit_est(k);

	write_bytes(1);
	kit_app_call(p, send_bytes, 0);
	expect_bytes(p, 1, 0, 0);
	write_bytes(2);
	kit_app_call(q, send_bytes, 0);
	expect_bytes(q, 2, 0, 0);
	kit_app_call(r, send_bytes, 0);
	expect_bytes(r, 2, 0, 0);
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1 + LEN);
	send_seg(r, .flags = ACK, .seq = 1, .ack = 1 + LEN);
	kit_drain(k);
	kit_advance(k, 2 * SEC);
	expect_bytes(p, 1, 0, 0);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1 + LEN);
}

/* Nobody has them any more, others have their memory: they are put there again, and the sum is still right. */
static void when_the_last_one_had_them(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = kit_est(k), *q = kit_est(k);

	write_bytes(1);
	for (unsigned int i = 0; i < 3; i++) {
		kit_app_call(p, send_bytes, 0);
		expect_bytes(p, 1, 0, 0);
		send_seg(p, .flags = ACK, .seq = 1, .ack = 1 + LEN * (i + 1));
		kit_app_call(q, send_others, 0);
		kit_drain(k);
		send_seg(q, .flags = ACK, .seq = 1, .ack = 1 + LEN * (i + 1));
	}
}

/* What a connection sends after them is its own. */
static void nothing_is_put_behind_them(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = kit_est(k), *q = kit_est(k);

	write_bytes(1);
	memset(behind, 'p', sizeof(behind));
	kit_app_call(p, send_bytes, sizeof(behind));
	expect_bytes(p, 1, sizeof(behind), 'p');
	memset(behind, 'q', sizeof(behind));
	kit_app_call(q, send_bytes, sizeof(behind));
	expect_bytes(q, 1, sizeof(behind), 'q');
	kit_advance(k, 2 * SEC);
	expect_bytes(p, 1, sizeof(behind), 'p');
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1 + LEN + sizeof(behind));
	send_seg(q, .flags = ACK, .seq = 1, .ack = 1 + LEN + sizeof(behind));
}

/* A part of them is acknowledged: of the others none is missing. */
static void a_part_has_arrived(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = kit_est(k), *q = kit_est(k);

	write_bytes(1);
	kit_app_call(p, send_bytes, 0);
	kit_app_call(q, send_bytes, 0);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1 + LEN / 2);
	kit_drain(k);
	kit_advance(k, 2 * SEC);
	expect_bytes(q, 1, 0, 0);
	kit_drain(k);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1 + LEN);
	kit_advance(k, 2 * SEC);
	expect_bytes(q, 1, 0, 0);
	kit_drain(k);
}

/* Bytes of the same sum: at another place, or more of them. */
static void send_alike(struct pier_conn *c, struct kit_app *a, uint64_t more)
{
	static uint8_t others[LEN];

	for (unsigned int i = 0; i < LEN; i++)
		others[i] = bytes[i ^ 2];
	if (more)
		assert_int_equal(pier_send_summed(c, bytes, LEN + more, &word), LEN + more);
	else
		assert_int_equal(pier_send_summed(c, others, LEN, &word), LEN);
}

static void not_by_the_word_alone(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = kit_est(k), *q = kit_est(k), *r = kit_est(k);
	const uint8_t *at;

	write_bytes(1);
	kit_app_call(p, send_bytes, 0);
	kit_app_call(q, send_alike, 0);
	at = queued(q);
	for (unsigned int i = 0; i < LEN; i++)
		assert_int_equal(at[i], bytes[i ^ 2]);
	write_bytes(1);
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1 + LEN);
	kit_app_call(p, send_bytes, 0);
	kit_app_call(r, send_alike, 4);
	assert_memory_equal(queued(r), bytes, LEN + 4);
	kit_drain(k);
}

static void send_none(struct pier_conn *c, struct kit_app *a, uint64_t arg)
{
	assert_int_equal(pier_send_summed(c, bytes, 0, &word), 0);
}

/* Nothing is nothing, whatever was sent last. */
static void none_of_them(void **state)
{
	struct kit *k = *state;
	struct kit_peer *p = kit_est(k);

	write_bytes(1);
	kit_app_call(p, send_none, 0);
	kit_quiet(k);
	kit_app_call(p, send_bytes, 0);
	expect_bytes(p, 1, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(they_lie_there_once),
		KIT_TEST(others_at_the_same_place),
		KIT_TEST(when_the_last_one_had_them),
		KIT_TEST(nothing_is_put_behind_them),
		KIT_TEST(a_part_has_arrived),
		KIT_TEST(not_by_the_word_alone),
		KIT_TEST(none_of_them),
	};

	return KIT_RUN("shared", tests);
}
