/*
 * The links and what is under way on them: a heap of arrivals.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "link.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/sum.h"
#include "wire/tcp.h"

#define NS_PER_US     1000.0
#define THIN_HOLD     (5 * US_PER_MS) /* a run of ACKs that ends is let through after this */
#define ICMP_QUOTE    28              /* bytes of the packet in an ICMP error: header and eight */
#define ICMP6_QUOTE   1232            /* at most: RFC 4443 section 3.2 */
#define ROUTER        BE32(0xc61200fe)

uint64_t wire_rnd(struct wire *w)
{
	uint64_t z = w->rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint64_t wire_range(struct wire *w, uint64_t lo, uint64_t hi)
{
	return lo + wire_rnd(w) % (hi - lo + 1);
}

static double fraction(struct wire *w)
{
	return (double)(wire_rnd(w) >> 11) * 0x1p-53;
}

bool wire_chance(struct wire *w, double p)
{
	return p > 0 && fraction(w) < p;
}

void wire_init(struct wire *w, uint64_t seed, uint64_t now)
{
	*w = (struct wire){.rng = seed, .now = now};
	for (int i = 0; i < 2; i++)
		w->link[i].flush_at = UINT64_MAX;
}

struct frame *wire_frame(struct wire *w)
{
	struct frame *f = w->spare;

	if (!f)
		return malloc(sizeof(*f));
	w->spare = f->next;
	return f;
}

void wire_drop(struct wire *w, struct frame *f)
{
	f->next = w->spare;
	w->spare = f;
}

void wire_fini(struct wire *w)
{
	for (uint32_t i = 0; i < w->n; i++)
		wire_drop(w, w->heap[i].f);
	for (int i = 0; i < 2; i++)
		if (w->link[i].held)
			wire_drop(w, w->link[i].held);
	while (w->spare) {
		struct frame *f = w->spare;

		w->spare = f->next;
		free(f);
	}
	free(w->heap);
}

/* ---- the heap ---- */

static bool before(const struct wire_event *a, const struct wire_event *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void push(struct wire *w, struct wire_event e)
{
	uint32_t i = w->n++;

	if (i == w->max) {
		w->max = i ? 2 * i : 256;
		w->heap = realloc(w->heap, w->max * sizeof(*w->heap));
	}
	for (; i && before(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = e;
}

static struct frame *pop(struct wire *w)
{
	struct frame *f = w->heap[0].f;
	struct wire_event last = w->heap[--w->n];
	uint32_t i = 0, c;

	while ((c = 2 * i + 1) < w->n) {
		if (c + 1 < w->n && before(&w->heap[c + 1], &w->heap[c]))
			c++;
		if (!before(&w->heap[c], &last))
			break;
		w->heap[i] = w->heap[c];
		i = c;
	}
	w->heap[i] = last;
	return f;
}

/* ---- what is in a frame ---- */

static struct ip4_hdr *ip_of(const struct frame *f)
{
	return (struct ip4_hdr *)(uintptr_t)(f->bytes + ETH_HDR_LEN);
}

static struct ipv6_hdr *ip6_of(const struct frame *f)
{
	return (struct ipv6_hdr *)(uintptr_t)(f->bytes + ETH_HDR_LEN);
}

static bool is_ip6(const struct frame *f)
{
	return load_be16(f->bytes + 12) == ETH_TYPE_IP6;
}

static bool is_ip(const struct frame *f)
{
	return load_be16(f->bytes + 12) == ETH_TYPE_IP4 || is_ip6(f);
}

static uint32_t ip_len(const struct frame *f)
{
	if (is_ip6(f))
		return IP6_HDR_LEN + load_be16(f->bytes + ETH_HDR_LEN + 4);
	return is_ip(f) ? load_be16(f->bytes + ETH_HDR_LEN + 2) : f->len - ETH_HDR_LEN;
}

uint32_t frame_l4(const struct frame *f)
{
	return ETH_HDR_LEN + (is_ip6(f) ? IP6_HDR_LEN : IP4_HDR_LEN);
}

uint32_t frame_l4_len(const struct frame *f)
{
	return ip_len(f) + ETH_HDR_LEN - frame_l4(f);
}

static const struct tcp_hdr *tcp_of(const struct frame *f)
{
	return (const struct tcp_hdr *)(f->bytes + frame_l4(f));
}

int frame_payload(const struct frame *f)
{
	if (!is_ip(f) || (is_ip6(f) ? ip6_of(f)->next : ip_of(f)->proto) != IP_PROTO_TCP)
		return -1;
	return (int)frame_l4_len(f) - (tcp_of(f)->doff >> 4) * 4;
}

static bool is_plain_ack(const struct frame *f)
{
	const struct tcp_hdr *th = tcp_of(f);

	return frame_payload(f) == 0 && !(th->flags & (TCP_SYN | TCP_FIN | TCP_RST));
}

/* ---- the way ---- */

uint64_t link_backlog(const struct wire *w, const struct link *l)
{
	double wait = l->free_ns - (double)w->now * NS_PER_US;

	return wait > 0 ? (uint64_t)(wait * l->conf.bits_per_s / 8e9 + 0.5) : 0;
}

static uint64_t round_up(uint64_t at, uint64_t step)
{
	return step ? (at + step - 1) / step * step : at;
}

static uint64_t jitter(struct wire *w, const struct link_conf *c)
{
	if (!c->jitter)
		return 0;
	if (c->exponential)
		return (uint64_t)(-log(1 - fraction(w)) * (double)c->jitter);
	return wire_range(w, 0, c->jitter);
}

static bool is_of(const struct frame *f, uint16_t port)
{
	const struct tcp_hdr *th = tcp_of(f);

	return th->sport == be16(port) || th->dport == be16(port);
}

/* When a frame that leaves the transmitter at depart arrives. */
static uint64_t arrival(struct wire *w, struct link *l, const struct frame *f, double depart)
{
	const struct link_conf *c = &l->conf;
	uint64_t at = (uint64_t)(depart / NS_PER_US) + 1 + c->delay + jitter(w, c);

	if (c->far && is_of(f, c->far_port)) {
		/* A longer way behind the bottleneck: in order among themselves, not with the others. */
		at += c->far;
		l->last_far = max_of(l->last_far, at);
		return round_up(l->last_far, c->poll);
	}
	if (c->clump && is_plain_ack(f))
		at = round_up(at, c->clump);
	if (wire_chance(w, c->reorder)) {
		l->stats.late++;
		at += wire_range(w, 1, c->late ? c->late : 1);
	} else {
		at = max_of(at, l->last_at);
		l->last_at = at;
	}
	return round_up(at, c->poll);
}

/*
 * ARP has no sum of its own, nor have MAC addresses: a real link's frame check sequence finds each
 * single bit. So a damaged ARP is a lost one, and all else is for the receiver to find.
 */
static bool damage(struct wire *w, struct link *l, struct frame *f)
{
	uint32_t bit;

	if (!wire_chance(w, l->conf.corrupt))
		return true;
	l->stats.damaged++;
	bit = (uint32_t)wire_range(w, 0, f->len * 8 - 1);
	f->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	return is_ip(f) || load_be16(f->bytes + 12) != ETH_TYPE_ARP;
}

static struct frame *copy_of(struct wire *w, const struct frame *f)
{
	struct frame *g = wire_frame(w);

	memcpy(g, f, offsetof(struct frame, bytes) + f->len);
	return g;
}

static void fly(struct wire *w, struct link *l, struct frame *f, double depart)
{
	struct wire_event e = {.order = w->order++, .depart = depart, .f = f};

	e.at = arrival(w, l, f, depart);
	if (damage(w, l, f))
		push(w, e);
	else
		wire_drop(w, f);
}

static bool lost(struct wire *w, struct link *l, const struct frame *f)
{
	const struct link_conf *c = &l->conf;

	if (l->bad ? wire_chance(w, c->to_good) : wire_chance(w, c->to_bad))
		l->bad = !l->bad;
	if (l->bad && wire_chance(w, c->bad_loss))
		return true;
	if (c->period && frame_payload(f) > 0 && ++l->data % c->period == 0)
		return true;
	if (l->pick && frame_payload(f) > 0 && l->pick(l->pick_arg, f))
		return true;
	return wire_chance(w, c->loss);
}

static void mark6(struct link *l, struct frame *f)
{
	struct ipv6_hdr *ip = ip6_of(f);
	const uint8_t class = ip6_class(ip), ecn = class & IP_ECN_MASK;

	if (ecn == IP_ECN_NOT_ECT || ecn == IP_ECN_CE)
		return;
	ip->ver_class_flow = ip6_first_word(class | IP_ECN_CE, ip6_label(ip));
	l->stats.marked++;
}

/* RFC 3168 section 5: instead of dropping. */
static void mark(struct link *l, struct frame *f)
{
	struct ip4_hdr *ip = ip_of(f);
	uint8_t ecn = ip->tos & IP_ECN_MASK;

	if (is_ip6(f)) {
		mark6(l, f);
		return;
	}
	if (!is_ip(f) || ecn == IP_ECN_NOT_ECT || ecn == IP_ECN_CE)
		return;
	ip->tos |= IP_ECN_CE;
	ip->cksum = 0;
	ip->cksum = sum_finish(sum_header(ip, IP4_HDR_LEN));
	l->stats.marked++;
}

/* Into the queue, through the transmitter; takes f. */
static void transmit(struct wire *w, struct link *l, struct frame *f)
{
	const struct link_conf *c = &l->conf;
	uint64_t backlog = link_backlog(w, l);
	double now = (double)w->now * NS_PER_US;

	if (c->queue && backlog + ip_len(f) > c->queue) {
		l->stats.overflow++;
		wire_drop(w, f);
		return;
	}
	if (c->mark && backlog > c->mark)
		mark(l, f);
	l->stats.backlog_max = max_of(l->stats.backlog_max, backlog + ip_len(f));
	l->free_ns = max_of(l->free_ns, now) + ip_len(f) * 8e9 / c->bits_per_s;
	if (lost(w, l, f)) {
		l->stats.lost++;
		wire_drop(w, f);
		return;
	}
	if (wire_chance(w, c->duplicate)) {
		l->stats.doubled++;
		fly(w, l, copy_of(w, f), l->free_ns);
	}
	fly(w, l, f, l->free_ns);
}

/* RFC 4443 section 3.2. */
static void put_too_long6(struct frame *g, const struct frame *f, uint32_t mtu)
{
	const uint32_t quote = min_of(ip_len(f), (uint32_t)ICMP6_QUOTE), len = ICMP6_HDR_LEN + quote;
	struct ipv6_hdr *ip = ip6_of(g);
	struct icmp6_hdr *ih = (struct icmp6_hdr *)(ip + 1);

	g->len = ETH_HDR_LEN + IP6_HDR_LEN + len;
	store_be16(g->bytes + 12, ETH_TYPE_IP6);
	*ip = (struct ipv6_hdr){.ver_class_flow = ip6_first_word(0, 0), .payload_len = be16((uint16_t)len),
				.next = IP_PROTO_ICMPV6, .hop_limit = 64, .saddr = {0xfd, 0, 0, 0x18, [15] = 0xfe}};
	memcpy(ip->daddr, ip6_of(f)->saddr, sizeof(ip->daddr));
	*ih = (struct icmp6_hdr){.type = ICMP6_TOO_BIG, .mtu = be32(mtu)};
	memcpy(ih + 1, ip6_of(f), quote);
	ih->cksum = sum_finish(sum_partial(ih, len, sum_pseudo6(ip->saddr, ip->daddr, IP_PROTO_ICMPV6, len)));
}

/* RFC 1191 section 4. */
static void put_too_long4(struct frame *g, const struct frame *f, uint32_t mtu)
{
	struct ip4_hdr *ip = ip_of(g);
	struct icmp_hdr *ih = (struct icmp_hdr *)(ip + 1);

	g->len = ETH_HDR_LEN + IP4_HDR_LEN + ICMP_HDR_LEN + ICMP_QUOTE;
	store_be16(g->bytes + 12, ETH_TYPE_IP4);
	*ip = (struct ip4_hdr){.ver_ihl = IP4_VER_IHL, .ttl = 64, .proto = IP_PROTO_ICMP,
			       .total_len = be16((uint16_t)(g->len - ETH_HDR_LEN)),
			       .saddr = ROUTER, .daddr = ip_of(f)->saddr};
	ip->cksum = sum_finish(sum_header(ip, IP4_HDR_LEN));
	*ih = (struct icmp_hdr){.type = ICMP_UNREACHABLE, .code = ICMP_UNREACH_FRAG_NEEDED,
				.mtu = be16((uint16_t)mtu)};
	memcpy(ih + 1, ip_of(f), ICMP_QUOTE);
	ih->cksum = sum_finish(sum_partial(ih, ICMP_HDR_LEN + ICMP_QUOTE, 0));
}

/* From a router behind the sender; to the host that f does not go to. */
static void send_too_long(struct wire *w, const struct frame *f, uint32_t mtu)
{
	struct frame *g = wire_frame(w);

	w->router_errors++;
	g->to = g->hop = !f->to;
	memcpy(g->bytes, f->bytes + 6, 6);
	memcpy(g->bytes + 6, f->bytes, 6);
	if (is_ip6(f))
		put_too_long6(g, f, mtu);
	else
		put_too_long4(g, f, mtu);
	transmit(w, &w->link[g->to], g);
}

static void let_go(struct wire *w, struct link *l)
{
	struct frame *f = l->held;

	l->held = NULL;
	l->flush_at = UINT64_MAX;
	l->run = 0;
	transmit(w, l, f);
}

static bool same_flow(const struct frame *a, const struct frame *b)
{
	return memcmp(tcp_of(a), tcp_of(b), 4) == 0;
}

/* Of a run of ACKs of one flow the last passes; true: f was taken. */
static bool thin(struct wire *w, struct link *l, struct frame *f)
{
	if (l->conf.thin < 2 || !is_plain_ack(f))
		return false;
	if (l->held && !same_flow(l->held, f))
		let_go(w, l);
	if (l->held) {
		l->stats.thinned++;
		wire_drop(w, l->held);
	}
	l->held = f;
	l->flush_at = w->now + THIN_HOLD;
	if (++l->run == l->conf.thin)
		let_go(w, l);
	return true;
}

static void flush(struct wire *w)
{
	for (int i = 0; i < 2; i++)
		if (w->link[i].flush_at <= w->now)
			let_go(w, &w->link[i]);
}

void wire_send(struct wire *w, struct frame *f)
{
	struct link *l = &w->link[f->to];
	int payload = frame_payload(f);

	f->hop = f->to;
	l->stats.frames++;
	l->stats.payload += payload > 0 ? (uint64_t)payload : 0;
	if (l->conf.down || (payload == 0 && wire_chance(w, l->conf.ack_loss) &&
			     is_plain_ack(f))) {
		l->stats.lost++;
		wire_drop(w, f);
	} else if (l->conf.mtu && ip_len(f) > l->conf.mtu) {
		l->stats.too_long++;
		if (l->conf.icmp && is_ip(f))
			send_too_long(w, f, l->conf.mtu);
		wire_drop(w, f);
	} else if (!thin(w, l, f)) {
		transmit(w, l, f);
	}
}

uint64_t wire_next(const struct wire *w)
{
	uint64_t at = w->n ? w->heap[0].at : UINT64_MAX;

	at = min_of(at, w->link[0].flush_at);
	return min_of(at, w->link[1].flush_at);
}

struct frame *wire_take(struct wire *w)
{
	flush(w);
	return w->n && w->heap[0].at <= w->now ? pop(w) : NULL;
}

static int by_order(const void *a, const void *b)
{
	const struct wire_event *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

/* An event of a frame that had not left the transmitter when its rate changed. */
static void shift(struct link *l, struct wire_event *e, double now, double ratio)
{
	double later = (e->depart - now) * (ratio - 1);
	double at = (double)e->at + later / NS_PER_US;

	e->depart += later;
	e->at = (uint64_t)max_of(at, now / NS_PER_US);
	l->last_at = max_of(l->last_at, e->at);
}

void link_change(struct wire *w, unsigned int to, const struct link_conf *conf)
{
	struct link *l = &w->link[to];
	double now = (double)w->now * NS_PER_US, left = l->free_ns - now;
	double ratio = l->conf.bits_per_s / conf->bits_per_s;
	struct wire_event *old = w->heap;
	uint32_t n = w->n;
	bool faster_or_slower = ratio != 1 && left > 0;

	l->conf = *conf;
	if (!faster_or_slower)
		return;
	l->free_ns = now + left * ratio;
	l->last_at = 0;
	w->heap = NULL;
	w->n = w->max = 0;
	qsort(old, n, sizeof(*old), by_order);
	for (uint32_t i = 0; i < n; i++) {
		struct wire_event e = old[i];

		if (e.f->hop == to && e.depart > now)
			shift(l, &e, now, ratio);
		push(w, e);
	}
	free(old);
}
