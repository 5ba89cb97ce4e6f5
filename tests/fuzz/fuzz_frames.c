/*
 * Fuzzes the way of a frame through the engine, from every state.
 *
 * Ten connections stand by: one in each state of RFC 9293 but CLOSED, LISTEN and SYN-SENT among
 * them. An input is a list of acts: a segment near what its connection expects, with any flags,
 * options and payload; any IPv4 packet or frame at all; one of IPv6, with any extension headers; time; something the application does. Sums
 * are put right where the input does not say otherwise, for else nothing would get through.
 *
 * Oracle: the invariants of every connection after each act (the kit looks), frames sent that are
 * well-formed, and at the end nothing left. The sanitizers see the rest.
 */
#include <rte_mempool.h>

#include "fuzz.h"
#include "kit.h"

#define PEERS 10
#define L3    ETH_HDR_LEN
#define L4    (L3 + IP4_HDR_LEN)

/* What is still to be read of the input; zeros behind its end. */
struct input {
	const uint8_t *p;
	size_t left;
};

static uint8_t take8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

static uint16_t take16(struct input *in)
{
	uint8_t hi = take8(in);

	return (uint16_t)(hi << 8 | take8(in));
}

static unsigned int take_bytes(struct input *in, uint8_t *to, unsigned int n)
{
	n = min_of((size_t)n, in->left);
	memcpy(to, in->p, n);
	in->p += n;
	in->left -= n;
	return n;
}

/* ---- the application of connections that the input opens ---- */

static size_t on_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	const uint8_t *first = s[0].data;

	if (first[0] == 'A') {
		pier_abort(c);
		return 0;
	}
	if (first[0] == 'C')
		pier_close(c);
	else if (first[0] != 'D')
		return pier_send_slices(c, s, n);
	return s[0].len;
}

static void on_writable(struct pier_conn *c, size_t room)
{
	pier_resume(c);
}

static const struct pier_handler handler = {
	.abi = PIER_HANDLER_ABI, .size = sizeof(struct pier_handler), .name = "fuzz",
	.summary = "echo, discard, close or abort", .data = on_data, .writable = on_writable,
};

/* ---- the stage ---- */

static void check_frame6(const struct kit_frame *f)
{
	const struct ipv6_hdr *ip = (const struct ipv6_hdr *)(f->bytes + L3);
	const uint32_t len = be16(ip->payload_len);

	assert_int_equal(ip6_version(ip), IP6_VERSION);
	assert_true(len <= 1500 - IP6_HDR_LEN && L3 + IP6_HDR_LEN + len <= f->len);
	if (ip->next == IP_PROTO_TCP || ip->next == IP_PROTO_ICMPV6)
		assert_int_equal(sum_fold(sum_partial(ip + 1, len, sum_pseudo6(ip->saddr, ip->daddr, ip->next, len))),
				 0xffff);
}

static void check_frame(void *arg, struct kit_frame *f)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(f->bytes + L3);
	uint32_t len, l4;

	assert_true(f->len >= ETH_MIN_FRAME);
	if (load_be16(f->bytes + 12) == ETH_TYPE_ARP)
		return;
	if (load_be16(f->bytes + 12) == ETH_TYPE_IP6) {
		check_frame6(f);
		return;
	}
	len = be16(ip->total_len);
	assert_int_equal(ip->ver_ihl, IP4_VER_IHL);
	assert_true(len <= 1500 && L3 + len <= f->len);
	assert_int_equal(sum_fold(sum_partial(ip, IP4_HDR_LEN, 0)), 0xffff);
	l4 = len - IP4_HDR_LEN;
	if (ip->proto == IP_PROTO_TCP)
		assert_int_equal(sum_fold(sum_partial(ip + 1, l4,
						      sum_pseudo4(ip->saddr, ip->daddr, IP_PROTO_TCP,
								  (uint16_t)l4))),
				 0xffff);
}

/* Who comes after the stage is set is served by the handler above, and kept from the kit's. */
static void open_to_all(struct kit *k)
{
	struct listener *l = &k->listeners[k->n_listeners];

	*l = k->listeners[0];
	l->handler = &handler;
	k->versions[k->n_listeners++] = engine_listen(k->e, l);
}

static const uint8_t server6[16] = {0xfd, 0, 0, 0x18, [15] = 2}, client6[16] = {0xfd, 0, 0, 0x18, [15] = 1};

static struct kit *set_stage(struct kit_peer **peers)
{
	struct kit *k = kit_new();

	k->conf.n_addresses = 3;
	k->addrs[2] = (struct engine_address){.prefix = 64};
	memcpy(k->addrs[2].addr, server6, 16);
	k->conf.block_bytes = 512 * KIB;
	k->tcp.sndbuf = k->tcp.rcvbuf = 16384;
	for (unsigned int i = 0; i < KIT_STATES; i++) {
		peers[i] = kit_in_state(k, &kit_states[i]);
		peers[i]->app.any = true;
	}
	peers[7] = kit_est(k); /* every option, and data in flight */
	peers[7]->app.any = peers[7]->app.echo = true;
	kit_app_send(peers[7], 20000);
	peers[8] = kit_peer(k);
	peers[8]->offer = OFFER_ALL;
	peers[8]->app.any = true;
	kit_syn(peers[8]);
	kit_drain(k);
	peers[9] = kit_peer(k);
	peers[9]->port = 5000;
	peers[9]->app.any = true;
	kit_connect(peers[9]);
	k->sink = check_frame;
	open_to_all(k);
	return k;
}

/* ---- acts ---- */

static uint32_t near(uint32_t at, uint16_t v)
{
	static const uint32_t far[] = {0, 1460, 65535, 0x40000000, 0x7fffffff, 0x80000000u};

	return at + far[(v >> 8) % ARRAY_SIZE(far)] + (uint32_t)(int8_t)v;
}

static void act_segment(struct kit *k, struct kit_peer *p, struct input *in)
{
	static uint8_t buf[4096];
	uint8_t opt[40] = {0}, how = take8(in), flags = take8(in);
	struct seg s = {.flags = flags, .seq = near(1, take16(in)), .ack = near(1, take16(in)),
			.urg = take16(in), .raw = opt};
	uint32_t len;

	p->win = take16(in);
	if (how & 1) { /* as agreed */
		s.raw = NULL;
		s.tsval = how & 2 ? take16(in) : 0;
	} else {
		s.raw_len = (how >> 2 & 15) % 11 * 4;
		take_bytes(in, opt, s.raw_len);
	}
	s.len = how & 0x80 ? take16(in) % 1461 : how >> 6 & 1;
	s.bad_sum = how == 0xff;
	len = kit_build(p, &s, buf);
	if (s.len && how & 0x40)
		buf[len - s.len] = take8(in); /* what the application goes by */
	if (!s.bad_sum)
		kit_sums(buf);
	kit_inject(k, buf, len);
}

static void fix_sums(uint8_t *buf, uint32_t len)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)(buf + L3);
	uint32_t ihl = ip4_hdr_len(ip), total = be16(ip->total_len);

	if (load_be16(buf + 12) != ETH_TYPE_IP4 || ihl < IP4_HDR_LEN || total < ihl ||
	    total + L3 > len)
		return;
	ip->cksum = 0;
	ip->cksum = sum_finish(sum_partial(ip, ihl, 0));
	if (ip->proto == IP_PROTO_TCP && total >= ihl + TCP_HDR_LEN &&
	    !(ip->frag & BE16(IP4_MF | IP4_OFFSET_MASK)))
		kit_sums(buf);
	if (ip->proto == IP_PROTO_ICMP && total >= ihl + ICMP_HDR_LEN) {
		store_be16(buf + L3 + ihl + 2, 0);
		store_be16(buf + L3 + ihl + 2,
			   be16(sum_finish(sum_partial(buf + L3 + ihl, total - ihl, 0))));
	}
}

/* Any bytes, over the headers of a segment of p: a packet with a few things wrong, or all. */
static void act_frame(struct kit *k, struct kit_peer *p, struct input *in)
{
	static uint8_t buf[4096];
	uint8_t how = take8(in), at = take8(in), n = take8(in);
	uint32_t len = kit_build(p, &(struct seg){.flags = ACK, .seq = 1, .ack = 1, .len = 40}, buf);

	take_bytes(in, buf + at % len, min_of((uint32_t)n, len - at % len));
	if (how & 1)
		memcpy(buf, kit_mac, 6);
	if (how & 2)
		kit_set_addrs(buf, NULL, p->server);
	if (how & 4)
		store_be16(buf + L3 + 2, (uint16_t)(len - L3));
	if (how & 8)
		len = max_of(len - (how >> 4) * 6, 1u);
	else
		fix_sums(buf, len);
	kit_inject(k, buf, len);
}

/* An ICMP error about what this side sent to p. */
static void act_icmp(struct kit *k, struct kit_peer *p, struct input *in)
{
	uint8_t buf[L4 + 8 + 28 + 60] = {0};
	struct ip4_hdr *in_ip = (struct ip4_hdr *)(buf + L4 + 8);
	uint8_t type = take8(in), n = take8(in);

	kit_build(p, &(struct seg){.flags = ACK}, buf);
	memset(buf + L4, 0, sizeof(buf) - L4);
	buf[L3 + 9] = IP_PROTO_ICMP;
	buf[L4] = (type & 3) == 0 ? ICMP_UNREACHABLE : (type & 3) == 1 ? ICMP_TIME_EXCEEDED :
		  (type & 3) == 2 ? ICMP_PARAM_PROBLEM : 4;
	buf[L4 + 1] = type >> 2 & 15;
	store_be16(buf + L4 + 6, take16(in));
	*in_ip = (struct ip4_hdr){.ver_ihl = IP4_VER_IHL, .total_len = BE16(1500), .ttl = 1,
				  .frag = BE16(IP4_DF), .proto = IP_PROTO_TCP};
	memcpy(&in_ip->saddr, p->server + 12, 4);
	memcpy(&in_ip->daddr, p->addr + 12, 4);
	store_be16(buf + L4 + 28, p->dport);
	store_be16(buf + L4 + 30, p->port);
	store_be32(buf + L4 + 32, p->iss + near(1, take16(in)));
	take_bytes(in, buf + L4 + 8 + n % 60, n >> 6);
	store_be16(buf + L3 + 2, 20 + 36 + n % 60);
	fix_sums(buf, sizeof(buf));
	kit_inject(k, buf, L4 + 36 + n % 60);
}

/* Payload bytes [from, to) of a SYN or of data as a fragment. */
static void act_fragment(struct kit *k, struct kit_peer *p, struct input *in)
{
	static uint8_t buf[4096];
	uint8_t how = take8(in), at = take8(in) % 12, n = take8(in);
	uint32_t len = kit_build(p, &(struct seg){.flags = how & 1 ? SYN : ACK, .seq = how & 1 ? 0 : 1,
						  .ack = 1, .len = how & 1 ? 0 : 60}, buf);
	uint32_t rest = len - L4, from = min_of(8u * at, rest);
	uint32_t take = how & 2 ? rest - from : min_of(n & 0xf8u, rest - from);

	memmove(buf + L4, buf + L4 + from, take);
	store_be16(buf + L3 + 2, (uint16_t)(IP4_HDR_LEN + take));
	store_be16(buf + L3 + 4, how >> 6);
	store_be16(buf + L3 + 6, (uint16_t)(from / 8 | (from + take < rest ? IP4_MF : 0)));
	buf[L3 + 1] = how >> 2 & 3;
	fix_sums(buf, L4 + take);
	kit_inject(k, buf, L4 + take);
}

/* What is under construction: where its headers end, and where the last says which comes next. */
struct six {
	uint8_t b[2048];
	uint32_t len, next_at;
};

static uint8_t *six_add(struct six *x, uint8_t number, uint32_t len)
{
	uint8_t *p = x->b + x->len;

	x->b[x->next_at] = number;
	x->next_at = x->len;
	x->len += len;
	return p;
}

static void six_begin(struct six *x, uint8_t how)
{
	memset(x, 0, sizeof(*x));
	eth_copy(x->b, kit_mac);
	eth_copy(x->b + 6, kit_peer_mac);
	store_be16(x->b + 12, ETH_TYPE_IP6);
	x->b[L3] = 0x60;
	x->b[L3 + 7] = how & 8 ? 255 : 64;
	memcpy(x->b + L3 + 8, client6, 16);
	memcpy(x->b + L3 + 24, server6, 16);
	if (how & 1) { /* to all nodes */
		memcpy(x->b, "\x33\x33\0\0\0\1", 6);
		memcpy(x->b + L3 + 24, (uint8_t[]){0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 16);
	}
	x->len = L3 + IP6_HDR_LEN;
	x->next_at = L3 + 6;
}

/* Extension headers of up to 32 octets; fragments are of few identifications, so that they meet. */
static void six_headers(struct six *x, struct input *in, unsigned int n)
{
	static const uint8_t number[] = {IP6_NEXT_DEST_OPTS, IP6_NEXT_FRAGMENT, IP6_NEXT_ROUTING, IP6_NEXT_HOP_BY_HOP};

	while (n--) {
		uint8_t what = take8(in), next = number[what & 3];
		uint32_t len = next == IP6_NEXT_FRAGMENT ? 8 : 8 + 8 * (what >> 6);
		uint8_t *p = six_add(x, next, len);

		if (next == IP6_NEXT_FRAGMENT) {
			store_be16(p + 2, what & 4 ? 0 : (uint16_t)(8 * (what >> 6) + (what >> 3 & 1)));
			p[7] = what >> 4 & 3;
			continue;
		}
		p[1] = what & 4 ? take8(in) : (uint8_t)(len / 8 - 1);
		p[2] = what & 8 ? 0 : 1;
		p[3] = what & 8 ? 0 : (uint8_t)(len - 4);
		if (what & 16)
			take_bytes(in, p + 2, len - 2);
	}
}

static void act_frame6(struct kit *k, struct input *in)
{
	static struct six x;
	uint8_t how = take8(in), n = take8(in), proto = n & 64 ? IP_PROTO_ICMPV6 : IP_PROTO_TCP;
	uint32_t l4, len = 20 + 8 * (n >> 4 & 3);
	uint8_t *p;

	six_begin(&x, how);
	six_headers(&x, in, n & 15);
	l4 = x.len;
	p = six_add(&x, n & 128 ? take8(in) : proto, len);
	if (!(n & 64)) {
		store_be16(p, 0x2000 | (how & 3));
		store_be16(p + 2, KIT_PORT);
		p[12] = 5 << 4;
	}
	take_bytes(in, p + (n & 64 ? 0 : 4), len - 4);
	store_be16(x.b + L3 + 4, (uint16_t)(x.len - L3 - IP6_HDR_LEN));
	memset(p + (n & 64 ? 2 : 16), 0, 2);
	store_be16(p + (n & 64 ? 2 : 16),
		   be16(sum_finish(sum_partial(p, len, sum_pseudo6(x.b + L3 + 8, x.b + L3 + 24, proto, len)))));
	if (how & 2)
		x.b[L3 + take8(in) % (x.len - L3)] = take8(in);
	kit_inject(k, x.b, how & 4 ? max_of(x.len - take8(in) % (x.len - l4), (uint32_t)ETH_MIN_FRAME) : x.len);
}

static void act_app(struct kit_peer *p, struct input *in)
{
	uint8_t what = take8(in);
	uint16_t n = take16(in);

	if (!p->app.is_open)
		return;
	switch (what % 8) {
	case 0:
		kit_app_close(p);
		break;
	case 1:
		kit_app_shutdown(p);
		break;
	case 2:
		kit_app_abort(p);
		break;
	case 3:
		kit_app_read(p, n);
		break;
	case 4:
		kit_app_nodelay(p, n & 1);
		break;
	case 5:
		kit_app_timer(p, n * 1000ull);
		break;
	default:
		kit_app_send(p, n);
	}
}

static void act(struct kit *k, struct kit_peer **peers, struct input *in)
{
	uint8_t op = take8(in);
	struct kit_peer *p = peers[(op >> 4) % PEERS];

	switch (op & 15) {
	case 0:
		kit_advance(k, take16(in) * 100ull);
		break;
	case 1:
		kit_advance(k, take16(in) * MS);
		break;
	case 2:
		act_app(p, in);
		break;
	case 3:
		act_frame(k, p, in);
		break;
	case 4:
		act_icmp(k, p, in);
		break;
	case 5:
		act_fragment(k, p, in);
		break;
	case 6: /* what comes until the next is one burst */
		if (k->bursting)
			kit_burst_end(k);
		else
			kit_burst_begin(k);
		break;
	case 7:
		act_frame6(k, in);
		break;
	default:
		act_segment(k, p, in);
	}
	if (k->bursting && k->n_burst == ENGINE_BURST_MAX)
		kit_burst_end(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct kit_peer *peers[PEERS];
	struct kit *k;

	if (kit_main_start())
		abort();
	k = set_stage(peers);
	for (unsigned int i = 0; in.left && i < 200; i++)
		act(k, peers, &in);
	if (k->bursting)
		kit_burst_end(k);
	kit_close(k);
	return 0;
}
