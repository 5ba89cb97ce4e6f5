/*
 * Two workers, one of which gets more than it can carry: it refuses what is new, what it has goes on, and the other
 * notices nothing.
 */
#include "team_kit.h"

#include "base/units.h"

#define OPEN(k, ...) team_open(k, &(const struct team_kit_config){__VA_ARGS__})

/* A SYN of a new flow of that worker's, by queue 0. */
static void send_syn(struct team_kit *k, int owner, struct frames_flow *f)
{
	*f = team_flow(k, owner);
	team_send(k, 0, frames_tcp(k->pools[0].data, f, TCP_SYN, NULL, 0));
}

/* As much for worker 1 as it takes in a turn: what it had already, and the SYN of another flow. */
static void press(struct team_kit *k, const struct frames_flow *f)
{
	static const char again[] = "again";
	struct frames_flow old = *f, syn;

	old.seq -= sizeof(again);
	for (unsigned int i = 0; i < ENGINE_BURST_MAX - 1; i++)
		team_send(k, 0, frames_tcp(k->pools[0].data, &old, TCP_ACK, again, sizeof(again)));
	send_syn(k, 1, &syn);
	for (unsigned int i = 0; i < ENGINE_BURST_MAX; i += WORKER_BURST)
		worker_turn(k->worker[0]);
	worker_turn(k->worker[1]);
}

/* Whether the SYN of a new flow of that worker's is answered; if so it is taken back. */
static bool answered(struct team_kit *k, int owner)
{
	struct frames_flow f;
	uint64_t before = team_counted(k, (unsigned int)owner, CTR_TX_SYNACKS);

	team_take_all(k);
	send_syn(k, owner, &f);
	team_turns(k, 4);
	team_take_all(k);
	if (team_counted(k, (unsigned int)owner, CTR_TX_SYNACKS) == before)
		return false;
	f.seq++;
	team_send(k, 0, frames_tcp(k->pools[0].data, &f, TCP_RST, NULL, 0));
	team_turns(k, 4);
	return true;
}

/*
 * A worker that has no queue, and more handed over to it than it can carry: it refuses SYNs as one that
 * has, the other does not, and it takes them again when that is over.
 */
static void overload_without_a_queue(void **state)
{
	enum { SYNS = 640 };
	uint64_t refused, carried;
	struct frames_flow f;
	static struct team_kit k;

	OPEN(&k, .queues = 1, .neighbor = ENGINE_NEIGHBOR_REFLECT);
	f = team_flow(&k, 1);
	team_handshake(&k, &f, 0);
	team_echo(&k, &f, 0);
	while (!team_counted(&k, 1, CTR_RX_SYN_PRESSURE)) {
		press(&k, &f);
		team_take_all(&k);
	}
	for (unsigned int i = 0; i < 8; i++) /* a run of full bursts */
		press(&k, &f);
	refused = team_counted(&k, 1, CTR_RX_SYN_PRESSURE);
	carried = team_counted(&k, 1, CTR_RX_OLD_DATA);
	for (unsigned int i = 0; i < SYNS; i++) {
		press(&k, &f);
		team_take_all(&k);
	}
	refused = team_counted(&k, 1, CTR_RX_SYN_PRESSURE) - refused;
	assert_in_range(refused, SYNS - SYNS / 32, SYNS - 1);
	assert_true(team_counted(&k, 1, CTR_RX_OLD_DATA) > carried); /* what it has is served */
	team_drain(&k);
	assert_true(answered(&k, 0));
	while (!answered(&k, 1))
		;
	refused = team_counted(&k, 1, CTR_RX_SYN_PRESSURE);
	while (refused != team_counted(&k, 1, CTR_RX_SYN_PRESSURE) || !answered(&k, 1))
		refused = team_counted(&k, 1, CTR_RX_SYN_PRESSURE);
	assert_int_equal(team_counted(&k, 0, CTR_RX_SYN_PRESSURE), 0);
	team_drain(&k);
	team_echo(&k, &f, 0);
	team_close(&k);
}

#define TUPLES 100000
#define STEP   32

/* SYNs of STEP flows of worker 0's, none of which was there before, by its queue. */
static void flood(struct team_kit *k, struct frames_flow *next)
{
	for (unsigned int n = 0; n < STEP; next->port++) {
		if (next->port < 20000) {
			next->port = 20000;
			next->addr += BE32(1);
		}
		if (worker_team_flow(k->team, 0, next->addr, SERVER_ADDR, be16(next->port), BE16(TEAM_ECHO)))
			continue;
		team_send(k, 0, frames_tcp(k->pools[0].data, next, TCP_SYN, NULL, 0));
		n++;
	}
	team_turns(k, 2);
	team_take_all(k);
}

/* A new connection of worker 1's, from SYN to FIN. */
static void serve(struct team_kit *k)
{
	struct frames_flow f = team_flow(k, 1);

	team_handshake(k, &f, 1);
	team_echo(k, &f, 1);
	team_finish(k, &f, 1);
}

/*
 * Whoever knows the RSS key aims at one queue: the worker of that queue keeps within its own limits and says what
 * became of each SYN; at the other none was seen, and everything is served.
 */
static void DOS_11_a_flood_for_one_worker(void **state)
{
	struct frames_flow next;
	static struct team_kit k;
	unsigned int served = 0;
	struct engine_usage u;

	OPEN(&k, .neighbor = ENGINE_NEIGHBOR_REFLECT);
	next = team_flow(&k, 0);
	next.addr = BE32(0xc6120101u);
	for (unsigned int sent = 0; sent < TUPLES; sent += STEP) {
		flood(&k, &next);
		u = team_usage(&k, 0);
		assert_true(u.half_open <= 64 && u.connections == 0);
		if (sent % (100 * STEP) == 0) {
			serve(&k);
			served++;
		}
	}
	assert_int_equal(team_counted(&k, 0, CTR_SYN_RECEIVED) + team_counted(&k, 0, CTR_COOKIES_SENT) +
				 team_counted(&k, 0, CTR_RX_SYN_BACKLOG) + team_counted(&k, 0, CTR_RX_SYN_PRESSURE),
			 TUPLES);
	assert_true(team_counted(&k, 0, CTR_COOKIES_SENT) > 0);
	assert_int_equal(team_counted(&k, 1, CTR_SYN_RECEIVED), served);
	assert_int_equal(team_counted(&k, 1, CTR_CONN_OPENED), served);
	assert_int_equal(team_counted(&k, 1, CTR_COOKIES_SENT) + team_counted(&k, 1, CTR_TX_RETRANSMITS), 0);
	assert_int_equal(team_counted_all(&k, CTR_HANDOVER_PACKETS), 0);
	team_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEAM_TEST(overload_without_a_queue),
		TEAM_TEST(DOS_11_a_flood_for_one_worker),
	};

	return cmocka_run_group_tests(tests, team_eal, team_eal_end);
}
