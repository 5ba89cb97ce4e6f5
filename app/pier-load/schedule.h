/*
 * When what is due: an open loop. The nth start is due at a time that depends on n alone, not on when
 * earlier ones were answered, so that latency counted from there shows what a slow server does to
 * those who would have asked meanwhile.
 *
 * The rate grows from nothing to its full value over the ramp and stays there. Time is in ticks since
 * the schedule began. Pure, one owner.
 */
#ifndef PIER_LOAD_SCHEDULE_H
#define PIER_LOAD_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
	double interval; /* ticks between starts at the full rate; 0: no schedule */
	double ramp;     /* ticks */
	double in_ramp;  /* starts that fall into it */
	double phase;    /* 0 to 1: where between the starts of others' schedules ours lie */
	uint64_t taken;  /* starts so far */
	uint64_t next;   /* when the next one is due */
};

/*
 * rate: starts a second, may be fractional; 0: none. phase: worker i's of n is i/n. hz: ticks a
 * second.
 */
void schedule_init(struct schedule *s, double rate, double ramp_seconds, double phase, double hz);

/* When the nth start, from 0, is due. Not earlier than the one before. */
uint64_t schedule_due(const struct schedule *s, uint64_t n);

/* If a start is due at now, take it. */
static inline bool schedule_take(struct schedule *s, uint64_t now, uint64_t *due)
{
	if (now < s->next)
		return false;
	*due = s->next;
	s->next = schedule_due(s, ++s->taken);
	return true;
}

/* Starts that are due at now and were not taken. */
uint64_t schedule_backlog(const struct schedule *s, uint64_t now);

#endif
