/*
 * The clock of the stages, and the functions the linker puts in the place of others.
 *
 * A mark's cost is split: what comes before its reading of the clock falls on the stage it leaves,
 * the rest on the stage it enters. Half each is taken off.
 */
#include "stages.h"

#include <rte_cycles.h>

#include "engine/engine.h"
#include "pkt/build.h"

const char *const stage_names[STAGES_N] = {
#define X(NAME, name) #name,
	STAGES(X)
#undef X
};

static struct {
	bool running;
	enum stage at;
	uint64_t last;
	double cost; /* of one mark */
	struct stage_times times;
} st;

static void pass_to(enum stage s)
{
	const uint64_t now = rte_rdtsc();

	st.times.cycles[st.at] += now - st.last;
	st.times.entries[s]++; /* each ends a mark's first half there, and begins its second here */
	st.times.entries[st.at]++;
	st.last = now;
	st.at = s;
}

enum stage stage_enter(enum stage s)
{
	const enum stage before = st.at;

	if (stages_on && st.running)
		pass_to(s);
	return before;
}

void stage_leave(enum stage before)
{
	if (stages_on && st.running)
		pass_to(before);
}

void stages_begin(void)
{
	st.running = true;
	st.at = STAGE_REST;
	st.last = rte_rdtsc();
}

void stages_end(struct stage_times *to)
{
	pass_to(STAGE_REST);
	st.running = false;
	for (unsigned int i = 0; i < STAGES_N; i++) {
		to->cycles[i] += st.times.cycles[i];
		to->entries[i] += st.times.entries[i];
	}
	st.times = (struct stage_times){0};
}

double stages_calibrate(void)
{
	double least = 1e9;

	if (!stages_on)
		return 0;
	for (unsigned int r = 0; r < 50; r++) {
		struct stage_times t = {0};
		const uint64_t start = rte_rdtsc();

		stages_begin();
		for (unsigned int i = 0; i < 1000; i++)
			stage_leave(stage_enter(STAGE_TICK));
		stages_end(&t);
		least = min_of(least, (double)(rte_rdtsc() - start) / 2000);
	}
	return st.cost = least;
}

double stage_cycles(const struct stage_times *t, enum stage s)
{
	return (double)t->cycles[s] - (double)t->entries[s] * st.cost / 2;
}

static struct {
	struct pier_handler marked;
	const struct pier_handler *real;
} handler;

static void marked_open(struct pier_conn *c)
{
	const enum stage before = stage_enter(STAGE_HANDLER);

	handler.real->open(c);
	stage_leave(before);
}

static size_t marked_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	const enum stage before = stage_enter(STAGE_HANDLER);
	const size_t taken = handler.real->data(c, s, n);

	stage_leave(before);
	return taken;
}

static void marked_writable(struct pier_conn *c, size_t room)
{
	const enum stage before = stage_enter(STAGE_HANDLER);

	handler.real->writable(c, room);
	stage_leave(before);
}

static void marked_eof(struct pier_conn *c)
{
	const enum stage before = stage_enter(STAGE_HANDLER);

	handler.real->eof(c);
	stage_leave(before);
}

static void marked_close(struct pier_conn *c, enum pier_close_reason why)
{
	const enum stage before = stage_enter(STAGE_HANDLER);

	handler.real->close(c, why);
	stage_leave(before);
}

const struct pier_handler *stages_handler(const struct pier_handler *h)
{
	if (!stages_on)
		return h;
	handler.real = h;
	handler.marked = *h;
	handler.marked.open = h->open ? marked_open : NULL;
	handler.marked.data = h->data ? marked_data : NULL;
	handler.marked.writable = h->writable ? marked_writable : NULL;
	handler.marked.eof = h->eof ? marked_eof : NULL;
	handler.marked.close = h->close ? marked_close : NULL;
	return &handler.marked;
}
