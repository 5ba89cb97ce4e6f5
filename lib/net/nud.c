/*
 * Neighbor Unreachability Detection (RFC 4861 section 7.3): what becomes of the IPv6 entries of the
 * neighbour table.
 *
 * To the transport an entry is ready, or not, as any: INCOMPLETE, where it has to be asked for;
 * STALE, where the next packet goes through net_hold, which lets it pass and notes that the entry
 * is used; RESOLVED. The latter is three states of the RFC: REACHABLE, for 30 s from the last
 * confirmation; DELAY, 5 s in which the transport may confirm it; and PROBE, in which it is asked
 * three times. Confirmations are a time that the transport writes, and are looked at when a timer
 * is due: nothing of this is on the way of a packet that is sent over an entry that is ready.
 *
 * A timer queue has one duration, so the rest of the 30 s is waited for in pieces of 30, 5 and 1 s:
 * a confirmation holds for up to a second more.
 */
#include "base/seq.h"
#include "neighbor.h"

#define REACHABLE_MS (30 * MS_PER_SEC)
#define PROBES	     3

static enum neighbor_timer longest(uint32_t left_ms)
{
	if (left_ms + MS_PER_SEC > REACHABLE_MS)
		return TIMER_REACH;
	return left_ms >= 5 * MS_PER_SEC ? TIMER_DELAY : TIMER_ASK;
}

static void reachable(struct net *n, uint32_t i, uint32_t left_ms, uint64_t now)
{
	struct neighbor *e = &n->neighbors->e[i];

	n->paths[i].state = NET_PATH_RESOLVED;
	e->polling = false;
	e->delayed = false;
	e->tries = 0;
	neighbor_timer(n, i, longest(left_ms), now);
}

/*
 * Its MAC address is known, and whether it answers is not. What was held is sent, and that is its
 * first use.
 */
static void stale(struct net *n, uint32_t i, uint64_t now)
{
	struct neighbor *e = &n->neighbors->e[i];
	struct net_path *p = &n->paths[i];
	struct rte_mbuf *m = e->held;
	uint32_t ms = ms_of(now);

	p->state = NET_PATH_STALE;
	e->polling = false;
	e->delayed = false;
	e->tries = 0;
	e->poll_from = ms;
	if (seq_geq(p->confirmed, ms)) /* before that in the same ms; never; 25 days ago */
		p->confirmed = ms - 1;
	neighbor_timer_stop(n, i);
	if (!m)
		return;
	e->held = NULL;
	n->neighbors->n_held--;
	net_hold(n, i, m, now);
}

void nud_used(struct net *n, uint32_t i, uint64_t now)
{
	struct neighbor *e = &n->neighbors->e[i];
	struct net_path *p = &n->paths[i];
	uint32_t age = ms_of(now) - p->confirmed;

	if (seq_gt(p->confirmed, e->poll_from) && age < REACHABLE_MS) {
		reachable(n, i, REACHABLE_MS - age, now);
		return;
	}
	p->state = NET_PATH_RESOLVED;
	e->delayed = true;
	e->poll_from = ms_of(now);
	neighbor_timer(n, i, TIMER_DELAY, now);
}

void nud_expired(struct net *n, uint32_t i, uint64_t now)
{
	struct neighbor *e = &n->neighbors->e[i];
	struct net_path *p = &n->paths[i];
	uint32_t age = ms_of(now) - p->confirmed;
	bool doubted = e->delayed || e->polling;

	if (age < REACHABLE_MS && (!doubted || seq_geq(p->confirmed, e->poll_from))) {
		reachable(n, i, REACHABLE_MS - age, now);
	} else if (!doubted) {
		stale(n, i, now);
	} else if (e->delayed) {
		e->delayed = false;
		neighbor_poll(n, i, now);
	} else if (e->tries < PROBES) {
		neighbor_ask(n, i, now);
	} else {
		neighbor_lost(n, i);
	}
}

/* RFC 4861 sections 7.2.3 and 7.2.5, table of appendix C: another address is not known to be alive.
 */
void nud_source(struct net *n, uint32_t i, const uint8_t *mac, uint64_t now)
{
	struct net_path *p = &n->paths[i];

	if (p->state != NET_PATH_INCOMPLETE && eth_equal(p->l2, mac))
		return;
	eth_copy(p->l2, mac);
	stale(n, i, now);
}

bool nud_advert(struct net *n, uint32_t i, uint8_t flags, const uint8_t *mac, uint64_t now)
{
	struct net_path *p = &n->paths[i];
	const bool known = p->state != NET_PATH_INCOMPLETE;
	const bool other = mac && !(known && eth_equal(p->l2, mac));

	if (!known && !mac)
		return false;
	if (known && other && !(flags & ND_OVERRIDE)) {
		if (p->state != NET_PATH_RESOLVED || n->neighbors->e[i].delayed ||
		    n->neighbors->e[i].polling)
			return false;
		stale(n, i, now); /* it was REACHABLE */
		return true;
	}
	if (flags & ND_SOLICITED) {
		uint8_t copy[ETH_ADDR_LEN];

		eth_copy(copy, mac ? mac : p->l2);
		neighbor_resolved(n, i, copy, now);
	} else if (other) {
		eth_copy(p->l2, mac);
		stale(n, i, now);
	}
	return true;
}
