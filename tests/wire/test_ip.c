/*
 * IPv4 below TCP: malformed headers, options, identification, fragments.
 * Rows: IP-01..IP-08, IP-11, L2-16.
 */
#include "kit.h"

#include <rte_mempool.h>

#define L3 ETH_HDR_LEN
#define L4 (L3 + IP4_HDR_LEN)

static void ip_sum(uint8_t *frame)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)(frame + L3);

	ip->cksum = 0;
	ip->cksum = sum_finish(sum_partial(ip, ip4_hdr_len(ip), 0));
}

static uint32_t syn_frame(struct kit_peer *p, uint8_t *buf)
{
	return kit_build(p, &(struct seg){.flags = SYN, .opts = {.flags = TCP_OPTS_MSS,
								 .mss = 1460}}, buf);
}

/* It is well-formed until then: the SYN-ACK says so, and a RST makes place for the next. */
static void opens_and_goes(struct kit *k, struct kit_peer *p)
{
	kit_synack(p);
	send_seg(p, .flags = RST, .seq = 1);
	assert_int_equal(kit_usage(k).half_open, 0);
	kit_quiet(k);
}

static void IP_01_malformed_headers(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint8_t buf[10000];
	uint32_t len = syn_frame(p, buf);
	unsigned int bad = 0, cut = 0;

	for (unsigned int v = 0; v < 256; v++) {
		if (v >> 4 == 4 && (v & 15) >= 5)
			continue;
		buf[L3] = (uint8_t)v;
		kit_inject(k, buf, len);
		kit_quiet(k);
		bad++;
	}
	for (uint16_t total = 0; total < 20; total++) {
		syn_frame(p, buf);
		store_be16(buf + L3 + 2, total);
		ip_sum(buf);
		kit_inject(k, buf, max_of(len, (uint32_t)ETH_MIN_FRAME));
		kit_quiet(k);
		bad++;
	}
	for (uint32_t total = len - L3 + 3; total < 65536; total = total * 2 + 1) {
		syn_frame(p, buf);
		store_be16(buf + L3 + 2, (uint16_t)total);
		ip_sum(buf);
		kit_inject(k, buf, len);
		kit_quiet(k);
		cut++;
	}
	for (unsigned int bit = 0; bit < IP4_HDR_LEN * 8; bit++) {
		uint64_t used = k->injected - counter_rx_dropped(&k->ctr);

		syn_frame(p, buf);
		buf[L3 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		kit_inject(k, buf, len);
		kit_quiet(k);
		assert_int_equal(k->injected - counter_rx_dropped(&k->ctr), used);
	}
	assert_true(kit_ctr(k, CTR_RX_IP_BAD) >= bad);
	assert_true(kit_ctr(k, CTR_RX_IP_CUT) >= cut);
	assert_in_range(kit_ctr(k, CTR_RX_IP_CSUM_BAD), 120, 160);
	kit_silence(k, 3 * SEC);
	assert_int_equal(kit_usage(k).half_open, 0);
	syn_frame(p, buf);
	kit_inject(k, buf, len);
	opens_and_goes(k, p);
}

static void IP_02_strong_host(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p;

	k->conf.n_ports = 2;
	k->conf.n_addresses = 3;
	k->addrs[2] = (struct engine_address){.port = 1, .prefix = 24};
	memcpy(k->addrs[2].addr, k->addrs[0].addr, 12);
	memcpy(k->addrs[2].addr + 12, &(uint32_t){V4(198, 18, 1, 2)}, 4);
	p = kit_peer(k);
	kit_v4(p->server, V4(198, 18, 0, 77)); /* a neighbour's */
	kit_syn(p);
	kit_v4(p->server, V4(198, 18, 1, 2)); /* ours, of the other port; frames arrive by port 0 */
	kit_syn(p);
	kit_silence(k, 3 * SEC);
	assert_int_equal(kit_ctr(k, CTR_RX_NOT_LOCAL), 2);
	kit_v4(p->server, KIT_SERVER);
	kit_open(p);
}

/* A SYN with these n bytes of IPv4 options, a multiple of 4. */
static void syn_with_options(struct kit_peer *p, const uint8_t *opt, unsigned int n)
{
	uint8_t buf[10000];
	uint32_t len = syn_frame(p, buf);

	memmove(buf + L4 + n, buf + L4, len - L4);
	memcpy(buf + L4, opt, n);
	buf[L3] = (uint8_t)(0x45 + n / 4);
	store_be16(buf + L3 + 2, (uint16_t)(len - L3 + n));
	kit_sums(buf);
	kit_inject(p->k, buf, len + n);
}

static void IP_03_options_are_skipped(void **s)
{
	static const uint8_t opts[][12] = {
		{0x94, 4, 0, 0},                        /* Router Alert */
		{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0},  /* Record Route */
		{68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0}, /* Timestamp */
		{0x9e, 7, 1, 2, 3, 4, 5, 0},            /* nobody's */
		{1, 1, 1, 0x9e, 4, 0, 0, 0},
	};
	static const uint8_t sizes[] = {4, 12, 12, 8, 8};
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	struct icmp_hdr *h;
	struct kit_frame *f;
	uint8_t buf[10000];

	for (unsigned int i = 0; i < ARRAY_SIZE(opts); i++) {
		syn_with_options(p, opts[i], sizes[i]);
		opens_and_goes(k, p); /* kit_parse: IHL is 5 */
	}
	/* An echo request with Record Route: the answer has no option. */
	kit_build(p, &(struct seg){.flags = ACK}, buf);
	buf[L3] = 0x48;
	buf[L3 + 9] = IP_PROTO_ICMP;
	store_be16(buf + L3 + 2, 32 + 16);
	memset(buf + L4, 0, 12 + 16);
	memcpy(buf + L4, opts[1], 12);
	h = (struct icmp_hdr *)(buf + L4 + 12);
	h->type = ICMP_ECHO_REQUEST;
	h->cksum = sum_finish(sum_partial(h, 16, 0));
	ip_sum(buf);
	kit_inject(k, buf, L3 + 48);
	f = kit_frame_next(k);
	assert_non_null(f);
	assert_int_equal(f->bytes[L3], IP4_VER_IHL);
	assert_int_equal(load_be16(f->bytes + L3 + 2), 20 + 16);
	assert_int_equal(f->bytes[L4], ICMP_ECHO_REPLY);
}

static void IP_03_all_lengths(void **s)
{
	static const uint8_t types[] = {7, 68, 82, 130, 136, 148, 0x9e, 0xff};
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint64_t bad = 0;

	for (unsigned int t = 0; t < sizeof(types); t++)
		for (unsigned int len = 0; len < 256; len++) {
			uint8_t opt[12] = {1, types[t], (uint8_t)len, 3, 4, 5, 6, 1, 1, 1, 1, 1};

			if (len > 3 && len <= 11) /* the rest is NOP */
				memset(opt + 1 + len, 1, 11 - len);
			if (len == 2 || len == 3)
				memset(opt + 3, 1, 9);
			syn_with_options(p, opt, 12);
			if (len < 2 || len > 11) {
				kit_quiet(k);
				assert_int_equal(kit_ctr(k, CTR_RX_IP_BAD), ++bad);
			} else {
				opens_and_goes(k, p);
			}
		}
}

static void IP_04_source_routes_are_refused(void **s)
{
	static const uint8_t types[] = {IP4_OPT_LSRR, IP4_OPT_SSRR};
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);

	for (unsigned int i = 0; i < 2; i++) {
		uint8_t opt[8] = {types[i], 7, 4, 198, 18, 0, 9, 0};
		uint8_t done[8] = {1, types[i], 7, 8, 198, 18, 0, 9}; /* its route is used up */

		syn_with_options(p, opt, 8);
		assert_int_equal(kit_ctr(k, CTR_RX_IP_SOURCE_ROUTE), 2 * i + 1);
		syn_with_options(p, done, 8);
		assert_int_equal(kit_ctr(k, CTR_RX_IP_SOURCE_ROUTE), 2 * i + 2);
		kit_silence(k, 3 * SEC);
	}
	assert_int_equal(kit_usage(k).half_open, 0);
}

/* With DF set the identification says nothing, and it is the same for everybody. */
static void IP_05_identification(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[2] = {kit_plain(k), kit_peer(k)};
	unsigned int seen[2] = {0};

	kit_v4(p[1]->addr, V4(198, 18, 0, 9));
	kit_open(p[1]);
	for (unsigned int i = 0; i < 10000; i++) {
		struct kit_peer *to = p[i * 7 % 3 == 0];
		struct kit_frame *f;

		/* Old data: always answered. */
		send_seg(to, .flags = ACK, .seq = 1 - 10, .ack = 1, .len = 5);
		f = kit_frame_next(k);
		assert_non_null(f);
		assert_int_equal(load_be16(f->bytes + L3 + 6), IP4_DF);
		assert_int_equal(load_be16(f->bytes + L3 + 4), 0);
		seen[f->bytes[L3 + 19] == 9]++;
	}
	assert_true(seen[0] > 3000 && seen[1] > 3000);
	kit_quiet(k);
}

/* ---- fragments ---- */

/* Bytes [from, to) of a frame's payload as a fragment; tos as given. */
static void send_fragment(struct kit *k, const uint8_t *frame, uint32_t len, uint16_t id,
			  uint32_t from, uint32_t to, uint8_t tos)
{
	uint8_t buf[10000];
	bool more = L4 + to < len;

	assert_true(L4 + to <= len);
	memcpy(buf, frame, L4);
	memcpy(buf + L4, frame + L4 + from, to - from);
	buf[L3 + 1] = tos;
	store_be16(buf + L3 + 2, (uint16_t)(20 + to - from));
	store_be16(buf + L3 + 4, id);
	store_be16(buf + L3 + 6, (uint16_t)(from / 8) | (more ? IP4_MF : 0));
	ip_sum(buf);
	kit_inject(k, buf, L4 + to - from);
}

/* A SYN with 20 bytes of options: 40 bytes of TCP, 5 fragments of 8. */
static uint32_t long_syn(struct kit_peer *p, uint8_t *buf)
{
	return kit_build(p, &(struct seg){.flags = SYN, .opts = {
		.flags = TCP_OPTS_MSS | TCP_OPTS_TS | TCP_OPTS_SACK_OK | TCP_OPTS_WSCALE,
		.mss = 1400, .wscale = 7, .tsval = 1}}, buf);
}

static void IP_06_syn_in_fragments(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint8_t buf[10000];
	uint32_t len = long_syn(p, buf);
	unsigned int orders = 0;

	assert_int_equal(len, L4 + 40);
	for (unsigned int code = 0; code < 3125; code++) { /* permutations are used */
		unsigned int order[5], seen = 0, rest = code;

		for (unsigned int i = 0; i < 5; i++, rest /= 5) {
			order[i] = rest % 5;
			seen |= 1u << order[i];
		}
		if (seen != 31)
			continue;
		for (unsigned int i = 0; i < 5; i++) {
			kit_quiet(k);
			send_fragment(k, buf, len, (uint16_t)code, 8 * order[i], 8 * order[i] + 8, 0);
		}
		opens_and_goes(k, p);
		assert_true(p->ts && p->sack_agreed && p->ws_agreed);
		p->ts = p->sack_agreed = p->ws_agreed = false;
		orders++;
	}
	assert_int_equal(orders, 120);
	assert_int_equal(kit_ctr(k, CTR_RX_REASSEMBLED), 120);
}

static void IP_06_data_in_fragments(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint8_t buf[10000];
	uint32_t len;

	p->app.echo = true;
	len = kit_build(p, &(struct seg){.flags = ACK | PSH, .seq = 1, .ack = 1, .len = 60}, buf);
	send_fragment(k, buf, len, 5, 40, 80, 0);
	send_fragment(k, buf, len, 5, 24, 40, 0);
	send_fragment(k, buf, len, 5, 0, 24, 0);
	expect(p, .flags = ACK, .seq = 1, .ack = 61, .len = 60);
	assert_int_equal(p->app.rx, 60);
}

static unsigned int mbufs_in_use(struct kit *k)
{
	kit_turn(k);
	return rte_mempool_in_use_count(kit_mp);
}

static void IP_07_flood_of_first_fragments(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k), *q = kit_peer(k);
	uint8_t buf[10000], syn[10000];
	uint32_t len, n;
	unsigned int most = 0;

	kit_v4(q->addr, V4(198, 18, 0, 200));
	len = long_syn(q, syn);
	kit_build(p, &(struct seg){.flags = ACK, .len = 20}, buf);
	store_be16(buf + L3 + 2, 20 + 8);
	store_be16(buf + L3 + 6, IP4_MF);
	for (n = 0; n < 1000000; n += 50) {
		kit_burst_begin(k);
		for (unsigned int i = 0; i < 50; i++) {
			/* One source, and from the middle on each one its own. */
			store_be16(buf + L3 + 4, (uint16_t)(n + i));
			if (n >= 500000)
				store_be32(buf + L3 + 12, 0x14000000u + n + i);
			ip_sum(buf);
			kit_inject(k, buf, ETH_MIN_FRAME);
		}
		kit_burst_end(k);
		if (n % 10000 == 0)
			most = max_of(most, mbufs_in_use(k));
	}
	/* Charged as allocated: 256 KiB in buffers of 9,472 bytes, and some that are recycled. */
	assert_in_range(most, 4, 256 * KIB / 9472 + 64);
	for (uint32_t at = 0; at < 40; at += 8)
		send_fragment(k, syn, len, 9, at, at + 8, 0);
	opens_and_goes(k, q);
	kit_advance(k, 60 * SEC);
	kit_drain(k);
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_FULL) + kit_ctr(k, CTR_RX_FRAG_TIMEOUT), 1000000);
	assert_true(kit_ctr(k, CTR_RX_FRAG_TIMEOUT) > 0);
}

static void IP_07_time_and_length(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint8_t buf[10000];
	uint32_t len = long_syn(p, buf);
	struct kit_frame *f;

	/* Without its first fragment a datagram ends in silence, with it in Time Exceeded. */
	send_fragment(k, buf, len, 1, 8, 16, 0);
	kit_advance(k, SEC);
	send_fragment(k, buf, len, 2, 0, 16, 0);
	send_fragment(k, buf, len, 2, 32, 40, 0);
	kit_advance_to(k, KIT_T0 + 61 * SEC - 1);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_TIMEOUT), 1);
	kit_advance(k, 1);
	f = kit_frame_next(k);
	assert_non_null(f);
	assert_int_equal(f->bytes[L3 + 9], IP_PROTO_ICMP);
	assert_int_equal(f->bytes[L4], ICMP_TIME_EXCEEDED);
	assert_int_equal(f->bytes[L4 + 1], ICMP_EXCEEDED_REASSEMBLY);
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_TIMEOUT), 3);
	/* The time runs from the first to arrive: what completes it later comes too late. */
	send_fragment(k, buf, len, 2, 16, 32, 0);
	kit_quiet(k);
	/* Beyond 65,535 bytes. */
	send_fragment(k, buf, len, 3, 0, 40, 0);
	store_be16(buf + L3 + 4, 4);
	store_be16(buf + L3 + 6, 0x1fff);
	store_be16(buf + L3 + 2, 20 + 8);
	ip_sum(buf);
	kit_inject(k, buf, ETH_MIN_FRAME);
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_BAD), 1);
	kit_synack(p); /* of number 3, which was whole */
	kit_quiet(k);
}

static void IP_08_overlaps(void **s)
{
	static const uint32_t cuts[][3][2] = {
		{{0, 16}, {8, 24}, {24, 40}}, {{8, 24}, {0, 16}, {24, 40}},
		{{0, 24}, {24, 40}, {16, 32}}, {{16, 40}, {0, 24}, {0, 16}},
		{{0, 16}, {0, 24}, {24, 40}}, {{8, 40}, {0, 16}, {0, 8}},
	};
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	uint8_t buf[10000];
	uint32_t len = long_syn(p, buf);

	for (unsigned int c = 0; c < ARRAY_SIZE(cuts); c++) {
		for (unsigned int i = 0; i < 3; i++)
			send_fragment(k, buf, len, (uint16_t)c, cuts[c][i][0], cuts[c][i][1], 0);
		if (c == 2)
			kit_synack(p); /* it was complete before the overlap came */
		kit_quiet(k);
	}
	kit_drain(k);
	send_seg(p, .flags = RST, .seq = 1);
	kit_silence(k, 70 * SEC); /* no ICMP */
	/* The same piece twice is no overlap. */
	send_fragment(k, buf, len, 100, 8, 24, 0);
	send_fragment(k, buf, len, 100, 8, 24, 0);
	send_fragment(k, buf, len, 100, 0, 8, 0);
	send_fragment(k, buf, len, 100, 0, 8, 0);
	send_fragment(k, buf, len, 100, 24, 40, 0);
	opens_and_goes(k, p);
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_DUP), 2);
}

static void IP_11_ecn_of_fragments(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_plain(k);
	uint8_t buf[10000];
	uint32_t len = kit_build(p, &(struct seg){.flags = ACK, .seq = 1, .ack = 1, .len = 20}, buf);

	send_fragment(k, buf, len, 1, 0, 24, IP_ECN_NOT_ECT);
	send_fragment(k, buf, len, 1, 24, 40, IP_ECN_CE);
	send_fragment(k, buf, len, 2, 24, 40, IP_ECN_CE);
	send_fragment(k, buf, len, 2, 0, 24, IP_ECN_NOT_ECT);
	kit_silence(k, 70 * SEC);
	assert_int_equal(p->app.rx, 0);
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_BAD), 4);
	send_fragment(k, buf, len, 3, 0, 24, 2);
	send_fragment(k, buf, len, 3, 24, 40, IP_ECN_CE);
	assert_int_equal(p->app.rx, 20);
}

/* A frame with a tag of 802.1Q in it. */
static void send_tagged(struct kit_peer *p, const struct seg *s, uint16_t tag)
{
	uint8_t buf[2000], tagged[2000];
	const uint32_t len = kit_build(p, s, buf);

	memcpy(tagged, buf, 2 * ETH_ADDR_LEN);
	store_be16(tagged + 12, ETH_TYPE_VLAN);
	store_be16(tagged + 14, tag);
	memcpy(tagged + 16, buf + 12, len - 12);
	kit_inject(p->k, tagged, len + 4);
}

/* VID 0 is a priority and no VLAN; answers have no tag, which kit_parse looks at. Also where a
 * glance comes first. */
static void L2_16_priority_tags(void **s)
{
	struct kit *k = *s;
	struct tcp_opts o = {.flags = TCP_OPTS_MSS, .mss = 1460};

	for (unsigned int glance = 0; glance < 2; glance++) {
		struct kit_peer *p = kit_peer(k);

		k->glance = glance;
		send_tagged(p, &(struct seg){.flags = SYN, .opts = o}, 5);
		kit_silence(k, 3 * SEC);
		send_tagged(p, &(struct seg){.flags = SYN, .opts = o}, 0xe000);
		kit_synack(p);
		send_tagged(p, &(struct seg){.flags = ACK, .seq = 1, .ack = 1, .len = 1000}, 0);
		kit_advance(k, 100 * MS);
		expect(p, .flags = ACK, .seq = 1, .ack = 1001);
		send_tagged(p, &(struct seg){.flags = ACK, .seq = 1001, .ack = 1, .len = 1000}, 5);
		kit_silence(k, 100 * MS);
		send_seg(p, .flags = FIN | ACK, .seq = 1001, .ack = 1);
		expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1002);
		send_tagged(p, &(struct seg){.flags = ACK, .seq = 1002, .ack = 2}, 0xe000);
		assert_int_equal(p->app.rx, 1000);
	}
	assert_int_equal(kit_ctr(k, CTR_RX_VLAN), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(IP_01_malformed_headers),
		KIT_TEST(IP_02_strong_host),
		KIT_TEST(IP_03_options_are_skipped),
		KIT_TEST(IP_03_all_lengths),
		KIT_TEST(IP_04_source_routes_are_refused),
		KIT_TEST(IP_05_identification),
		KIT_TEST(IP_06_syn_in_fragments),
		KIT_TEST(IP_06_data_in_fragments),
		KIT_TEST(IP_07_flood_of_first_fragments),
		KIT_TEST(IP_07_time_and_length),
		KIT_TEST(IP_08_overlaps),
		KIT_TEST(IP_11_ecn_of_fragments),
		KIT_TEST(L2_16_priority_tags),
	};

	return KIT_RUN("ip", tests);
}
