/*
 * The size of segments follows the path: path MTU discovery (RFC 1191) with ICMP, and without where
 * a router drops in silence (RFC 4821 section 7.7), hardened against forged reports (RFC 5927).
 *
 * All that a connection keeps of its path MTU is snd_mss, the payload of a full segment: what is in
 * flight are byte ranges, so a smaller size changes how they are sent again and nothing else.
 * mss_max is what the handshake agreed on, and pmtu_at when the size was last lowered; the two are
 * different only on a path that has become smaller, and then the size is tried again after pmtu-age.
 *
 * A report is believed at once as long as no segment of such a size was ever acknowledged. Otherwise
 * it waits for a timeout of the very segment it names: data that goes through proves it wrong. Two
 * timeouts in a row of a segment that a smaller size would divide, without any report, are taken for a
 * silent router, and so are a tail loss probe of that size that put the timer off, and one timeout:
 * three times the timeout is the longest that it may take to find out.
 *
 * That is a guess, and where much is lost mostly a wrong one: plain loss has its timeouts in a row
 * too. So, while the connection is at work, one segment of the larger size is sent within a second,
 * and if it is acknowledged the size is as it was. If it is lost it goes again in smaller ones, and
 * the next trial is twice as long away. A connection that rests keeps the guess for pmtu-age.
 *
 * Where a router says that packets of pmtu-floor are still too big, they are sent without DF, for it
 * to fragment. Silence is not enough for that. Of IPv6 no router fragments: its floor is what every link takes, a report of
 * less is no news (RFC 8201 section 4), and a guess goes there at once.
 */
#include "pmtu.h"

#define SEARCH_LOW     1024 /* RFC 4821 section 7.2, IPv4; IPv6: the floor */
#define BLACK_HOLE     2    /* timeouts in a row */
#define GUESSES_MAX    10   /* the last trial of a larger size waits 512 s */
#define MSS_MIN        8    /* whatever the path says, a segment makes progress */
#define MSS_MAX        0x7fff /* of the record's field */
#define LONG_AGO       50000  /* s: more than pmtu-age can be, and hours before pmtu_at wraps */

static uint16_t seconds(const struct tcp *t)
{
	return (uint16_t)(t->now / US_PER_SEC);
}

static bool is_v6(const struct tcp *t, const struct tcp_conn *c)
{
	return t->net->paths[c->path].v6;
}

static uint32_t headers(const struct tcp *t, const struct tcp_conn *c)
{
	return tcp_headers(c, &t->net->paths[c->path]);
}

/* No report is believed that says less. Of IPv6 every link takes as much (RFC 8200 section 5). */
static uint32_t floor_of(const struct tcp *t, const struct tcp_conn *c)
{
	return is_v6(t, c) ? IP6_MTU_MIN : tcp_opts_of(t, c)->pmtu_floor;
}

/* Payload of a full segment on a path of that MTU; not more than the peer takes. */
static uint16_t mss_for(const struct tcp *t, const struct tcp_conn *c, uint32_t mtu)
{
	uint32_t hdrs = headers(t, c), mss = mtu > hdrs + MSS_MIN ? mtu - hdrs : MSS_MIN;

	return (uint16_t)min_of(mss, (uint32_t)c->mss_max);
}

void tcp_pmtu_start(struct tcp *t, struct tcp_conn *c)
{
	struct net_pmtu known;

	c->snd_mss = min_of(c->snd_mss, (uint16_t)MSS_MAX);
	c->mss_max = c->snd_mss;
	if (likely(!net_pmtu_find(t->net, c->tuple.local, c->tuple.remote, t->now,
				  tcp_opts_of(t, c)->pmtu_age, &known)))
		return;
	c->snd_mss = mss_for(t, c, known.mtu);
	c->pmtu_at = (uint16_t)known.learnt;
	if (known.fragment)
		c->flags |= TCP_F_FRAGMENT;
}

/* Segments have another size from now on. What was known of the old one is void. */
static void resize(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t mss)
{
	c->snd_mss = (uint16_t)mss;
	tcp_cc(t, c)->on_mss(&w->cc, mss);
	w->size_acked = 0;
	w->size_sent = 0;
	w->ptb_mtu = 0;
	w->guesses = 0;
}

/*
 * What is in flight was too big: all of it goes again, and that is no sign of congestion (RFC 1191
 * section 6.4). The window keeps its bytes, except that an initial window keeps its number of
 * segments, lest a start become a burst (RFC 5681 section 3.1).
 */
static void resend(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t mss)
{
	bool initial = w->cc.ssthresh == CC_SSTHRESH_NONE &&
		       w->cc.cwnd <= cc_initial_window(c->snd_mss);
	uint32_t cwnd = w->cc.cwnd;

	resize(t, c, w, mss);
	if (!initial)
		w->cc.cwnd = max_of(cwnd, w->cc.cwnd);
	tcp_flight_resend(t, c, w);
	tcp_timer_rearm(t, c, w, true);
	tcp_want_output(t, c, w);
}

/* Where the report comes true: the size, DF, and what later connections are to know. */
static uint32_t believe(struct tcp *t, struct tcp_conn *c, uint32_t mtu)
{
	struct net_pmtu p = {.mtu = (uint16_t)max_of(mtu, floor_of(t, c)),
			     .fragment = mtu < floor_of(t, c) && !is_v6(t, c)};

	count(t->ctr, CTR_PMTU_LOWERED);
	net_pmtu_learn(t->net, c->tuple.local, c->tuple.remote, &p, t->now, tcp_opts_of(t, c)->pmtu_age);
	if (p.fragment)
		c->flags |= TCP_F_FRAGMENT;
	c->pmtu_at = seconds(t);
	return min_of((uint32_t)c->snd_mss, (uint32_t)mss_for(t, c, p.mtu));
}

/* Whether a report of this size tells anything new: RFC 1191 section 3, it never raises. */
static bool news(const struct tcp *t, const struct tcp_conn *c, uint32_t mtu)
{
	if (mtu < floor_of(t, c) && !(c->flags & TCP_F_FRAGMENT))
		return !is_v6(t, c) && mtu < c->snd_mss + headers(t, c);
	return max_of(mtu, floor_of(t, c)) < c->snd_mss + headers(t, c);
}

void tcp_pmtu_report(struct tcp *t, struct tcp_conn *c, struct tcp_work *w,
		     const struct net_icmp_error *err)
{
	uint32_t mtu = err->mtu ? err->mtu : net_pmtu_plateau(err->len);

	if (c->state < TCP_ESTABLISHED || !news(t, c, mtu)) {
		count(t->ctr, CTR_RX_ICMP_MTU);
		return;
	}
	if (w->size_acked && mtu < w->size_acked + headers(t, c)) {
		count(t->ctr, CTR_PMTU_DEFERRED);
		if (!w->ptb_mtu || seq_leq(err->seq, w->ptb_seq)) {
			w->ptb_mtu = (uint16_t)mtu;
			w->ptb_seq = err->seq;
			tcp_timer_rearm(t, c, w, false); /* no probe: it would be too big as well */
		}
		return;
	}
	resend(t, c, w, believe(t, c, mtu));
}

/* What to try where packets of that size vanish: RFC 4821's lower bound, then half, down to the floor. */
static uint32_t lower_mtu(const struct tcp *t, const struct tcp_conn *c, uint32_t size)
{
	uint32_t low = size > SEARCH_LOW ? SEARCH_LOW : size / 2, least = floor_of(t, c);

	low = max_of(low, tcp_opts_of(t, c)->pmtu_floor);
	return max_of(low, least);
}

/* Nothing comes back. */
static void black_hole(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t low)
{
	uint8_t guesses = max_of(w->guesses, (uint8_t)1);

	count(t->ctr, CTR_PMTU_BLACK_HOLES);
	c->pmtu_at = seconds(t);
	resize(t, c, w, mss_for(t, c, low));
	w->guesses = guesses;
}

/* What a connection would use that never had to guess. */
static uint32_t size_told(struct tcp *t, const struct tcp_conn *c)
{
	struct net_pmtu known;

	if (net_pmtu_find(t->net, c->tuple.local, c->tuple.remote, t->now,
			  tcp_opts_of(t, c)->pmtu_age, &known))
		return mss_for(t, c, known.mtu);
	return c->mss_max;
}

uint32_t tcp_pmtu_larger(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t size;

	/* Not while a size is on trial, nor before smaller segments went through. */
	if (!w->guesses || w->size_sent || !w->size_acked)
		return 0;
	if ((uint16_t)(seconds(t) - c->pmtu_at) < 1u << (w->guesses - 1))
		return 0;
	size = size_told(t, c);
	return size > c->snd_mss ? size : 0;
}

void tcp_pmtu_tried(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	c->pmtu_at = seconds(t);
	if (w->guesses < GUESSES_MAX)
		w->guesses++;
}

static void count_full(struct tcp_work *w)
{
	if (w->full_timeouts < UINT8_MAX)
		w->full_timeouts++;
}

void tcp_pmtu_probed(const struct tcp_conn *c, struct tcp_work *w, uint32_t len)
{
	if (len >= c->snd_mss)
		count_full(w);
}

void tcp_pmtu_timeout(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	const struct tcp_flight *f;
	uint32_t size;

	if (!w->flight.n)
		return;
	if (w->ptb_mtu && seq_lt(w->ptb_seq, w->snd_una + c->snd_mss)) {
		resize(t, c, w, believe(t, c, w->ptb_mtu));
		return;
	}
	f = vec_at(&w->flight, &t->slab, w->flight_inline, sizeof(*f), 0);
	size = min_of(f->end - f->seq, (uint32_t)c->snd_mss) + headers(t, c);
	if (size <= lower_mtu(t, c, size))
		return;
	count_full(w);
	if (w->full_timeouts >= BLACK_HOLE)
		black_hole(t, c, w, lower_mtu(t, c, size));
}

/* A larger segment than the guess allows has gone through. */
static void guessed_wrong(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	count(t->ctr, CTR_PMTU_RAISED);
	resize(t, c, w, size_told(t, c));
	w->size_acked = c->snd_mss;
}

void tcp_pmtu_proved(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	if (w->size_sent && seq_geq(w->snd_una, w->size_end)) {
		w->size_acked = w->size_sent;
		w->size_sent = 0;
		if (unlikely(w->size_acked > c->snd_mss))
			guessed_wrong(t, c, w);
	}
	if (w->ptb_mtu && seq_gt(w->snd_una, w->ptb_seq))
		w->ptb_mtu = 0;
}

/* RFC 1191 section 6.3. Another connection may have heard more since. */
static void try_larger(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint64_t age = tcp_opts_of(t, c)->pmtu_age;
	struct net_pmtu known;
	uint32_t mss = c->mss_max;

	if ((uint16_t)(seconds(t) - c->pmtu_at) * US_PER_SEC < age)
		return;
	if (net_pmtu_find(t->net, c->tuple.local, c->tuple.remote, t->now, age, &known)) {
		c->pmtu_at = (uint16_t)known.learnt;
		mss = mss_for(t, c, known.mtu);
	} else {
		c->flags &= ~(uint32_t)TCP_F_FRAGMENT;
		count(t->ctr, CTR_PMTU_RAISED);
	}
	if (mss > c->snd_mss)
		resize(t, c, w, mss);
}

void tcp_pmtu_age(const struct tcp *t, struct tcp_conn *c)
{
	if (likely(c->snd_mss >= c->mss_max && !(c->flags & TCP_F_FRAGMENT)))
		return;
	if ((uint16_t)(seconds(t) - c->pmtu_at) > LONG_AGO)
		c->pmtu_at = seconds(t) - LONG_AGO;
}

void tcp_set_mss(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t mss)
{
	c->mss_max = (uint16_t)min_of(mss, (uint32_t)c->mss_max);
	if (c->snd_mss > c->mss_max)
		resize(t, c, w, c->mss_max);
}

void tcp_pmtu_review(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t mtu = t->net->paths[c->path].mtu;

	if (c->mss_max + headers(t, c) > mtu) {
		c->mss_max = mss_for(t, c, mtu);
		if (c->snd_mss > c->mss_max)
			resize(t, c, w, c->mss_max);
	}
	if (c->snd_mss < c->mss_max || c->flags & TCP_F_FRAGMENT)
		try_larger(t, c, w);
}
