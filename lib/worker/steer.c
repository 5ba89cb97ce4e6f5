/*
 * Whose packet is it? What stands between parsing and the engine where there are several workers, and
 * what an engine says to the others. worker/team.h has the rules.
 */
#include <string.h>
#include <unistd.h>

#include <rte_atomic.h>

#include "room.h"
#include "wire/tcp.h"

#define PROOF	  1024 /* packets on the right queue until a port is believed */
#define HEAR_MAX  ENGINE_BURST_MAX

/* Fragments have no ports, and have to meet: by their addresses alone. */
static uint32_t hash_of(const struct steer *s, const struct pkt_facts *f)
{
	if (unlikely(f->kind == PKT_FRAGMENT))
		return steer_hash(s, f->saddr, f->daddr, 0, 0);
	return steer_hash(s, f->saddr, f->daddr, f->sport, f->dport);
}

/* What its first worker does for a port, and tells the others: ARP, Neighbor Discovery and multicast groups. */
static bool is_home_matter(const struct pkt_facts *f)
{
	return f->kind == PKT_ARP || (f->kind == PKT_ICMP && f->flags & PKT_F_ND);
}

static unsigned int owner_of(const struct worker *w, const struct team_port *p,
			     const struct pkt_facts *f)
{
	switch (f->kind) {
	case PKT_TCP:
	case PKT_FRAGMENT:
		return steer_worker(&p->map, hash_of(&p->map, f));
	default:
		return is_home_matter(f) ? p->home : w->id;
	}
}

void worker_ring_bell(struct worker *w, unsigned int to)
{
	struct team_bell *b = &w->team->bell[to];
	const uint64_t one = 1;

	if (!w->team->sleepy)
		return;
	rte_smp_mb(); /* what was published, before the look at who sleeps: see worker_rest */
	if (__atomic_load_n(&b->asleep, __ATOMIC_RELAXED) && write(b->fd, &one, sizeof(one)) < 0)
		return; /* full: it is awake */
}

static void publish(struct worker *w, unsigned int to)
{
	hand_publish(w->team->ring[to][w->id]);
	worker_ring_bell(w, to);
}

/* Publishing is the caller's. */
static void hand(struct worker *w, unsigned int to, struct rte_mbuf *m, const struct pkt_facts *f,
		 uint32_t hops)
{
	union hand_slot *s = hand_fill(w->team->ring[to][w->id]);

	if (unlikely(!s)) {
		count(&w->counters, CTR_RX_HANDOVER_FULL);
		rte_pktmbuf_free(m);
		return;
	}
	s->facts = *f;
	s->facts.hash = (uintptr_t)m;
	s->facts.entry = hops;
	count(&w->counters, CTR_HANDOVER_PACKETS);
}

static unsigned int next_of(const struct worker *w)
{
	return w->id + 1u == w->team->n ? 0 : w->id + 1u;
}

/* A SYN opens a connection where it arrives; anything else is of one, here or elsewhere. */
static bool strayed(const struct worker *w, const struct pkt_facts *f)
{
	return f->kind == PKT_TCP && (f->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN &&
	       !engine_has(w->engine, f);
}

/* To whom, and how many may be asked whether it is theirs. */
static unsigned int recipient(struct worker *w, struct worker_rx *q, const struct pkt_facts *f,
			      uint32_t *hops)
{
	const struct team_port *p = &w->team->port[q->place];
	unsigned int to;

	*hops = HAND_OWNED;
	if (q->steer == STEER_ARRIVAL) {
		if (unlikely(is_home_matter(f)))
			return p->home;
		if (likely(!strayed(w, f)))
			return w->id;
		*hops = w->team->n - 1;
		return next_of(w);
	}
	to = owner_of(w, p, f);
	if (q->steer != STEER_SOFT && f->kind == PKT_TCP && !(f->flags & q->doubt)) {
		if (unlikely(to != w->id)) {
			q->steer = STEER_SOFT;
			count(&w->counters, CTR_RSS_MISPLACED);
		} else if (q->steer == STEER_PROVING && ++q->agreed == PROOF) {
			q->steer = STEER_RSS;
		}
	}
	return to;
}

unsigned int worker_steer(struct worker *w, struct worker_rx *q, struct rte_mbuf **pkts,
			  unsigned int n)
{
	struct pkt_facts *f = w->facts;
	uint64_t touched = 0;
	unsigned int kept = 0, to;
	uint32_t hops;

	for (unsigned int i = 0; i < n; i++) {
		if (q->steer == STEER_RSS && i && likely(f[i].kind == PKT_TCP && !(f[i].flags & q->doubt)))
			to = w->id; /* a port that is believed: one look a burst */
		else
			to = recipient(w, q, &f[i], &hops);
		if (likely(to == w->id)) {
			if (kept != i) {
				f[kept] = f[i];
				pkts[kept] = pkts[i];
			}
			kept++;
		} else {
			hand(w, to, pkts[i], &f[i], hops);
			touched |= 1ull << to;
		}
	}
	for (; unlikely(touched); touched &= touched - 1)
		publish(w, (unsigned int)__builtin_ctzll(touched));
	return kept;
}

/* Whose flow is this, of a segment that did not come by a queue? True if it is taken there. */
static bool pass_segment(void *arg, struct rte_mbuf *m, struct pkt_facts *f)
{
	struct worker *w = arg;
	const struct team_port *p = &w->team->port[w->team->place[f->port]];
	uint32_t hops = HAND_OWNED;
	unsigned int to;

	if (p->port->plan.steering == PORT_STEER_ARRIVAL) {
		to = strayed(w, f) ? next_of(w) : w->id;
		hops = w->team->n - 1;
	} else {
		to = owner_of(w, p, f);
	}
	if (to == w->id)
		return false;
	hand(w, to, m, f, hops);
	publish(w, to);
	return true;
}

/* Tell worker to, at most hops of them. False: its ring is full. */
static bool tell_one(struct worker *w, unsigned int to, const struct net_news *news, uint32_t hops)
{
	union hand_slot *s = hand_fill(w->team->ring[to][w->id]);

	if (unlikely(!s))
		return false;
	s->news = *news;
	s->facts.hash = 0;
	s->facts.entry = hops;
	publish(w, to);
	return true;
}

static void pass_news(struct worker *w, unsigned int to, const struct net_news *news, uint32_t hops)
{
	if (!tell_one(w, to, news, hops))
		count(&w->counters, CTR_RX_HANDOVER_FULL);
	else
		count(&w->counters, CTR_HANDOVER_PACKETS);
}

static bool pass_error(void *arg, const struct net_icmp_error *err)
{
	struct worker *w = arg;
	const unsigned int at = w->team->place[err->port];
	const struct net_news news = {.kind = NET_NEWS_ERROR, .error = *err};
	const uint32_t hops = w->team->n - 1;
	uint8_t local[16];

	if (w->team->port[at].port->plan.steering == PORT_STEER_ARRIVAL) {
		if (engine_has_error(w->engine, err))
			return false;
		pass_news(w, next_of(w), &news, hops);
		return true;
	}
	engine_local_addr(w->engine, err->local, local);
	int to = worker_team_tuple(w->team, at, err->remote, local, err->rport, err->lport);
	if (to == w->id)
		return false;
	pass_news(w, (unsigned int)to, &news, HAND_OWNED);
	return true;
}

static bool tell(void *arg, const struct net_news *news)
{
	struct worker *w = arg;
	unsigned int lost = 0;

	for (unsigned int to = 0; to < w->team->n; to++)
		lost += to != w->id && !tell_one(w, to, news, HAND_OWNED);
	count_add(&w->counters, CTR_NEWS_LOST, lost);
	return !lost;
}

static bool comes_home(void *arg, uint16_t port, const uint8_t remote[16], const uint8_t local[16],
		       uint16_t remote_port, uint16_t local_port)
{
	const struct worker *w = arg;
	const int owner =
		worker_team_tuple(w->team, w->team->place[port], remote, local, remote_port, local_port);

	return owner < 0 || owner == w->id;
}

const struct engine_peers worker_peers = {
	.pass_segment = pass_segment,
	.pass_error = pass_error,
	.tell = tell,
	.comes_home = comes_home,
};

/* News, or a packet that looks for its owner: false if it is the latter's, and it is here. */
static bool went_on(struct worker *w, const union hand_slot *s)
{
	struct rte_mbuf *m = hand_mbuf(s);
	const uint32_t hops = s->facts.entry;
	const bool asked = hops != HAND_OWNED && hops;

	if (!m) {
		if (asked && !engine_has_error(w->engine, &s->news.error))
			pass_news(w, next_of(w), &s->news, hops - 1);
		else
			engine_hear(w->engine, &s->news, w->now);
		return true;
	}
	if (!asked || engine_has(w->engine, &s->facts))
		return false;
	hand(w, next_of(w), m, &s->facts, hops - 1);
	publish(w, next_of(w));
	return true;
}

static bool plain(const union hand_slot *s)
{
	return s->facts.hash && s->facts.entry == HAND_OWNED;
}

/* Slots of one ring that lie together; what is ours goes to the engine in as few calls as can be. */
static void take(struct worker *w, union hand_slot *s, unsigned int n)
{
	struct rte_mbuf *pkts[HEAR_MAX];
	unsigned int first = 0;

	for (unsigned int i = 0; i < n; i++) {
		pkts[i] = hand_mbuf(&s[i]);
		if (likely(pkts[i]))
			prefetch(pkts[i]);
	}
	for (unsigned int i = 0; i < n; i++)
		if (likely(pkts[i]))
			prefetch(rte_pktmbuf_mtod(pkts[i], void *));
	for (unsigned int i = 0; i <= n; i++) {
		if (i < n && (likely(plain(&s[i])) || !went_on(w, &s[i])))
			continue;
		if (i > first)
			engine_input(w->engine, pkts + first, &s[first].facts, i - first, w->now);
		first = i + 1;
	}
}

/* Up to HEAR_MAX slots of one ring: those at its end and those at its beginning are one burst. */
static unsigned int hear_one(struct worker *w, struct hand_ring *r)
{
	unsigned int room = HEAR_MAX, n;
	union hand_slot *s;

	do {
		n = hand_ready(r, &s, room);
		if (n == 0)
			break;
		take(w, s, n);
		hand_done(r, n);
		room -= n;
	} while (room && hand_left(r));
	return HEAR_MAX - room;
}

unsigned int worker_hear(struct worker *w, bool *full)
{
	struct worker_team *t = w->team;
	unsigned int moved = 0, n;

	for (unsigned int from = 0; from < t->n; from++) {
		if (from == w->id)
			continue;
		n = hear_one(w, t->ring[w->id][from]);
		*full |= n == HEAR_MAX;
		moved += n;
	}
	return moved;
}

bool worker_waits(const struct worker *w)
{
	const struct worker_team *t = w->team;

	for (unsigned int from = 0; from < t->n; from++)
		if (from != w->id && hand_waits(t->ring[w->id][from]))
			return true;
	for (unsigned int i = 0; i < w->n_queues; i++)
		for (unsigned int r = 0; r < w->queues[i].n_relays; r++)
			if (!rte_ring_empty(w->queues[i].relays[r]))
				return true;
	return false;
}
