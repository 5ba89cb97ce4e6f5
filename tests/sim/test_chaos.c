/*
 * Everything that may go wrong with a packet, at once and both ways. 1 MB each way and 200 seeds; in
 * full 10 000.
 */
#include "rows.h"

#ifdef SIM_FEWER
#define SEEDS 20
#else
#define SEEDS 200
#endif
#define MSL   (30 * SEC)

static struct sim sim;
static uint64_t over_at, gone_at;

static void set_chaos(struct sim *s, const struct row *r)
{
	struct wire *w = &s->wire;

	for (unsigned int i = 0; i < 2; i++) {
		struct link_conf *c = &w->link[i].conf;
		struct end *e = &s->flow[0].end[i];

		c->loss = 0.02;
		c->reorder = 0.05;
		c->late = RTT / 4;
		c->duplicate = 0.02;
		c->corrupt = 0.005;
		c->jitter = 10 * MS;
		e->write_lo = e->read_lo = 1;
		e->write_hi = e->read_hi = 65536;
		e->read_gap = wire_chance(w, 0.5) ? wire_range(w, 2, 20) * MS : 0;
		e->write_gap = wire_chance(w, 0.5) ? wire_range(w, 2, 20) * MS : 0;
		e->copies = wire_chance(w, 0.5);
		e->fin = FIN_WHEN_SENT; /* one direction ends, the other goes on */
	}
	/* By half a megabyte before its end the sequence space of one side wraps. */
	sim_wrap_isn(s, (unsigned int)wire_range(w, 0, 1), (uint32_t)wire_range(w, 1, 500000));
}

static void watch_end(struct sim *s, void *arg)
{
	struct engine_usage u[2];

	if (gone_at || !sim_finished(s))
		return;
	for (unsigned int i = 0; i < 2; i++)
		engine_usage(s->host[i].e, &u[i]);
	if (u[0].connections + u[1].connections)
		return;
	if (!over_at)
		over_at = s->wire.now;
	if (!(u[0].time_wait + u[1].time_wait))
		gone_at = s->wire.now;
}

/* Both ends are CLOSED or in TIME-WAIT within 2 MSL of the last byte, and nothing is left 2 MSL on. */
static void SIM_06_combined_chaos(void **state)
{
	const struct row r = {.bytes = {1 * MB, 1 * MB}, .setup = set_chaos};
	uint64_t read_at, slowest = 0, longest = 0;
	unsigned int seeds = rows_full() ? 10000 : SEEDS;

	for (unsigned int seed = 1; seed <= seeds; seed++) {
		row_begin(&sim, &r, seed);
		sim.watch = watch_end;
		over_at = gone_at = 0;
		sim_run(&sim);
		read_at = max_of(sim.flow[0].end[0].last_rx_at, sim.flow[0].end[1].last_rx_at);
		slowest = max_of(slowest, over_at - read_at);
		longest = max_of(longest, gone_at - over_at);
	}
	print_message("%u seeds: closed within %.2f s of the last byte, gone %.2f s after that\n",
		      seeds, (double)slowest / SEC, (double)longest / SEC);
	assert_true(slowest <= 2 * MSL);
	assert_true(longest <= 2 * MSL + SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW_TEST(SIM_06_combined_chaos),
	};

	return cmocka_run_group_tests(tests, rows_setup, NULL);
}
