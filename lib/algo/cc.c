/*
 * The algorithms by name, and what they share (cc_common.h).
 */
#include "cc_common.h"

const char *const cc_names[] = {"cubic", "newreno", NULL};
const struct cc_ops *const cc_algorithms[] = {&cc_cubic, &cc_newreno};
static_assert(ARRAY_SIZE(cc_names) == ARRAY_SIZE(cc_algorithms) + 1, "a name for each");

void cc_start(struct cc *c, uint32_t mss, uint32_t iw)
{
	struct cc_settings set = c->set;

	*c = (struct cc){.cwnd = iw, .ssthresh = CC_SSTHRESH_NONE, .mss = mss, .set = set};
}

void cc_slow_start(struct cc *c, const struct cc_ack *ack)
{
	bool one = c->after_rto || ack->after_rto_slow_start || !c->set.abc_limit;
	uint32_t limit = one ? c->mss : c->set.abc_limit * c->mss;

	if (!ack->cwnd_limited)
		return;
	c->cwnd += min_of(ack->acked, limit);
	c->cwnd = min_of(c->cwnd, CC_CWND_MAX);
}

static uint32_t share_of(uint32_t flight, unsigned int percent)
{
	return (uint32_t)((uint64_t)flight * percent / 100);
}

void cc_reduce(struct cc *c, uint32_t flight, unsigned int percent)
{
	c->ssthresh = max_of(share_of(flight, percent), 2 * c->mss);
	c->cwnd = c->ssthresh;
	c->after_rto = false;
}

void cc_reduce_ecn(struct cc *c, uint32_t flight, unsigned int percent)
{
	uint32_t window = min_of(share_of(flight, percent), c->cwnd);

	c->ssthresh = max_of(window, 2 * c->mss);
	/* Of a window below two segments one can be sent. */
	c->cwnd = window < 2 * c->mss ? c->mss : window;
}

void cc_reduce_rto(struct cc *c, uint32_t flight, unsigned int percent, bool first)
{
	if (first)
		c->ssthresh = max_of(share_of(flight, percent), 2 * c->mss);
	c->cwnd = c->mss;
	c->after_rto = true;
}

void cc_idle(struct cc *c, uint32_t iw)
{
	c->cwnd = min_of(c->cwnd, iw);
	c->acked = 0;
	cc_forget(c);
}

/*
 * With a smaller SMSS the window keeps its number of segments, lest it become a burst of more
 * (RFC 5681 3.1); with a larger one its bytes.
 */
void cc_resize(struct cc *c, uint32_t mss)
{
	if (mss < c->mss) {
		c->cwnd = (uint32_t)((uint64_t)c->cwnd * mss / c->mss);
		c->w_max = (uint32_t)((uint64_t)c->w_max * mss / c->mss);
	}
	c->mss = mss;
	c->cwnd = max_of(c->cwnd, mss);
	c->ssthresh = max_of(c->ssthresh, 2 * mss);
}
