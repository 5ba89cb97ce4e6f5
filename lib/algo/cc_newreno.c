/*
 * Reno's windows (RFC 5681) for NewReno recovery (RFC 6582). Growth counts acknowledged bytes
 * (RFC 3465, L = 1 in slow start): many small ACKs do not grow the window faster, nor do few large
 * ones make it burst.
 */
#include "algo/cc.h"

static void newreno_init(struct cc *c, uint32_t mss, uint32_t iw)
{
	*c = (struct cc){ .cwnd = iw, .ssthresh = CC_SSTHRESH_NONE, .mss = mss };
}

/* RFC 5681 3.1 equations 2 and 3, the latter as counted bytes: one SMSS for each cwnd. */
static void newreno_on_ack(struct cc *c, const struct cc_ack *ack)
{
	if (!ack->cwnd_limited)
		return;
	if (cc_in_slow_start(c)) {
		c->cwnd += min_of(ack->acked, c->mss);
	} else {
		uint64_t acked = (uint64_t)c->acked + ack->acked;

		if (acked < c->cwnd) {
			c->acked = (uint32_t)acked;
			return;
		}
		acked -= c->cwnd;
		c->cwnd += c->mss;
		c->acked = (uint32_t)min_of(acked, (uint64_t)c->cwnd - 1);
	}
	c->cwnd = min_of(c->cwnd, CC_CWND_MAX);
}

/* RFC 5681 3.1 equation 4. */
static void newreno_reduce(struct cc *c, uint32_t flight)
{
	c->w_max = c->cwnd;
	c->ssthresh = max_of(flight / 2, 2 * c->mss);
	c->acked = 0;
}

static void newreno_on_loss(struct cc *c, uint32_t flight, uint64_t now)
{
	newreno_reduce(c, flight);
	c->cwnd = c->ssthresh;
}

static void newreno_on_ecn(struct cc *c, uint32_t flight, uint64_t now)
{
	newreno_reduce(c, flight);
	c->cwnd = max_of(c->cwnd / 2, c->mss);
}

static void newreno_on_undo(struct cc *c, const struct cc *before, uint64_t now)
{
	c->cwnd = max_of(c->cwnd, before->cwnd);
	c->ssthresh = max_of(c->ssthresh, before->ssthresh);
}

static void newreno_on_rto(struct cc *c, uint32_t flight, bool first, uint64_t now)
{
	if (first)
		newreno_reduce(c, flight);
	c->acked = 0;
	c->cwnd = c->mss;
}

static void newreno_on_exit_recovery(struct cc *c, uint64_t now)
{
	c->cwnd = c->ssthresh;
	c->acked = 0;
}

static void newreno_on_idle(struct cc *c, uint32_t iw)
{
	c->cwnd = min_of(c->cwnd, iw);
	c->acked = 0;
}

/*
 * With a smaller SMSS the window keeps its number of segments, lest it become a burst of more
 * (RFC 5681 3.1); with a larger one its bytes.
 */
static void newreno_on_mss(struct cc *c, uint32_t mss)
{
	if (mss < c->mss)
		c->cwnd = (uint32_t)((uint64_t)c->cwnd * mss / c->mss);
	c->mss = mss;
	c->cwnd = max_of(c->cwnd, mss);
	c->ssthresh = max_of(c->ssthresh, 2 * mss);
}

const struct cc_ops cc_newreno = {
	.name = "newreno",
	.init = newreno_init,
	.on_ack = newreno_on_ack,
	.on_loss = newreno_on_loss,
	.on_ecn = newreno_on_ecn,
	.on_rto = newreno_on_rto,
	.on_undo = newreno_on_undo,
	.on_exit_recovery = newreno_on_exit_recovery,
	.on_idle = newreno_on_idle,
	.on_mss = newreno_on_mss,
};

const char *const cc_names[] = {"newreno", NULL};
const struct cc_ops *const cc_algorithms[] = {&cc_newreno};
