/*
 * The generator's slots, on an engine whose servers are scripted.
 */
#include "../../kit/kit.h"

#include "base/address.h"
#include "gen.h"

#define SLOTS 3
#define FOREVER (1ull << 50) /* us */
#define HZ    1000 /* ticks a second: as the clock counts faster, all that is due is due at once */

static struct load_options options = {
	.mode = LOAD_ECHO, .connections = SLOTS, .rps = 1, .depth = 1, .duration = FOREVER,
};
static struct target target = {.port = 80};
static uint32_t sources[] = {0};
static char request[] = "?";
static struct gen_plan plan = {
	.o = &options, .targets = &target, .n_targets = 1, .n_addresses = 1,
	.sources = {sources, sources}, .n_sources = {1, 1},
	.hz = HZ, .timeout = 1ull << 60, .requests = UINT32_MAX, .request = request,
	.request_len = 1, .copies = 1, .response_len = 1, .workers = 1,
};

static struct gen *start_with(struct kit *k, uint32_t slots, uint16_t low, uint16_t high)
{
	struct gen *g;

	kit_start(k);
	request[0] = (char)kit_pattern(0); /* what the kit takes for right */
	address_from_v4(target.addr, KIT_CLIENT);
	plan.tcp = k->tcp;
	plan.tcp.port_low = low;
	plan.tcp.port_high = high;
	g = gen_create(&plan, 0, slots);
	assert_non_null(g);
	gen_order(g, GEN_OPENING);
	return g;
}

static struct gen *start(struct kit *k)
{
	return start_with(k, SLOTS, 20000, 30000);
}

static void turn(struct kit *k, struct gen *g)
{
	gen_turn(g, k->e, k->now, 0);
	kit_turn(k);
	kit_arp(k);
}

static bool syn_waits(struct kit *k)
{
	for (; kit_has(k); kit_frame_next(k)) {
		const uint8_t *frame = k->queue[k->q_head].bytes;
		const struct tcp_hdr *th = (const struct tcp_hdr *)(frame + ETH_HDR_LEN + IP4_HDR_LEN);

		if (th->flags == SYN)
			return true;
	}
	return false;
}

/* Who accepts the next connection. */
static struct kit_peer *server(struct kit *k, struct gen *g)
{
	struct kit_peer *p = kit_peer(k);

	while (!syn_waits(k))
		turn(k, g);
	p->port = 80;
	p->offer = 0;
	kit_take_syn(p);
	kit_accept(p);
	return p;
}

/*
 * A server that resets what it has accepted, before all connections are there: nobody is asked yet,
 * so all of them wait in the ring of those that may be; once each.
 */
static void a_slot_is_ready_once(void **state)
{
	struct kit *k = *state;
	struct gen *g = start(k);
	struct kit_peer *last[SLOTS];

	for (int i = 0; i < 3 * SLOTS; i++) {
		struct kit_peer *p = server(k, g);

		send_seg(p, .flags = RST, .seq = 1);
		assert_true(g->ready.n <= SLOTS);
	}
	assert_int_equal(g->phase, GEN_OPENING);
	assert_int_equal(g->c.error[LOAD_ERR_reset], 3 * SLOTS);
	for (int i = 0; i < SLOTS; i++)
		last[i] = server(k, g);
	while (g->c.requests < SLOTS)
		turn(k, g);
	for (int i = 0; i < SLOTS; i++)
		assert_int_equal(g->slots[i].asked, 1);
	assert_int_equal(g->ready.n, 0);
	for (int i = 0; i < SLOTS; i++)
		send_seg(last[i], .flags = RST, .seq = 1);
	gen_destroy(g);
}

/* With what is open, whose handler g is. */
static void end(void **state, struct gen *g)
{
	kit_drain(*state);
	kit_close(*state);
	gen_destroy(g);
	*state = kit_new();
}

static struct gen *start_probing(struct kit *k)
{
	k->conf.n_addresses = 1;
	k->ports[0].announce = ENGINE_ANNOUNCE_PROBE;
	plan.hz = 1ull << 50; /* nothing is due by the clock */
	return start(k);
}

static void probe(struct kit *k, struct gen *g)
{
	for (int i = 0; i < 5; i++) {
		gen_turn(g, k->e, k->now, 0);
		kit_turn(k);
		kit_drain(k);
		assert_int_equal(g->phase, GEN_WAITING);
		kit_advance(k, 1000000);
	}
}

/* Nothing is opened before the engine may use its addresses. */
static void an_address_is_awaited(void **state)
{
	struct kit *k = *state;
	struct gen *g = start_probing(k);

	probe(k, g);
	kit_advance(k, 4000000);
	gen_turn(g, k->e, k->now, 0);
	plan.hz = HZ;
	assert_int_equal(g->phase, GEN_PRIMING);
	assert_int_equal(load_counts_errors(&g->c), 0);
	end(state, g);
}

/* One that never comes into use holds up nothing for ever. */
static void not_for_ever(void **state)
{
	struct kit *k = *state;
	struct gen *g = start_probing(k);

	probe(k, g);
	plan.hz = HZ;
	while (g->phase == GEN_WAITING)
		gen_turn(g, k->e, k->now, 0);
	assert_true(g->c.error[LOAD_ERR_no_port] > 0);
	end(state, g);
}

/* One request each: the client closes, and its port rests. */
static void ask_and_close(struct kit *k, struct gen *g, struct kit_peer *p)
{
	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	while (!kit_has(k))
		turn(k, g);
	expect(p, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 1);
	send_seg(p, .flags = PSH | ACK, .seq = 1, .ack = 2, .len = 1);
	turn(k, g);
	expect(p, .flags = FIN | ACK, .seq = 2, .ack = 2);
	send_seg(p, .flags = FIN | ACK, .seq = 2, .ack = 3);
	turn(k, g);
	kit_drain(k);
}

/* Where no rate is set, a port in TIME-WAIT is waited for; one that is in use is missing. */
static void ports_that_rest_are_waited_for(void **state)
{
	struct kit *k = *state;
	struct gen *g;
	uint64_t waits;

	plan.requests = 1;
	g = start_with(k, 1, 20000, 20000);
	for (int i = 0; i < 2; i++) {
		struct kit_peer *p = server(k, g);

		ask_and_close(k, g, p);
		waits = g->c.port_waits;
		turn(k, g);
		assert_true(g->c.port_waits > waits);
		assert_false(kit_has(k));
		kit_advance(k, 61 * SEC);
	}
	plan.requests = UINT32_MAX;
	gen_destroy(g);
}

/* Until the only slot's connection is there and asked. */
static struct kit_peer *asked(struct kit *k, struct gen *g)
{
	struct kit_peer *p = server(k, g);

	expect(p, .flags = ACK, .seq = 1, .ack = 1);
	while (!kit_has(k))
		turn(k, g);
	expect(p, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 1);
	return p;
}

/* Who waited in vain waited for so long: it is in the latencies, and a server gains nothing by saying nothing. */
static void what_times_out_is_as_old_as_it_is(void **state)
{
	struct kit *k = *state;
	struct gen *g;
	struct kit_peer *p;

	plan.timeout = 1;
	g = start_with(k, 1, 20000, 30000);
	p = asked(k, g);
	while (!g->c.error[LOAD_ERR_timeout])
		turn(k, g);
	plan.timeout = 1ull << 60;
	expect(p, .flags = RST | ACK, .seq = 2, .ack = 1);
	assert_int_equal(g->c.failed, 1);
	assert_int_equal(g->t.first.n, 1);
	assert_int_equal(g->t.complete.n, 1);
	kit_drain(k);
	gen_destroy(g);
}

static void unanswered_second(struct kit *k, struct gen *g)
{
	turn(k, g);
	kit_drain(k);
	kit_advance(k, SEC);
}

/* ... and so is a connection that was due and not answered, in mode short with what it was for. */
static void a_syn_without_answer_is_as_old_as_it_is(void **state)
{
	struct kit *k = *state;
	struct gen *g;

	options.mode = LOAD_SHORT;
	options.rps = 0;
	g = start_with(k, 2, 20000, 30000);
	while (g->c.error[LOAD_ERR_connect_timeout] < 2) /* the first was before anything counted */
		unanswered_second(k, g);
	gen_order(g, GEN_FINISHING);
	while (g->n_connecting)
		unanswered_second(k, g);
	assert_int_equal(g->c.opened, 0);
	assert_int_equal(g->t.connect.n, g->c.connects - 1);
	assert_int_equal(g->t.first.n, g->t.connect.n);
	assert_int_equal(g->t.complete.n, g->t.connect.n);
	options.mode = LOAD_ECHO;
	options.rps = 1;
	gen_destroy(g);
}

/* A server that takes no connection does not keep a run from counting, and so from its end. */
static void opening_ends_where_nothing_opens(void **state)
{
	struct kit *k = *state;
	struct gen *g;
	unsigned int turns = 0;

	plan.timeout = 1;
	g = start_with(k, 2, 20000, 30000);
	while (g->phase <= GEN_OPENING && turns++ < 1000) {
		unanswered_second(k, g);
		if (g->phase == GEN_OPENING)
			assert_true(g->n_connecting); /* one or the other is always under way */
	}
	gen_order(g, GEN_FINISHING);
	while (g->n_connecting)
		unanswered_second(k, g);
	assert_int_equal(g->c.opened, 0);
	assert_true(turns < 1000);
	plan.timeout = 1ull << 60;
	gen_destroy(g);
}

/* Each request of a run has an answer, has failed, or is unfinished, also if it ends while the run does. */
static void what_fails_at_the_end_has_failed(void **state)
{
	struct kit *k = *state;
	struct gen *g;
	struct kit_peer *p;

	options.rps = 0;
	plan.hz = 1ull << 50; /* what is under way may end, and has the time to */
	options.duration = SEC;
	g = start_with(k, 1, 20000, 30000);
	p = server(k, g);
	expect(p, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 1);
	gen_order(g, GEN_FINISHING);
	while (g->phase != GEN_FINISHING)
		turn(k, g);
	send_seg(p, .flags = RST, .seq = 1);
	while (g->phase != GEN_DONE)
		turn(k, g);
	assert_int_equal(g->c.requests, 1);
	assert_int_equal(g->c.error[LOAD_ERR_reset], 1);
	assert_int_equal(g->c.failed, 1);
	assert_int_equal(g->unfinished, 0);
	options.rps = 1;
	options.duration = FOREVER;
	plan.hz = HZ;
	gen_destroy(g);
}

/* Where connections have few requests each, all of them are hardly ever open at a time: each once is enough. */
static void opening_ends_when_each_was_there(void **state)
{
	struct kit *k = *state;
	struct gen *g;

	options.rps = 0;
	plan.requests = 1;
	g = start(k);
	for (int i = 0; i < 3 * SLOTS; i++) {
		struct kit_peer *p = server(k, g);

		send_seg(p, .flags = PSH | ACK, .seq = 1, .ack = 2, .len = 1);
		turn(k, g);
		assert_int_equal(g->n_open, 0);
		send_seg(p, .flags = FIN | ACK, .seq = 2, .ack = 3);
	}
	assert_true(g->phase > GEN_OPENING);
	plan.requests = UINT32_MAX;
	options.rps = 1;
	end(state, g);
}

/* More may be due and never begin than there is time to count one by one. */
static void a_backlog_is_counted_in_time(void **state)
{
	struct kit *k = *state;
	struct gen *g;

	options.rps = 100000000000;
	g = start_with(k, 1, 20000, 30000);
	asked(k, g);
	gen_order(g, GEN_FINISHING);
	while (g->phase != GEN_DONE)
		turn(k, g);
	assert_true(g->unfinished > 100000000000);
	assert_int_equal(g->unfinished, g->t.complete.n);
	options.rps = 1;
	end(state, g);
}

/* A loop that slept until a packet came was not busy all the while. */
static void sleep_is_not_work(void **state)
{
	struct kit *k = *state;
	struct gen *g;

	plan.hz = 1ull << 50; /* nothing is due by the clock */
	g = start(k);
	server(k, g);
	kit_drain(k);
	for (int slept = 0; slept < 2; slept++) {
		const struct load_counts before = g->c;

		if (slept)
			gen_next(g, k->now);
		gen_turn(g, k->e, k->now, 1);
		assert_int_equal(g->c.busy_turns, before.busy_turns + 1);
		assert_true(g->c.ticks > before.ticks);
		assert_int_equal(g->c.busy_ticks > before.busy_ticks, !slept);
	}
	plan.hz = HZ;
	end(state, g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {KIT_TEST(a_slot_is_ready_once),
					   KIT_TEST(an_address_is_awaited), KIT_TEST(not_for_ever),
					   KIT_TEST(ports_that_rest_are_waited_for),
					   KIT_TEST(what_times_out_is_as_old_as_it_is),
					   KIT_TEST(a_syn_without_answer_is_as_old_as_it_is),
					   KIT_TEST(opening_ends_where_nothing_opens),
					   KIT_TEST(what_fails_at_the_end_has_failed),
					   KIT_TEST(opening_ends_when_each_was_there),
					   KIT_TEST(a_backlog_is_counted_in_time), KIT_TEST(sleep_is_not_work)};

	return cmocka_run_group_tests(tests, kit_group_setup, NULL);
}
