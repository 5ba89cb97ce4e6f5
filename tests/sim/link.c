/*
 * The link: a queue, a wire of some speed, and a distance; and what can go wrong on each.
 */
#include "sim.h"

#define WIRE_OVERHEAD 24 /* preamble, check sequence, gap */

static bool before(const struct event *a, const struct event *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void push(struct sim *s, struct event e)
{
	uint32_t i = s->n_events++;

	if (i == s->max_events) {
		s->max_events = i ? 2 * i : 256;
		s->heap = realloc(s->heap, s->max_events * sizeof(*s->heap));
	}
	for (; i && before(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = e;
}

struct event link_pop(struct sim *s)
{
	struct event top = s->heap[0], last = s->heap[--s->n_events];
	uint32_t i = 0, c;

	while ((c = 2 * i + 1) < s->n_events) {
		if (c + 1 < s->n_events && before(&s->heap[c + 1], &s->heap[c]))
			c++;
		if (!before(&s->heap[c], &last))
			break;
		s->heap[i] = s->heap[c];
		i = c;
	}
	s->heap[i] = last;
	return top;
}

uint64_t link_next(const struct sim *s)
{
	return s->n_events ? s->heap[0].at : UINT64_MAX;
}

static void deliver(struct sim *s, struct link *l, const uint8_t *frame, uint32_t len,
		    bool to_engine)
{
	uint64_t at = l->free_at + l->conf.delay + sim_range(s, 0, l->conf.jitter);
	struct event e = {.order = s->order++, .len = len, .to_engine = to_engine,
			  .frame = malloc(len)};

	if (sim_chance(s, l->conf.reorder)) {
		at += sim_range(s, 1, 2 * l->conf.delay + 1000);
		l->late++;
	} else {
		at = max_of(at, l->last_at);
		l->last_at = at;
	}
	memcpy(e.frame, frame, len);
	if (sim_chance(s, l->conf.corrupt)) {
		uint32_t end = ETH_HDR_LEN + load_be16(frame + ETH_HDR_LEN + 2); /* padding is unsummed */
		uint32_t bit = (uint32_t)sim_range(s, ETH_HDR_LEN * 8, end * 8 - 1);


		e.frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		l->damaged++;
	}
	e.at = at;
	push(s, e);
}

void link_send(struct sim *s, struct link *l, const uint8_t *frame, uint32_t len, bool to_engine)
{
	uint64_t wire = (len + WIRE_OVERHEAD) * 8 * SEC / l->conf.bits_per_s + 1;

	l->sent++;
	l->free_at = max_of(l->free_at, s->k->now);
	if (l->free_at - s->k->now > wire * l->conf.queue || sim_chance(s, l->conf.loss)) {
		l->lost++;
		return;
	}
	l->free_at += wire;
	deliver(s, l, frame, len, to_engine);
	if (sim_chance(s, l->conf.duplicate)) {
		l->doubled++;
		deliver(s, l, frame, len, to_engine);
	}
}
