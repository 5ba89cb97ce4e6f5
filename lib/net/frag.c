/*
 * Reassembly of both families (RFC 815's problem, RFC 1122 section 3.3.2, RFC 8200 section 4.5, RFC 5722).
 *
 * A datagram under reassembly is a list of pieces in order of offset; a piece is a received mbuf cut
 * to its payload, the first one keeping its headers. An overlap, a contradiction about the length or
 * a mixture that ECN forbids ends the datagram: what came is freed, and what still comes is dropped
 * until the entry's time is up. An exact duplicate is ignored.
 *
 * Memory is charged as it was allocated, whole buffers, against a cap per source and one over all.
 * Beyond a source's cap its own oldest datagram goes, beyond the global one the oldest of all, so
 * that a flood delays nobody else. The table is hashed by source alone: the chain of a source is
 * bounded by its cap. All entries live for 60 s, so a list in order of arrival is their timer.
 */
#include "frag.h"

#define LIFETIME_US (60 * US_PER_SEC)
#define CHARGE_MIN  1024u /* per fragment: bounds the pieces by the bytes */
#define TICK_BATCH  16

struct piece {
	struct rte_mbuf *m;
	uint32_t next;     /* in the datagram, or the free list */
	uint16_t off, len; /* of the payload, bytes */
};

struct frag {
	uint8_t saddr[16], daddr[16];
	uint32_t id;
	uint16_t port;
	uint16_t hlen, fixed;       /* of the first fragment's header, once it is there */
	uint8_t proto;
	uint8_t ecn;                /* bit 1 << codepoint for each that was seen */
	bool dead;                  /* nothing more is kept */
	uint32_t first, last;       /* pieces */
	uint32_t got, total;        /* payload bytes; total 0: not known yet */
	uint32_t hash_next;
	uint64_t bytes;             /* charged */
	uint64_t deadline;          /* us */
};

struct net_frags {
	struct frag *e;
	struct piece *pieces;
	uint32_t *buckets;
	struct link *age;           /* oldest first; head at frag_entries */
	uint32_t bucket_mask;
	uint32_t free, free_piece;
	uint64_t bytes;
};

static uint32_t pieces_for(const struct net_conf *c)
{
	return (uint32_t)(c->frag_bytes / CHARGE_MIN);
}

bool frag_conf_ok(const struct net_conf *c)
{
	return c->frag_entries >= 1 && c->frag_entries <= 1u << 20 && c->frag_source_entries >= 1 &&
	       c->frag_bytes >= 64 * KIB && c->frag_bytes <= GIB && c->frag_source_bytes >= 1;
}

void frag_layout(struct net *n, struct layout *l)
{
	uint32_t count = n->conf.frag_entries, buckets = pow2_above(count);

	n->frags = layout_take(l, sizeof(*n->frags));
	struct frag *e = layout_take(l, count * sizeof(*e));
	struct piece *pieces = layout_take(l, pieces_for(&n->conf) * sizeof(*pieces));
	uint32_t *b = layout_take(l, buckets * sizeof(*b));
	struct link *age = layout_take(l, (count + 1) * sizeof(*age));

	if (!l->base)
		return;
	*n->frags = (struct net_frags){
		.e = e, .pieces = pieces, .buckets = b, .age = age, .bucket_mask = buckets - 1,
	};
}

void frag_init(struct net *n)
{
	struct net_frags *fr = n->frags;
	uint32_t count = n->conf.frag_entries, pieces = pieces_for(&n->conf);

	memset(fr->buckets, 0xff, (fr->bucket_mask + 1) * sizeof(*fr->buckets));
	fr->free = NONE;
	for (uint32_t i = count; i-- > 0;) {
		link_clear(fr->age, i);
		fr->e[i].hash_next = fr->free;
		fr->free = i;
	}
	link_clear(fr->age, count);
	fr->free_piece = NONE;
	for (uint32_t i = pieces; i-- > 0;) {
		fr->pieces[i].next = fr->free_piece;
		fr->free_piece = i;
	}
}

static uint32_t bucket_of(const struct net *n, const uint8_t saddr[16])
{
	return (uint32_t)siphash13(&n->conf.key, saddr, 16) & n->frags->bucket_mask;
}

static uint64_t charge_of(const struct rte_mbuf *m)
{
	uint64_t bytes = 0;

	for (; m; m = m->next)
		bytes += m->buf_len + sizeof(*m);
	return max_of(bytes, (uint64_t)CHARGE_MIN);
}

/* Free what e has collected; each fragment is counted under reason. */
static void frag_empty(struct net *n, struct frag *e, enum counter reason)
{
	struct net_frags *fr = n->frags;

	while (e->first != NONE) {
		struct piece *p = &fr->pieces[e->first];
		uint32_t next = p->next;

		net_drop(n, p->m, reason);
		p->next = fr->free_piece;
		fr->free_piece = e->first;
		e->first = next;
	}
	fr->bytes -= e->bytes;
	e->bytes = 0;
	e->last = NONE;
}

static void frag_free(struct net *n, uint32_t i, enum counter reason)
{
	struct net_frags *fr = n->frags;
	uint32_t *at = &fr->buckets[bucket_of(n, fr->e[i].saddr)];

	frag_empty(n, &fr->e[i], reason);
	while (*at != i)
		at = &fr->e[*at].hash_next;
	*at = fr->e[i].hash_next;
	link_out(fr->age, i);
	fr->e[i].hash_next = fr->free;
	fr->free = i;
}

static void frag_kill(struct net *n, struct frag *e, enum counter reason)
{
	e->dead = true;
	frag_empty(n, e, reason);
}

static uint32_t frag_find(const struct net *n, const struct frag_hdr *h)
{
	const struct net_frags *fr = n->frags;
	uint32_t i = fr->buckets[bucket_of(n, h->saddr)];

	for (; i != NONE; i = fr->e[i].hash_next) {
		const struct frag *e = &fr->e[i];

		if (e->id == h->id && ip6_equal(e->saddr, h->saddr) && ip6_equal(e->daddr, h->daddr) &&
		    e->proto == h->proto && e->port == h->port)
			break;
	}
	return i;
}

/* Room for one more datagram of this source: its oldest, or the oldest of all, may have to go. */
static uint32_t frag_new(struct net *n, const struct frag_hdr *h, uint64_t now)
{
	struct net_frags *fr = n->frags;
	uint32_t *bucket = &fr->buckets[bucket_of(n, h->saddr)];
	uint32_t entries = 0, oldest = NONE, i;

	for (i = *bucket; i != NONE; i = fr->e[i].hash_next)
		if (ip6_equal(fr->e[i].saddr, h->saddr)) {
			entries++;
			oldest = i; /* new ones are put in front */
		}
	if (entries >= n->conf.frag_source_entries)
		frag_free(n, oldest, CTR_RX_FRAG_FULL);
	else if (fr->free == NONE)
		frag_free(n, fr->age[n->conf.frag_entries].next, CTR_RX_FRAG_FULL);
	i = fr->free;
	fr->free = fr->e[i].hash_next;
	fr->e[i] = (struct frag){
		.id = h->id, .port = h->port, .proto = h->proto, .first = NONE, .last = NONE,
		.hash_next = *bucket, .deadline = now + LIFETIME_US,
	};
	ip6_copy(fr->e[i].saddr, h->saddr);
	ip6_copy(fr->e[i].daddr, h->daddr);
	*bucket = i;
	link_tail(fr->age, n->conf.frag_entries, i);
	return i;
}

/* Make room for charge bytes more of entry i; false: the entry itself is what fills the cap. */
static bool frag_room(struct net *n, uint32_t i, uint64_t charge)
{
	struct net_frags *fr = n->frags;
	uint32_t head = n->conf.frag_entries;

	for (;;) {
		uint64_t used = 0;
		uint32_t oldest = NONE;

		for (uint32_t k = fr->buckets[bucket_of(n, fr->e[i].saddr)]; k != NONE;
		     k = fr->e[k].hash_next)
			if (ip6_equal(fr->e[k].saddr, fr->e[i].saddr)) {
				used += fr->e[k].bytes;
				oldest = k != i && fr->e[k].bytes ? k : oldest;
			}
		if (used + charge <= n->conf.frag_source_bytes)
			break;
		if (oldest == NONE)
			return false;
		frag_free(n, oldest, CTR_RX_FRAG_FULL);
	}
	while (fr->bytes + charge > n->conf.frag_bytes) {
		uint32_t victim = fr->age[head].next;

		if (victim == i)
			victim = fr->age[victim].next;
		if (victim == head)
			return false;
		frag_free(n, victim, CTR_RX_FRAG_FULL);
	}
	return true;
}

/* Where a piece goes: after *prev (NONE: first). False if it overlaps; *same if it is there. */
static bool piece_place(const struct net_frags *fr, const struct frag *e, const struct frag_hdr *h,
			uint32_t *prev, bool *same)
{
	uint32_t next = e->first;

	*prev = NONE;
	*same = false;
	if (e->last != NONE && fr->pieces[e->last].off < h->off) { /* in order, as nearly always */
		*prev = e->last;
		next = NONE;
	}
	while (next != NONE && fr->pieces[next].off < h->off) {
		*prev = next;
		next = fr->pieces[next].next;
	}
	if (next != NONE && fr->pieces[next].off == h->off && fr->pieces[next].len == h->len) {
		*same = true;
		return true;
	}
	if (*prev != NONE && fr->pieces[*prev].off + fr->pieces[*prev].len > h->off)
		return false;
	return next == NONE || h->off + h->len <= fr->pieces[next].off;
}

/* The total length is what the last fragment says, and nothing may reach beyond. */
static bool total_agrees(const struct net_frags *fr, struct frag *e, const struct frag_hdr *h)
{
	uint32_t end = (uint32_t)h->off + h->len;

	if (h->more)
		return e->total == 0 || end < e->total;
	if (e->total && e->total != end)
		return false;
	if (e->last != NONE && fr->pieces[e->last].off + fr->pieces[e->last].len > end)
		return false;
	e->total = end;
	return true;
}

/* Cut m to its payload; the first fragment keeps its headers, to be those of the datagram. */
static bool piece_cut(struct rte_mbuf *m, const struct frag_hdr *h)
{
	uint32_t frame = ETH_HDR_LEN + (uint32_t)h->hlen + h->len;

	if (rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - frame)) != 0)
		return false;
	return h->off == 0 || rte_pktmbuf_adj(m, ETH_HDR_LEN + h->hlen);
}

static void piece_put(struct net_frags *fr, struct frag *e, const struct frag_hdr *h,
		      struct rte_mbuf *m, uint32_t prev)
{
	uint32_t k = fr->free_piece;
	uint64_t charge = charge_of(m);
	uint32_t *at = prev == NONE ? &e->first : &fr->pieces[prev].next;

	fr->free_piece = fr->pieces[k].next;
	fr->pieces[k] = (struct piece){ .m = m, .next = *at, .off = h->off, .len = h->len };
	*at = k;
	if (fr->pieces[k].next == NONE)
		e->last = k;
	if (h->off == 0) {
		e->hlen = h->hlen;
		e->fixed = h->fixed;
	}
	e->got += h->len;
	e->ecn |= (uint8_t)(1 << h->ecn);
	e->bytes += charge;
	fr->bytes += charge;
}

/* Chain the pieces behind the first and correct its header. */
static struct rte_mbuf *frag_join(struct net *n, uint32_t i)
{
	struct net_frags *fr = n->frags;
	struct frag *e = &fr->e[i];
	struct rte_mbuf *head = fr->pieces[e->first].m, *tail = NULL;
	const struct frag_whole whole = {e->hlen, (uint16_t)e->total, e->ecn & 1 << IP_ECN_CE};

	while (e->first != NONE) {
		uint32_t k = e->first;
		struct rte_mbuf *m = fr->pieces[k].m;

		if (tail) {
			tail->next = m;
			head->nb_segs += m->nb_segs;
			head->pkt_len += m->pkt_len;
		}
		tail = rte_pktmbuf_lastseg(m);
		e->first = fr->pieces[k].next;
		fr->pieces[k].next = fr->free_piece;
		fr->free_piece = k;
	}
	head->ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK);
	if (net_v4_mapped(e->saddr))
		frag4_finish(head, &whole);
	else
		frag6_finish(head, &whole);
	frag_free(n, i, CTR_RX_FRAG_FULL); /* nothing is left in it to count */
	count(n->counters, CTR_RX_REASSEMBLED);
	return head;
}

static bool hdr_read(const struct rte_mbuf *m, const struct pkt_facts *f, struct frag_hdr *h)
{
	if (f->l3_off != ETH_HDR_LEN || !(f->flags & PKT_F_V6 ? frag6_read(m, f, h) : frag4_read(m, f, h)))
		return false;
	ip6_copy(h->saddr, f->saddr);
	ip6_copy(h->daddr, f->daddr);
	if (h->len == 0 || (h->more && h->len % 8))
		return false;
	return (uint32_t)h->off + h->len + h->fixed <= FRAG_IP_MAX;
}

/* RFC 3168 section 5.3: CE from a sender that did not declare ECN-capable transport throughout. */
static bool ecn_ok(const struct frag *e)
{
	uint8_t bad = 1 << IP_ECN_CE | 1 << IP_ECN_NOT_ECT;

	return (e->ecn & bad) != bad;
}

/* Keep m in entry i, or drop it. True: it was kept. */
static bool frag_keep(struct net *n, uint32_t i, struct rte_mbuf *m, const struct frag_hdr *h)
{
	struct net_frags *fr = n->frags;
	struct frag *e = &fr->e[i];
	uint32_t prev;
	bool same;

	if (!e->dead && piece_place(fr, e, h, &prev, &same)) {
		if (same) {
			net_drop(n, m, CTR_RX_FRAG_DUP);
			return false;
		}
		if (total_agrees(fr, e, h)) {
			if (!frag_room(n, i, charge_of(m))) {
				frag_kill(n, e, CTR_RX_FRAG_FULL);
				net_drop(n, m, CTR_RX_FRAG_FULL);
				return false;
			}
			if (piece_cut(m, h)) {
				piece_put(fr, e, h, m, prev);
				return true;
			}
		}
	}
	frag_kill(n, e, CTR_RX_FRAG_BAD);
	net_drop(n, m, CTR_RX_FRAG_BAD);
	return false;
}

struct rte_mbuf *net_reassemble(struct net *n, struct rte_mbuf *m, const struct pkt_facts *f,
				uint64_t now)
{
	struct net_frags *fr = n->frags;
	struct pkt_facts facts = *f;
	struct frag_hdr h;
	struct frag *e;
	uint32_t i;

	count(n->counters, CTR_RX_FRAGMENTS);
	if (!net_accept(n, &facts)) {
		net_drop(n, m, facts.reason);
		return NULL;
	}
	if (!hdr_read(m, f, &h)) {
		net_drop(n, m, CTR_RX_FRAG_BAD);
		return NULL;
	}
	i = frag_find(n, &h);
	if (i == NONE)
		i = frag_new(n, &h, now);
	if (!frag_keep(n, i, m, &h))
		return NULL;
	e = &fr->e[i];
	if (e->total == 0 || e->got != e->total)
		return NULL;
	if (!ecn_ok(e) || e->fixed + e->total > FRAG_IP_MAX) {
		frag_kill(n, e, CTR_RX_FRAG_BAD);
		return NULL;
	}
	return frag_join(n, i);
}

/* Time is up: tell the source if its first fragment came. */
static void frag_expire(struct net *n, uint32_t i, uint64_t now)
{
	struct net_frags *fr = n->frags;
	struct frag *e = &fr->e[i];

	if (e->first != NONE && fr->pieces[e->first].off == 0) {
		uint32_t k = e->first;
		struct rte_mbuf *m = fr->pieces[k].m;
		uint64_t charge = charge_of(m);

		e->first = fr->pieces[k].next;
		e->bytes -= charge;
		fr->bytes -= charge;
		fr->pieces[k].next = fr->free_piece;
		fr->free_piece = k;
		if (net_v4_mapped(e->saddr))
			frag4_tell(n, m, e->port, now);
		else
			frag6_tell(n, m, e->port, now);
	}
	frag_free(n, i, CTR_RX_FRAG_TIMEOUT);
}

void frag_tick(struct net *n, uint64_t now)
{
	struct net_frags *fr = n->frags;
	uint32_t head = n->conf.frag_entries;

	for (uint32_t done = 0; done < TICK_BATCH && !link_empty(fr->age, head); done++) {
		uint32_t i = fr->age[head].next;

		if (fr->e[i].deadline > now)
			return;
		frag_expire(n, i, now);
	}
}

uint64_t frag_next(const struct net *n)
{
	const struct net_frags *fr = n->frags;
	uint32_t i = fr->age[n->conf.frag_entries].next;

	return i < n->conf.frag_entries ? fr->e[i].deadline : UINT64_MAX;
}

void frag_fini(struct net *n)
{
	while (!link_empty(n->frags->age, n->conf.frag_entries))
		frag_free(n, n->frags->age[n->conf.frag_entries].next, CTR_RX_FRAG_TIMEOUT);
}
