/*
 * See schedule.h. With the rate growing as R t / T, the number of starts by t is R t^2 / 2T: the nth is
 * due where that is n.
 */
#include "schedule.h"

#include <math.h>

void schedule_init(struct schedule *s, double rate, double ramp_seconds, double phase, double hz)
{
	*s = (struct schedule){.next = UINT64_MAX, .phase = phase};
	if (rate <= 0)
		return;
	s->interval = hz / rate;
	s->ramp = ramp_seconds * hz;
	s->in_ramp = s->ramp / s->interval / 2;
	s->next = schedule_due(s, 0);
}

uint64_t schedule_due(const struct schedule *s, uint64_t n)
{
	const double k = (double)n + s->phase;

	if (k < s->in_ramp)
		return (uint64_t)sqrt(2 * k * s->ramp * s->interval);
	return (uint64_t)(s->ramp + (k - s->in_ramp) * s->interval);
}

/* Starts due by t, of which the next is the first after it. */
static double by(const struct schedule *s, double t)
{
	if (t < s->ramp)
		return t * t / (2 * s->ramp * s->interval) - s->phase;
	return s->in_ramp + (t - s->ramp) / s->interval - s->phase;
}

uint64_t schedule_backlog(const struct schedule *s, uint64_t now)
{
	uint64_t n;

	if (s->interval == 0 || now < s->next)
		return 0;
	n = (uint64_t)by(s, (double)now) + 1;
	/* Rounding may put one on the wrong side. */
	while (n > s->taken && schedule_due(s, n - 1) > now)
		n--;
	while (schedule_due(s, n) <= now)
		n++;
	return n - s->taken;
}
