/*
 * Reno's windows (RFC 5681) for NewReno recovery (RFC 6582). Growth counts acknowledged bytes
 * (RFC 3465): many small ACKs do not grow the window faster, nor do few large ones make it burst.
 */
#include "cc_common.h"

#define BETA     50 /* percent of the flight that remain after loss */
#define BETA_ECN 80 /* after ECE with ABE (RFC 8511 3) */

/* RFC 5681 3.1 equation 3 as counted bytes: one SMSS for each cwnd. */
static void newreno_avoid(struct cc *c, const struct cc_ack *ack)
{
	uint64_t acked = (uint64_t)c->acked + ack->acked;

	if (!ack->cwnd_limited)
		return;
	if (acked < c->cwnd) {
		c->acked = (uint32_t)acked;
		return;
	}
	acked -= c->cwnd;
	c->cwnd = min_of(c->cwnd + c->mss, CC_CWND_MAX);
	c->acked = (uint32_t)min_of(acked, (uint64_t)c->cwnd - 1);
}

static void newreno_on_ack(struct cc *c, const struct cc_ack *ack)
{
	if (cc_in_slow_start(c)) {
		cc_slow_start(c, ack);
	} else {
		c->after_rto = false;
		newreno_avoid(c, ack);
	}
}

static void newreno_on_loss(struct cc *c, uint32_t flight, uint64_t now)
{
	c->w_max = c->cwnd;
	c->acked = 0;
	cc_reduce(c, flight, BETA);
}

static void newreno_on_ecn(struct cc *c, uint32_t flight, uint64_t now)
{
	c->w_max = c->cwnd;
	c->acked = 0;
	cc_reduce_ecn(c, flight, c->set.abe ? BETA_ECN : BETA);
}

static void newreno_on_rto(struct cc *c, uint32_t flight, bool first, uint64_t now)
{
	if (first)
		c->w_max = c->cwnd;
	c->acked = 0;
	cc_reduce_rto(c, flight, BETA, first);
}

static void newreno_on_exit_recovery(struct cc *c, uint64_t now)
{
	c->cwnd = c->ssthresh;
	c->acked = 0;
}

static void newreno_on_undo(struct cc *c, const struct cc *before, uint64_t now)
{
	c->cwnd = max_of(c->cwnd, before->cwnd);
	c->ssthresh = max_of(c->ssthresh, before->ssthresh);
	c->after_rto = before->after_rto;
}

const struct cc_ops cc_newreno = {
	.name = "newreno",
	.init = cc_start,
	.on_ack = newreno_on_ack,
	.on_loss = newreno_on_loss,
	.on_ecn = newreno_on_ecn,
	.on_rto = newreno_on_rto,
	.on_undo = newreno_on_undo,
	.on_exit_recovery = newreno_on_exit_recovery,
	.on_idle = cc_idle,
	.on_mss = cc_resize,
};
