/*
 * HyStart++ (RFC 9406): slow start notices that round trips get longer, because a queue builds up,
 * and goes on carefully for a few rounds (conservative slow start, CSS) before it ends without loss.
 *
 * A round lasts until what was sent at its begin is acknowledged. The ACK that ends a round gives
 * its last sample. CSS lasts at most five rounds; it ends earlier when the least round-trip time of
 * a round has become twice what it was before, for then the queue holds a window of its own and
 * growing on could only overflow it.
 *
 * A round is compared with the longest of the four before it, not with the one just before as RFC 9406
 * does: where packets are delayed by chance, the least of some round is short by chance, and the next
 * would raise the alarm. Where nothing but a queue makes round trips longer, the last is the longest.
 *
 * Round-trip times speak of the window of a round trip ago, which is half of the present one: on a
 * path whose queue is short they speak too late. ACKs tell earlier. As long as a window is small
 * against the path, its ACKs come close together and then there is a pause; when they have come
 * without a pause for half of a round-trip time, the next doubling fills the path. From then on
 * growth is that of CSS, and when the round-trip time confirms it, slow start ends with the window
 * that the path holds, and a quarter more, rather than with all that stands in its queue.
 */
#include <string.h>

#include "base/seq.h"
#include "cc_common.h"

#define MIN_RTT_THRESH CC_HYSTART_RTT_MIN
#define MAX_RTT_THRESH 16000u
#define RTT_DIVISOR    8
#define RTT_SAMPLES    8
#define GROWTH_DIVISOR 4
#define CSS_ROUNDS     5
#define UNPACED_LIMIT  8 /* L */

static void grow(struct cc *c, const struct cc_ack *ack)
{
	uint32_t bytes = min_of(ack->acked, UNPACED_LIMIT * c->mss);

	if (c->hystart.css_rounds || c->hystart.full || c->hystart.was_full)
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

/*
 * Whether ACKs have come without a pause for half of the least round-trip time, which must be long
 * enough for the clock and the peer's bursts not to count.
 */
static void watch_train(struct cc_hystart *h, const struct cc_ack *ack)
{
	uint32_t now = (uint32_t)ack->now;

	if (!h->begun || now - h->ack_us > ack->min_rtt_us / CC_HYSTART_PAUSE) {
		h->train_us = now;
		h->train = 0;
	} else {
		h->train += ack->acked;
	}
	h->ack_us = now;
	if (ack->min_rtt_us >= MIN_RTT_THRESH && now - h->train_us >= ack->min_rtt_us / 2)
		h->full = true;
}

static uint32_t threshold(uint32_t rtt)
{
	uint32_t thresh = min_of(rtt / RTT_DIVISOR, MAX_RTT_THRESH);

	return max_of(thresh, MIN_RTT_THRESH);
}

/* Slow start ends with this window. */
static void leave(struct cc *c, uint32_t cwnd)
{
	c->cwnd = c->ssthresh = max_of(cwnd, 2 * c->mss);
	c->hystart = (struct cc_hystart){0};
}

/* What the path holds at the train's rate without a queue, and a quarter more. */
static uint32_t path_window(const struct cc *c)
{
	const struct cc_hystart *h = &c->hystart;
	uint64_t held = (uint64_t)h->train * h->path_min / max_of(h->ack_us - h->train_us, 1u);

	return (uint32_t)min_of(held + held / 4, (uint64_t)c->cwnd);
}

/* Whether the round's samples begin CSS, or end it because the first alarm was false. */
static void judge(struct cc_hystart *h)
{
	if (h->samples < RTT_SAMPLES)
		return;
	if (h->css_rounds) {
		if (h->round_min < h->css_min)
			h->css_rounds = 0;
		return;
	}
	if (!h->last_min || h->round_min < h->last_min + threshold(h->last_min))
		return;
	h->path_min = h->last_min;
	h->css_min = h->round_min;
	h->css_rounds = CSS_ROUNDS;
}

static void end_round(struct cc *c)
{
	struct cc_hystart *h = &c->hystart;
	bool doubled = h->samples >= RTT_SAMPLES && h->round_min / 2 >= h->path_min;

	if (h->css_rounds && (--h->css_rounds == 0 || doubled))
		leave(c, c->cwnd);
}

void cc_hystart_ack(struct cc *c, const struct cc_ack *ack)
{
	struct cc_hystart *h = &c->hystart;

	if (ack->cwnd_limited)
		grow(c, ack);
	sample(h, ack->rtt_us);
	watch_train(h, ack);
	judge(h);
	if (h->css_rounds && h->full) {
		leave(c, path_window(c));
		return;
	}
	if (h->begun && seq_lt(ack->una, h->round_end))
		return;
	if (h->begun)
		end_round(c);
	h->begun = true;
	h->round_end = ack->nxt;
	cc_hystart_refer(h, h->round_min);
	h->round_min = 0;
	h->samples = 0;
	h->was_full = h->full;
	h->full = false;
}
