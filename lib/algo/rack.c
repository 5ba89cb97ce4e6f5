/*
 * RACK's state (RFC 8985 section 6.2): the most recent delivery, whether packets overtake each other
 * on this path, and how long to wait for those that were overtaken.
 */
#include "algo/rack.h"
#include "base/compiler.h"
#include "base/seq.h"

#define PERSIST 16 /* recoveries without D-SACK before the window narrows */

void rack_init(struct rack *r, uint32_t snd_una)
{
	*r = (struct rack){ .end = snd_una, .fack = snd_una, .mult = 1 };
}

void rack_dsack(struct rack *r, uint32_t snd_una, uint32_t snd_nxt)
{
	if (r->in_dsack_round && seq_geq(snd_una, r->dsack_round))
		r->in_dsack_round = false;
	r->reordering = true; /* what was sent again had only been late */
	if (r->in_dsack_round)
		return;
	r->in_dsack_round = true;
	r->dsack_round = snd_nxt;
	if (r->mult < RACK_MULT_MAX)
		r->mult++;
	r->persist = PERSIST;
}

void rack_recovered(struct rack *r)
{
	if (r->persist && --r->persist == 0)
		r->mult = 1;
}

uint32_t rack_reo_wnd(const struct rack *r, const struct rack_now *n)
{
	uint64_t wnd = (uint64_t)r->mult * n->min_rtt_us / 4;

	if (!r->reordering && (n->recovery || n->dup_thresh))
		return 0;
	return (uint32_t)min_of(wnd, (uint64_t)n->srtt_us);
}
