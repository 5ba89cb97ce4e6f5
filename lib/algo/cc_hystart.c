/*
 * HyStart++ (RFC 9406): slow start notices that round trips get longer, because a queue builds up,
 * and goes on carefully for a few rounds (conservative slow start, CSS) before it ends without loss.
 *
 * A round lasts until what was sent at its begin is acknowledged. The ACK that ends a round gives
 * its last sample. CSS lasts at most five rounds; it ends earlier when the least round-trip time of
 * a round has become twice what it was before, for then the queue holds a window of its own and
 * growing on could only overflow it.
 */
#include "base/seq.h"
#include "cc_common.h"

#define MIN_RTT_THRESH 4000u /* us */
#define MAX_RTT_THRESH 16000u
#define RTT_DIVISOR    8
#define RTT_SAMPLES    8
#define GROWTH_DIVISOR 4
#define CSS_ROUNDS     5
#define UNPACED_LIMIT  8 /* L */

static void grow(struct cc *c, const struct cc_ack *ack)
{
	uint32_t bytes = min_of(ack->acked, UNPACED_LIMIT * c->mss);

	if (!ack->cwnd_limited)
		return;
	if (c->hystart.css_rounds)
		bytes /= GROWTH_DIVISOR;
	c->cwnd = min_of(c->cwnd + bytes, CC_CWND_MAX);
}

static void sample(struct cc_hystart *h, uint32_t rtt)
{
	if (!rtt)
		return;
	if (!h->round_min || rtt < h->round_min)
		h->round_min = rtt;
	if (h->samples < UINT8_MAX)
		h->samples++;
}

/* Whether the round's samples begin CSS, or end it because the first alarm was false. */
static void judge(struct cc_hystart *h)
{
	uint32_t thresh = min_of(h->last_min / RTT_DIVISOR, MAX_RTT_THRESH);

	if (h->samples < RTT_SAMPLES)
		return;
	if (h->css_rounds) {
		if (h->round_min < h->css_min)
			h->css_rounds = 0;
		return;
	}
	if (!h->last_min || h->round_min < h->last_min + max_of(thresh, MIN_RTT_THRESH))
		return;
	h->path_min = h->last_min;
	h->css_min = h->round_min;
	h->css_rounds = CSS_ROUNDS;
}

static void end_round(struct cc *c)
{
	struct cc_hystart *h = &c->hystart;
	bool doubled = h->samples >= RTT_SAMPLES && h->round_min / 2 >= h->path_min;

	if (h->css_rounds && (--h->css_rounds == 0 || doubled)) {
		c->ssthresh = c->cwnd;
		*h = (struct cc_hystart){0};
	}
}

void cc_hystart_ack(struct cc *c, const struct cc_ack *ack)
{
	struct cc_hystart *h = &c->hystart;

	grow(c, ack);
	sample(h, ack->rtt_us);
	judge(h);
	if (h->begun && seq_lt(ack->una, h->round_end))
		return;
	if (h->begun)
		end_round(c);
	h->begun = true;
	h->round_end = ack->nxt;
	h->last_min = h->round_min;
	h->round_min = 0;
	h->samples = 0;
}
