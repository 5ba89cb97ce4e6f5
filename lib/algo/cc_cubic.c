/*
 * CUBIC (RFC 9438): after a reduction the window returns to where it was along a cubic function of
 * time, stays near there, and then looks for more; where Reno would have the larger window, Reno's.
 *
 * A stage of congestion avoidance, an epoch, begins with its first ACK after a reduction, an idle
 * time, or a rest of the connection. Time in which cwnd was not what limited the sender does not
 * count: the epoch's begin moves on by it. The cube root is taken once an epoch; an ACK costs two
 * values of the curve.
 */
#include "cc_common.h"

#define C         0.4 /* segments / s^3 */
#define BETA      CC_BETA_MOST
#define BETA_ECN  85  /* after ECE with ABE (RFC 8511 3) */
#define FAST      85  /* percent of cwnd: (1 + beta) / 2 (4.7) */
#define ALPHA     (3.0 * 0.3 / 1.7) /* 3 (1 - beta) / (1 + beta) (4.3) */
#define GROWTH    1.5 /* of the target over cwnd, at most (4.2) */
#define US        1e-6

/* To a millionth; 0 of what is not positive. */
static double cube_root(double v)
{
	double x = 1;

	if (v <= 0)
		return 0;
	while (x * x * x < v)
		x *= 2;
	for (int i = 0; i < 40; i++) {
		double next = (2 * x + v / (x * x)) / 3;

		if (x - next < 1e-9)
			break;
		x = next;
	}
	return x;
}

/* W_cubic(t) in bytes, t in seconds (4.2). */
static double curve(const struct cc *c, double t)
{
	double d = t - c->cubic.k;

	return C * c->mss * d * d * d + c->w_max;
}

/* Without a W_max above cwnd (first epoch, or after a timeout) growth is convex at once (4.8, 4.10). */
static void epoch_begin(struct cc *c, uint64_t now)
{
	struct cc_cubic *q = &c->cubic;

	c->w_max = max_of(c->w_max, c->cwnd);
	*q = (struct cc_cubic){
		.epoch = now,
		.k = cube_root((c->w_max - c->cwnd) / (C * c->mss)),
		.w_est = c->cwnd,
		.prior = q->prior ? q->prior : c->w_max,
		.running = true,
	};
}

/*
 * Take out of the epoch the time in which cwnd was not reckoned because it did not limit (4.2), and
 * that in which nothing was in flight: from the last ACK to the sending of what is now acknowledged.
 */
static void epoch_shift(struct cc_cubic *q, const struct cc_ack *ack)
{
	uint64_t gap = ack->now > q->updated ? ack->now - q->updated : 0;
	uint32_t rtt = ack->rtt_us ? ack->rtt_us : ack->srtt_us;

	if (q->paused)
		q->epoch += gap;
	else if (q->emptied && gap > rtt)
		q->epoch += gap - rtt;
	q->paused = false;
}

/* The part of a window that was acknowledged; more than one window at once counts as one. */
static double part_of(const struct cc *c, uint32_t acked)
{
	return (double)min_of(acked, c->cwnd) / max_of(c->cwnd, 1u);
}

/* Towards where the curve is in one round trip (4.4, 4.5). */
static void follow_curve(struct cc *c, double t, double part)
{
	struct cc_cubic *q = &c->cubic;
	double target = min_of(curve(c, t), GROWTH * c->cwnd);
	uint32_t whole;

	if (target <= c->cwnd)
		return;
	q->fraction += part * (target - c->cwnd);
	whole = (uint32_t)q->fraction;
	q->fraction -= whole;
	c->cwnd = min_of(c->cwnd + whole, CC_CWND_MAX);
}

static void cubic_avoid(struct cc *c, const struct cc_ack *ack)
{
	struct cc_cubic *q = &c->cubic;
	double part, t;

	if (!ack->cwnd_limited) {
		q->paused = true;
		return;
	}
	if (!q->running)
		epoch_begin(c, ack->now);
	else
		epoch_shift(q, ack);
	q->updated = ack->now;
	q->emptied = ack->una == ack->nxt;
	part = part_of(c, ack->acked);
	t = ack->now > q->epoch ? (double)(ack->now - q->epoch) * US : 0;
	q->w_est += (q->w_est < q->prior ? ALPHA : 1) * c->mss * part;
	q->w_est = min_of(q->w_est, (double)CC_CWND_MAX);
	if (curve(c, t) < q->w_est)
		c->cwnd = max_of(c->cwnd, (uint32_t)q->w_est);
	else
		follow_curve(c, t + ack->srtt_us * US, part);
}

static void cubic_on_ack(struct cc *c, const struct cc_ack *ack)
{
	if (!cc_in_slow_start(c)) {
		c->after_rto = false;
		cubic_avoid(c, ack);
	} else if (cc_is_initial(c)) {
		cc_hystart_ack(c, ack);
	} else {
		cc_slow_start(c, ack);
	}
}

/* Before cwnd is reduced; 4.7: one who has less than before leaves room for others. */
static void remember(struct cc *c)
{
	if (c->cwnd < c->w_max)
		c->w_max = (uint32_t)((uint64_t)c->cwnd * FAST / 100);
	else
		c->w_max = c->cwnd;
	c->cubic = (struct cc_cubic){.prior = c->cwnd};
}

static void cubic_on_loss(struct cc *c, uint32_t flight, uint64_t now)
{
	remember(c);
	cc_reduce(c, flight, BETA);
}

static void cubic_on_ecn(struct cc *c, uint32_t flight, uint64_t now)
{
	remember(c);
	cc_reduce_ecn(c, flight, c->set.abe ? BETA_ECN : BETA);
}

/* 4.8: the next epoch has K = 0 and its first window as W_max. */
static void cubic_on_rto(struct cc *c, uint32_t flight, bool first, uint64_t now)
{
	c->cubic = (struct cc_cubic){.prior = first ? c->cwnd : c->cubic.prior};
	c->w_max = 0;
	cc_reduce_rto(c, flight, BETA, first);
}

static void cubic_on_exit_recovery(struct cc *c, uint64_t now)
{
	c->cwnd = c->ssthresh;
}

static void cubic_on_idle(struct cc *c, uint32_t iw)
{
	cc_idle(c, iw);
	if (!cc_is_initial(c))
		c->cubic.running = false;
}

static void cubic_on_mss(struct cc *c, uint32_t mss)
{
	cc_resize(c, mss);
	cc_forget(c);
}

/* 4.9.2: everything as it was, unless the window has outgrown it. */
static void cubic_on_undo(struct cc *c, const struct cc *before, uint64_t now)
{
	uint32_t mss = c->mss, ssthresh = c->ssthresh, cwnd = c->cwnd;

	*c = *before;
	c->cwnd = max_of(c->cwnd, cwnd);
	c->ssthresh = max_of(c->ssthresh, ssthresh);
	if (mss != c->mss)
		cubic_on_mss(c, mss);
}

const struct cc_ops cc_cubic = {
	.name = "cubic",
	.init = cc_start,
	.on_ack = cubic_on_ack,
	.on_loss = cubic_on_loss,
	.on_ecn = cubic_on_ecn,
	.on_rto = cubic_on_rto,
	.on_undo = cubic_on_undo,
	.on_exit_recovery = cubic_on_exit_recovery,
	.on_idle = cubic_on_idle,
	.on_mss = cubic_on_mss,
};
