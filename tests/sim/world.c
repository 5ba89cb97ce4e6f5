/*
 * Time: from one event to the next, the hosts' turns between, flows that begin, and what happens to
 * the path by then.
 */
#include "algo/isn.h"
#include "host.h"

#define RATE     100e6
#define RTT      (40 * US_PER_MS)
#define DEADLINE (3600 * US_PER_SEC)
#define MSL2     (60 * US_PER_SEC)

void sim_start(void)
{
	host_start();
	app_start();
}

void sim_path(struct sim *s, double bits_per_s, uint64_t rtt, uint32_t queue)
{
	for (int i = 0; i < 2; i++) {
		struct link_conf *c = &s->wire.link[i].conf;

		c->bits_per_s = bits_per_s;
		c->delay = rtt / 2;
		c->queue = queue;
	}
}

void sim_init(struct sim *s, uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	s->seed = seed;
	s->check_every = 64;
	s->deadline = DEADLINE;
	s->begin = SIM_T0;
	wire_init(&s->wire, seed, SIM_T0);
	sim_path(s, RATE, RTT, (uint32_t)(RATE / 8 * RTT / US_PER_SEC));
	for (unsigned int i = 0; i < 2; i++)
		host_init(&s->host[i], s, i);
}

struct flow *sim_flow(struct sim *s)
{
	struct flow *f = &s->flow[s->n_flows];

	*f = (struct flow){.s = s, .index = s->n_flows++, .salt = wire_rnd(&s->wire)};
	for (unsigned int i = 0; i < 2; i++)
		f->end[i] = (struct end){.flow = f, .side = i, .total = 1000000,
					 .write_lo = 65536, .write_hi = 65536,
					 .abort_at = UINT64_MAX};
	return f;
}

void sim_at(struct sim *s, uint64_t at, void (*run)(struct sim *s, uint64_t arg), uint64_t arg)
{
	s->action[s->n_actions++] = (struct action){at, run, arg};
}

void sim_wrap_isn(struct sim *s, unsigned int side, uint32_t before)
{
	struct flow_tuple tuple = {.local_port = be16(side == CLIENT ? SIM_LOCAL : SIM_PORT),
				   .remote_port = be16(side == CLIENT ? SIM_PORT : SIM_LOCAL)};
	struct sip_key key;

	memcpy(tuple.remote, s->host[!side].addr.addr, sizeof(tuple.remote));
	memcpy(&key, s->host[side].conf.secret, sizeof(key));
	s->wire.now += 4ull * (uint32_t)(-isn_make(&key, &tuple, sizeof(tuple), s->wire.now) - before);
}

uint64_t sim_elapsed(const struct sim *s)
{
	return s->wire.now - s->begin;
}

static void open_flow(struct sim *s, struct flow *f)
{
	struct host *h = &s->host[CLIENT];
	struct engine_connect req = {.remote_port = SIM_PORT, .local = 0,
				     .version = f->other ? h->other_version : h->version,
				     .local_port = (uint16_t)(SIM_LOCAL + f->index),
				     .ctx = (uintptr_t)&f->end[CLIENT]};

	memcpy(req.remote, s->host[SERVER].addr.addr, sizeof(req.remote));
	f->connecting = true;
	if (engine_connect(h->e, &req, s->wire.now, &f->end[CLIENT].id) < 0)
		sim_fail(s, "flow %u: engine_connect failed", f->index);
	h->busy = true;
}

void sim_open(struct sim *s)
{
	s->begin = s->wire.now;
	s->link_up_at = s->wire.now;
	for (unsigned int i = 0; i < 2; i++)
		host_open(&s->host[i]);
}

bool sim_finished(const struct sim *s)
{
	for (unsigned int i = 0; i < s->n_flows; i++)
		if (!end_over(&s->flow[i].end[CLIENT]) || !end_over(&s->flow[i].end[SERVER]))
			return false;
	return true;
}

static uint64_t next_time(const struct sim *s)
{
	uint64_t at = wire_next(&s->wire);

	for (unsigned int i = 0; i < 2; i++)
		at = min_of(at, engine_next(s->host[i].e, s->wire.now));
	for (unsigned int i = 0; i < s->n_flows; i++)
		if (!s->flow[i].connecting)
			at = min_of(at, s->begin + s->flow[i].start);
	if (s->next_action < s->n_actions)
		at = min_of(at, s->begin + s->action[s->next_action].at);
	return max_of(at, s->wire.now);
}

static void run_actions(struct sim *s)
{
	while (s->next_action < s->n_actions &&
	       s->begin + s->action[s->next_action].at <= s->wire.now) {
		const struct action *a = &s->action[s->next_action++];

		a->run(s, a->arg);
	}
	for (unsigned int i = 0; i < s->n_flows; i++)
		if (!s->flow[i].connecting && s->begin + s->flow[i].start <= s->wire.now)
			open_flow(s, &s->flow[i]);
}

bool sim_step(struct sim *s)
{
	uint64_t at = next_time(s);
	struct frame *f;

	if (at == UINT64_MAX)
		return false;
	s->wire.now = at;
	run_actions(s);
	while ((f = wire_take(&s->wire))) {
		struct host *h = &s->host[f->to];

		host_receive(h, f);
		h->busy = true;
		wire_drop(&s->wire, f);
	}
	for (unsigned int i = 0; i < 2; i++) {
		struct host *h = &s->host[i];

		if (h->busy || engine_next(h->e, at) <= at)
			host_turn(h);
		h->busy = false;
	}
	s->events++;
	oracle_event(s);
	if (s->watch)
		s->watch(s, s->watch_arg);
	return true;
}

void sim_close(struct sim *s)
{
	for (unsigned int i = 0; i < 2; i++)
		host_close(&s->host[i]);
	wire_fini(&s->wire);
}

/*
 * Until what is left has closed, and TIME-WAIT is over. Whose last ACK is lost sends its FIN again after a minute, and
 * that may be lost, too: not for ever.
 */
static void run_out(struct sim *s)
{
	uint64_t end = s->wire.now + 10 * MSL2;
	struct engine_usage u[2];

	do {
		uint64_t at = next_time(s);

		if (at > end)
			return;
		sim_step(s);
		for (unsigned int i = 0; i < 2; i++)
			engine_usage(s->host[i].e, &u[i]);
	} while (wire_next(&s->wire) != UINT64_MAX || u[0].connections || u[0].half_open ||
		 u[0].time_wait || u[1].connections || u[1].half_open || u[1].time_wait);
}

void sim_run(struct sim *s)
{
	if (!s->host[CLIENT].e)
		sim_open(s);
	while (!sim_finished(s)) {
		if (!sim_step(s))
			sim_fail(s, "nothing will happen any more");
		if (sim_elapsed(s) > s->deadline)
			sim_fail(s, "not over after %u ms", ms_of(s->deadline));
	}
	oracle_flows(s);
	run_out(s);
	oracle_end(s);
	sim_close(s);
}
