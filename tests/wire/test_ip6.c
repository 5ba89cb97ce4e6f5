/*
 * IPv6 below TCP: extension headers, options, routing headers, fragments. Frames are made by hand, header by
 * header. Rows: HDR-05, IP-06 to IP-15.
 */
#include "kit.h"
#include "wire/icmp6.h"

#include <rte_mempool.h>

#define L3   ETH_HDR_LEN
#define L4   (L3 + IP6_HDR_LEN)
#define ECHO 81 /* the port of the handler here */
#define ISS  1000

static const uint8_t client[16] = {0xfd, 0, 0, 0x18, [15] = 1}, server[16] = {0xfd, 0, 0, 0x18, [15] = 2},
		     stranger[16] = {0xfd, 0, 0, 0x18, [15] = 9}, all_nodes[16] = {0xff, 0x02, [15] = 1};
static const uint8_t pad[8] = {0, 0, 1, 4}, route[8] = {0};

/* The frame that is being made. */
static struct {
	uint8_t b[4096];
	uint32_t len, next_at;
	uint32_t l4; /* where TCP begins */
	uint16_t sport;
} r;

/* Two connections at a time have different ports. */
static uint16_t next_port;
static unsigned int opened, received;

static void on_open(struct pier_conn *c)
{
	opened++;
}

static size_t on_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	size_t len = 0;

	for (unsigned int i = 0; i < n; i++)
		len += s[i].len;
	received += (unsigned int)len;
	return len;
}

static const struct pier_handler handler = {
	.abi = PIER_HANDLER_ABI, .size = sizeof(struct pier_handler), .name = "ip6",
	.summary = "counts", .open = on_open, .data = on_data,
};

/* One address, of IPv6, and a listener. */
static struct kit *start(void **s)
{
	struct kit *k = *s;
	struct listener *l;

	k->conf.n_addresses = 1;
	k->addrs[0] = (struct engine_address){.prefix = 64};
	memcpy(k->addrs[0].addr, server, 16);
	kit_start(k);
	l = &k->listeners[k->n_listeners];
	*l = k->listeners[0];
	l->handler = &handler;
	l->port_lo = l->port_hi = ECHO;
	k->versions[k->n_listeners++] = engine_listen(k->e, l);
	next_port = 2000;
	opened = received = 0;
	kit_drain(k);
	return k;
}

/* ---- frames in ---- */

static void begin(void)
{
	uint8_t *ip = r.b + L3;

	memset(r.b, 0, sizeof(r.b));
	eth_copy(r.b, kit_mac);
	eth_copy(r.b + 6, kit_peer_mac);
	store_be16(r.b + 12, ETH_TYPE_IP6);
	store_be32(ip, 0x60000000);
	ip[6] = IP6_NEXT_NONE;
	ip[7] = 64;
	memcpy(ip + 8, client, 16);
	memcpy(ip + 24, server, 16);
	r.len = L4;
	r.next_at = L3 + 6;
}

static void to_group(void)
{
	memcpy(r.b, "\x33\x33\0\0\0\1", 6);
	memcpy(r.b + L3 + 24, all_nodes, 16);
}

static void add(uint8_t number, const void *p, uint32_t len)
{
	assert_true(r.len + len <= sizeof(r.b));
	r.b[r.next_at] = number;
	memcpy(r.b + r.len, p, len);
	r.next_at = r.len;
	r.len += len;
	store_be16(r.b + L3 + 4, (uint16_t)(r.len - L4));
}

static void fragment(uint32_t id, uint32_t off, bool more)
{
	uint8_t fh[8] = {0};

	store_be16(fh + 2, (uint16_t)(off | more));
	store_be32(fh + 4, id);
	add(IP6_NEXT_FRAGMENT, fh, 8);
}

static void tcp_sum(uint8_t proto)
{
	const uint32_t len = r.len - r.l4;

	store_be16(r.b + r.l4 + 16, 0);
	store_be16(r.b + r.l4 + 16,
		   be16(sum_finish(sum_partial(r.b + r.l4, len,
					       sum_pseudo6(r.b + L3 + 8, r.b + L3 + 24, proto, len)))));
}

static void tcp(uint16_t sport, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
	uint8_t th[20] = {0};

	store_be16(th, sport);
	store_be16(th + 2, ECHO);
	store_be32(th + 4, seq);
	store_be32(th + 8, ack);
	th[12] = 5 << 4;
	th[13] = flags;
	store_be16(th + 14, 0xffff);
	r.l4 = r.len;
	r.sport = sport;
	add(IP_PROTO_TCP, th, sizeof(th));
	for (uint32_t i = 0; i < len; i++)
		r.b[r.len++] = (uint8_t)(i * 3 + 1);
	store_be16(r.b + L3 + 4, (uint16_t)(r.len - L4));
	tcp_sum(IP_PROTO_TCP);
}

static void syn(void)
{
	tcp(next_port++, SYN, ISS, 0, 0);
}

static void send(struct kit *k)
{
	kit_inject(k, r.b, max_of(r.len, (uint32_t)ETH_MIN_FRAME));
}

/* Of what is behind the IPv6 header of r, the whole but for `head` octets before, octets [from, to) as a fragment. */
static void send_part(struct kit *k, uint32_t id, uint32_t head, uint32_t from, uint32_t to, uint8_t ecn)
{
	const uint32_t whole = r.len - L4 - head, keep = r.len;
	static uint8_t save[sizeof(r.b)];
	uint8_t fh[8] = {0};
	const uint8_t next = head ? r.b[L4] : r.b[L3 + 6];

	assert_true(head == 0 || head == 8);
	to = min_of(to, whole);
	memcpy(save, r.b, sizeof(save));
	fh[0] = next;
	store_be16(fh + 2, (uint16_t)(from | (to < whole)));
	store_be32(fh + 4, id);
	memcpy(r.b + L4 + head + 8, save + L4 + head + from, to - from);
	memcpy(r.b + L4 + head, fh, 8);
	r.b[head ? L4 : L3 + 6] = IP6_NEXT_FRAGMENT;
	store_be16(r.b + L3 + 4, (uint16_t)(head + 8 + to - from));
	r.b[L3 + 1] = (uint8_t)(ecn << 4);
	r.len = L4 + head + 8 + to - from;
	send(k);
	memcpy(r.b, save, sizeof(save));
	r.len = keep;
}

/* ---- frames out ---- */

/* The next frame, an IPv6 packet of ours to the client, of that protocol, its sum right. */
static const uint8_t *next(struct kit *k, uint8_t proto)
{
	const struct kit_frame *f = kit_frame_next(k);
	const struct ipv6_hdr *ip;
	uint16_t len;

	assert_non_null(f);
	ip = (const struct ipv6_hdr *)(f->bytes + L3);
	len = be16(ip->payload_len);
	assert_int_equal(load_be16(f->bytes + 12), ETH_TYPE_IP6);
	assert_memory_equal(f->bytes, kit_peer_mac, 6);
	assert_int_equal(ip6_version(ip), 6);
	assert_int_equal(ip->next, proto);
	assert_memory_equal(ip->saddr, server, 16);
	assert_memory_equal(ip->daddr, client, 16);
	assert_true(L4 + (uint32_t)len <= f->len);
	assert_int_equal(sum_fold(sum_partial(ip + 1, len, sum_pseudo6(ip->saddr, ip->daddr, proto, len))), 0xffff);
	return (const uint8_t *)(ip + 1);
}

/* A SYN-ACK for r; returns its sequence number. */
static uint32_t takes_syn(struct kit *k)
{
	const struct tcp_hdr *th = (const struct tcp_hdr *)next(k, IP_PROTO_TCP);

	assert_int_equal(th->flags, SYN | ACK);
	assert_int_equal(be16(th->sport), ECHO);
	assert_int_equal(be16(th->dport), r.sport);
	assert_int_equal(be32(th->ack), ISS + 1);
	kit_quiet(k);
	return be32(th->seq);
}

/* And it makes place for the next. */
static void opens_and_goes(struct kit *k)
{
	uint16_t sport = r.sport;

	takes_syn(k);
	begin();
	tcp(sport, RST, ISS + 1, 0, 0);
	send(k);
	assert_int_equal(kit_usage(k).half_open, 0);
	kit_quiet(k);
}

/* "Parameter problem" about r, which is quoted; nothing else. */
static void problem(struct kit *k, unsigned int code, unsigned int pointer)
{
	const uint8_t *icmp = next(k, IP_PROTO_ICMPV6);
	const struct icmp6_hdr *h = (const struct icmp6_hdr *)icmp;
	const uint32_t len = be16(((const struct ipv6_hdr *)(icmp - IP6_HDR_LEN))->payload_len) - ICMP6_HDR_LEN;

	assert_int_equal(h->type, ICMP6_PARAM_PROBLEM);
	assert_int_equal(h->code, code);
	assert_int_equal(be32(h->pointer), pointer);
	assert_int_equal(len, min_of(r.len - L3, IP6_MTU_MIN - IP6_HDR_LEN - ICMP6_HDR_LEN + 0u));
	assert_memory_equal(h + 1, r.b + L3, len);
	kit_quiet(k);
	assert_int_equal(kit_usage(k).half_open, 0);
}

static void nothing(struct kit *k, enum counter reason, uint64_t times)
{
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, reason), times);
	assert_int_equal(kit_usage(k).half_open, 0);
}

/* ---- the rows ---- */

static void HDR_05_sums_behind_extension_headers(void **s)
{
	struct kit *k = start(s);

	begin();
	add(IP6_NEXT_DEST_OPTS, pad, 8);
	syn();
	send(k);
	opens_and_goes(k);
	begin();
	add(IP6_NEXT_DEST_OPTS, pad, 8);
	syn();
	tcp_sum(IP6_NEXT_DEST_OPTS);
	send(k);
	nothing(k, CTR_RX_CSUM_BAD, 1);
}

static void IP_12_headers_in_order(void **s)
{
	struct kit *k = start(s);

	begin();
	add(IP6_NEXT_DEST_OPTS, pad, 8);
	add(IP6_NEXT_ROUTING, route, 8);
	add(IP6_NEXT_DEST_OPTS, pad, 8);
	syn();
	send(k);
	opens_and_goes(k);
	begin();
	add(IP6_NEXT_HOP_BY_HOP, pad, 8);
	syn();
	send(k);
	opens_and_goes(k);
	begin();
	add(IP6_NEXT_DEST_OPTS, pad, 8);
	add(IP6_NEXT_HOP_BY_HOP, pad, 8);
	syn();
	send(k);
	problem(k, ICMP6_PROBLEM_NEXT, 40);
	/* Unknown, and those that only look like extension headers to us. */
	for (unsigned int i = 0; i < 4; i++) {
		static const uint8_t unknown[] = {253, IP6_NEXT_AH, IP6_NEXT_ESP, 135};

		begin();
		add(unknown[i], pad, 8);
		send(k);
		problem(k, ICMP6_PROBLEM_NEXT, 6);
		begin();
		add(IP6_NEXT_DEST_OPTS, pad, 8);
		add(IP6_NEXT_DEST_OPTS, pad, 8);
		add(unknown[i], pad, 8);
		send(k);
		problem(k, ICMP6_PROBLEM_NEXT, 48);
	}
	begin();
	add(IP6_NEXT_NONE, pad, 8);
	send(k);
	kit_quiet(k);
}

/* One option of that type, which fills the header. */
static void with_option(uint8_t number, uint8_t type)
{
	uint8_t x[8] = {0, 0, type, 4};

	add(number, x, 8);
}

static void IP_13_unknown_options(void **s)
{
	static const uint8_t type[] = {0x1e, 0x5e, 0x9e, 0xde};
	static const uint8_t in[] = {IP6_NEXT_DEST_OPTS, IP6_NEXT_HOP_BY_HOP};
	struct kit *k = start(s);

	for (unsigned int i = 0; i < ARRAY_SIZE(in); i++) {
		begin();
		with_option(in[i], type[0]);
		syn();
		send(k);
		opens_and_goes(k);
		begin();
		with_option(in[i], type[1]);
		syn();
		send(k);
		nothing(k, CTR_RX_IP6_OPTION, 4 * i + 1);
		for (unsigned int t = 2; t < 4; t++) {
			begin();
			with_option(in[i], type[t]);
			syn();
			send(k);
			problem(k, ICMP6_PROBLEM_OPTION, 42);
			begin();
			to_group();
			with_option(in[i], type[t]);
			syn();
			send(k);
			if (t == 2)
				problem(k, ICMP6_PROBLEM_OPTION, 42);
			kit_quiet(k);
		}
		assert_int_equal(kit_ctr(k, CTR_RX_IP6_OPTION), 4 * i + 4);
		assert_int_equal(kit_ctr(k, CTR_RX_NOT_UNICAST), i + 1);
	}
}

static void IP_14_routing_headers(void **s)
{
	struct kit *k = start(s);
	uint8_t rh[24] = {0, 2};

	for (unsigned int type = 0; type < 256; type += 51) {
		rh[2] = (uint8_t)type;
		rh[3] = 0;
		begin();
		add(IP6_NEXT_ROUTING, rh, sizeof(rh));
		syn();
		send(k);
		opens_and_goes(k);
		rh[3] = 1; /* to another, which it never gets to */
		memcpy(rh + 8, stranger, 16);
		begin();
		add(IP6_NEXT_ROUTING, rh, sizeof(rh));
		syn();
		send(k);
		problem(k, ICMP6_PROBLEM_FIELD, 42);
	}
	assert_int_equal(kit_ctr(k, CTR_RX_IP6_ROUTE), 6);
}

static void IP_15_chains_are_bounded(void **s)
{
	struct kit *k = start(s);

	for (unsigned int n = 1; n <= 200; n += n < 12 ? 1 : 47) {
		begin();
		for (unsigned int i = 0; i < n; i++)
			add(IP6_NEXT_DEST_OPTS, pad, 8);
		syn();
		send(k);
		if (n <= 8)
			opens_and_goes(k);
		kit_quiet(k);
	}
	/* Of every length that can be said, and cut. */
	for (unsigned int len = 0; len < 256; len++) {
		uint8_t x[64] = {IP6_NEXT_DEST_OPTS, (uint8_t)len, 0x1e, 60};

		begin();
		add(IP6_NEXT_DEST_OPTS, x, sizeof(x));
		r.b[L4] = IP6_NEXT_DEST_OPTS; /* the one behind, of zeros */
		for (uint32_t cut = L4 + 1; cut <= r.len; cut++) {
			store_be16(r.b + L3 + 4, (uint16_t)(cut - L4));
			kit_inject(k, r.b, max_of(cut, (uint32_t)ETH_MIN_FRAME));
			kit_quiet(k);
		}
	}
	assert_int_equal(kit_usage(k).half_open, 0);
}

/* ---- fragments ---- */

/* A connection, its three segments sent; returns what ours has to be acknowledged. */
static uint32_t open_one(struct kit *k, uint16_t sport)
{
	uint32_t iss;

	begin();
	tcp(sport, SYN, ISS, 0, 0);
	send(k);
	iss = takes_syn(k) + 1;
	begin();
	tcp(sport, ACK, ISS + 1, iss, 0);
	send(k);
	kit_quiet(k);
	assert_int_equal(opened, 1);
	return iss;
}

static void expect_ack(struct kit *k, uint32_t ack)
{
	const struct tcp_hdr *th;

	kit_advance(k, SEC); /* a delayed ACK too */
	th = (const struct tcp_hdr *)next(k, IP_PROTO_TCP);
	assert_int_equal(th->flags & ~PSH, ACK);
	assert_int_equal(be32(th->ack), ack);
}

static void IP_06_data_in_fragments(void **s)
{
	struct kit *k = start(s);
	uint32_t iss = open_one(k, 3000), seq = ISS + 1;

	for (unsigned int head = 0; head <= 8; head += 8) { /* behind the IPv6 header, or Destination Options */
		begin();
		if (head)
			add(IP6_NEXT_DEST_OPTS, pad, 8);
		tcp(3000, ACK | PSH, seq, iss, 60);
		send_part(k, 5, head, 64, 80, 0);
		send_part(k, 5, head, 24, 40, 0);
		send_part(k, 5, head, 40, 64, 0);
		kit_quiet(k);
		send_part(k, 5, head, 0, 24, 0);
		seq += 60;
		expect_ack(k, seq);
		assert_int_equal(received, seq - ISS - 1);
	}
	assert_int_equal(kit_ctr(k, CTR_RX_REASSEMBLED), 2);
}

/* A SYN with 20 octets of options, the whole of it in the first fragment and something behind. */
static void IP_06_any_order(void **s)
{
	struct kit *k = start(s);
	unsigned int orders = 0;

	for (unsigned int code = 0; code < 256; code++) {
		unsigned int order[4], seen = 0, rest = code;

		for (unsigned int i = 0; i < 4; i++, rest /= 4) {
			order[i] = rest % 4;
			seen |= 1u << order[i];
		}
		if (seen != 15)
			continue;
		begin();
		tcp(next_port++, SYN, ISS, 0, 30);
		for (unsigned int i = 0; i < 4; i++) {
			static const uint32_t cut[] = {0, 24, 32, 40, 50};

			kit_quiet(k);
			send_part(k, code, 0, cut[order[i]], cut[order[i] + 1], 0);
		}
		opens_and_goes(k);
		orders++;
	}
	assert_int_equal(orders, 24);
}

static unsigned int mbufs_in_use(struct kit *k)
{
	kit_turn(k);
	return rte_mempool_in_use_count(kit_mp);
}

static void IP_07_flood_of_first_fragments(void **s)
{
	struct kit *k = start(s);
	unsigned int most = 0;
	uint32_t n;

	begin();
	fragment(0, 0, true);
	add(IP_PROTO_UDP, pad, 8);
	for (n = 0; n < 1000000; n += 50) {
		kit_burst_begin(k);
		for (unsigned int i = 0; i < 50; i++) {
			/* One source, and from the middle on each one its own. */
			store_be32(r.b + L4 + 4, n + i);
			if (n >= 500000)
				store_be32(r.b + L3 + 16, n + i);
			send(k);
		}
		kit_burst_end(k);
		if (n % 10000 == 0)
			most = max_of(most, mbufs_in_use(k));
	}
	/* Charged as allocated: 256 KiB in buffers of 9,472 bytes, and some that are recycled. */
	assert_in_range(most, 4, 256 * KIB / 9472 + 64);
	begin();
	tcp(next_port++, SYN, ISS, 0, 30);
	send_part(k, 9, 0, 0, 24, 0);
	send_part(k, 9, 0, 24, 50, 0);
	opens_and_goes(k);
	kit_advance(k, 60 * SEC);
	kit_drain(k);
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_FULL) + kit_ctr(k, CTR_RX_FRAG_TIMEOUT), 1000000);
	assert_true(kit_ctr(k, CTR_RX_FRAG_TIMEOUT) > 0);
}

static void IP_07_time_and_length(void **s)
{
	struct kit *k = start(s);
	const uint64_t t0 = k->now;
	const struct icmp6_hdr *h;

	begin();
	tcp(next_port++, SYN, ISS, 0, 30);
	/* Without its first fragment a datagram ends in silence, with it in Time Exceeded. */
	send_part(k, 1, 0, 24, 32, 0);
	kit_advance(k, SEC);
	send_part(k, 2, 0, 0, 24, 0);
	send_part(k, 2, 0, 40, 50, 0);
	kit_advance_to(k, t0 + 61 * SEC - 1);
	kit_quiet(k);
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_TIMEOUT), 1);
	kit_advance(k, 1);
	h = (const struct icmp6_hdr *)next(k, IP_PROTO_ICMPV6);
	assert_int_equal(h->type, ICMP6_TIME_EXCEEDED);
	assert_int_equal(h->code, ICMP6_EXCEEDED_REASSEMBLY);
	assert_memory_equal((const uint8_t *)(h + 1) + IP6_HDR_LEN + 8, r.b + L4, 24);
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_TIMEOUT), 3);
	/* The time runs from the first to arrive: what completes it later comes too late. */
	send_part(k, 2, 0, 24, 40, 0);
	kit_quiet(k);
	assert_int_equal(kit_usage(k).half_open, 0);
	/* Beyond 65,535 octets, and an odd number of them with more to come: of the first fragment its sender is told. */
	begin();
	fragment(3, 65528, false);
	add(IP_PROTO_UDP, pad, 8);
	send(k);
	begin();
	fragment(3, 8, true);
	add(IP_PROTO_UDP, pad, 7);
	send(k);
	kit_quiet(k);
	begin();
	fragment(3, 0, true);
	add(IP_PROTO_UDP, pad, 7);
	send(k);
	problem(k, ICMP6_PROBLEM_FIELD, 4);
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_BAD), 3);
}

static void IP_08_overlaps(void **s)
{
	static const uint32_t cuts[][3][2] = {
		{{0, 32}, {24, 40}, {40, 50}}, {{24, 40}, {0, 32}, {40, 50}},
		{{0, 24}, {24, 50}, {32, 40}}, {{32, 50}, {0, 40}, {0, 32}},
	};
	struct kit *k = start(s);

	begin();
	tcp(next_port++, SYN, ISS, 0, 30);
	for (uint32_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		for (unsigned int n = 0; n < 3; n++) {
			send_part(k, i, 0, cuts[i][n][0], cuts[i][n][1], 0);
			if (i == 2 && n == 1) { /* complete before the overlap */
				opens_and_goes(k);
				begin();
				tcp(next_port++, SYN, ISS, 0, 30);
			}
			kit_quiet(k);
		}
		if (i == 2)
			continue;
		send_part(k, i, 0, 0, 24, 0); /* also what would have completed it */
		send_part(k, i, 0, 24, 50, 0);
		kit_quiet(k);
	}
	kit_silence(k, 59 * SEC);
	assert_int_equal(kit_usage(k).half_open, 0);
	kit_advance(k, 2 * SEC); /* the fragment that came behind a whole datagram was no first one */
	kit_quiet(k);
	send_part(k, 9, 0, 0, 24, 0);
	send_part(k, 9, 0, 0, 24, 0);
	send_part(k, 9, 0, 40, 50, 0);
	send_part(k, 9, 0, 40, 50, 0);
	send_part(k, 9, 0, 24, 40, 0);
	opens_and_goes(k);
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_DUP), 2);
}

static void IP_09_first_fragments_without_the_header(void **s)
{
	struct kit *k = start(s);

	for (uint32_t len = 8; len <= 16; len += 8) {
		begin();
		fragment(len, 0, true);
		add(IP_PROTO_TCP, "\x10\0\0\x51\0\0\0\1\0\0\0\0\x50\2\xff", len);
		send(k);
		problem(k, ICMP6_PROBLEM_CHAIN, 0);
		begin(); /* nor if other headers are before it */
		fragment(len + 100, 0, true);
		add(IP6_NEXT_DEST_OPTS, pad, 8);
		add(IP_PROTO_TCP, "\x10\0\0\x51\0\0\0\1\0\0\0\0\x50\2\xff", len);
		send(k);
		problem(k, ICMP6_PROBLEM_CHAIN, 0);
	}
	kit_silence(k, 61 * SEC); /* nothing was queued */
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_TIMEOUT), 0);
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_BAD), 4);
}

static void IP_10_atomic_fragments(void **s)
{
	struct kit *k = start(s);
	uint16_t half;

	begin();
	tcp(next_port++, SYN, ISS, 0, 30);
	half = r.sport;
	send_part(k, 7, 0, 0, 24, 0);
	kit_quiet(k);
	begin();
	fragment(7, 0, false);
	syn();
	send(k);
	opens_and_goes(k);
	begin();
	tcp(half, SYN, ISS, 0, 30);
	send_part(k, 7, 0, 24, 50, 0);
	opens_and_goes(k);
	assert_int_equal(kit_ctr(k, CTR_RX_REASSEMBLED), 1);
}

static void IP_11_ecn_of_fragments(void **s)
{
	struct kit *k = start(s);
	uint32_t iss = open_one(k, 3000);

	begin();
	tcp(3000, ACK, ISS + 1, iss, 20);
	send_part(k, 1, 0, 0, 24, IP_ECN_NOT_ECT);
	send_part(k, 1, 0, 24, 40, IP_ECN_CE);
	send_part(k, 2, 0, 24, 40, IP_ECN_CE);
	send_part(k, 2, 0, 0, 24, IP_ECN_NOT_ECT);
	kit_silence(k, 70 * SEC);
	assert_int_equal(received, 0);
	assert_int_equal(kit_ctr(k, CTR_RX_FRAG_BAD), 4);
	send_part(k, 3, 0, 0, 24, IP_ECN_ECT0);
	send_part(k, 3, 0, 24, 40, IP_ECN_CE);
	assert_int_equal(received, 20);
	kit_drain(k);
}

/* A fragment of what is a fragment again is of nothing. */
static void fragments_of_fragments(void **s)
{
	struct kit *k = start(s);

	begin();
	fragment(1, 8, true);
	add(IP_PROTO_TCP, "\x10\0\0\x51\0\0\0\1\0\0\0\0\x50\2\xff\xff\0\0\0\0more than a TCP header", 40);
	send_part(k, 2, 0, 0, 32, 0);
	send_part(k, 2, 0, 32, 48, 0);
	nothing(k, CTR_RX_FRAG_BAD, 1);
	assert_int_equal(kit_ctr(k, CTR_RX_REASSEMBLED), 1);
}

/* An option that is not known behind the Fragment header: of the datagram, once it is whole. */
static void problems_in_fragments(void **s)
{
	struct kit *k = start(s);
	const struct icmp6_hdr *h;

	begin();
	with_option(IP6_NEXT_DEST_OPTS, 0xde);
	tcp(next_port++, SYN, ISS, 0, 30);
	send_part(k, 2, 0, 32, 58, 0);
	kit_quiet(k);
	send_part(k, 2, 0, 0, 32, 0);
	h = (const struct icmp6_hdr *)next(k, IP_PROTO_ICMPV6);
	assert_int_equal(h->type, ICMP6_PARAM_PROBLEM);
	assert_int_equal(h->code, ICMP6_PROBLEM_OPTION);
	assert_int_equal(be32(h->pointer), 42);
	assert_int_equal(kit_usage(k).half_open, 0);
	kit_quiet(k);
}

/* "Who has our address?", in n fragments of which one is atomic: RFC 6980 section 5. */
static void ask(struct kit *k, unsigned int n)
{
	struct nd_msg ns = {.type = ICMP6_NEIGHBOR_SOLICIT};
	static const uint8_t opt[8] = {ND_OPT_SOURCE_MAC, 1, 2, 0, 0, 0, 0, 1};
	uint32_t l4;

	begin();
	r.b[L3 + 7] = ND_HOP_LIMIT;
	if (n == 1)
		fragment(1, 0, false);
	memcpy(ns.target, server, 16);
	l4 = r.len;
	add(IP_PROTO_ICMPV6, &ns, sizeof(ns));
	memcpy(r.b + r.len, opt, sizeof(opt));
	r.len += sizeof(opt);
	store_be16(r.b + L3 + 4, (uint16_t)(r.len - L4));
	store_be16(r.b + l4 + 2,
		   be16(sum_finish(sum_partial(r.b + l4, r.len - l4, sum_pseudo6(client, server, IP_PROTO_ICMPV6, 32)))));
	if (n == 2) {
		send_part(k, 1, 0, 0, 16, 0);
		send_part(k, 1, 0, 16, 32, 0);
	} else {
		send(k);
	}
}

static void L2_08_neighbours_do_not_ask_in_fragments(void **s)
{
	struct kit *k = start(s);

	ask(k, 0);
	assert_int_equal(next(k, IP_PROTO_ICMPV6)[0], ICMP6_NEIGHBOR_ADVERT);
	ask(k, 1);
	ask(k, 2);
	assert_int_equal(kit_ctr(k, CTR_RX_REASSEMBLED), 1);
	kit_quiet(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(HDR_05_sums_behind_extension_headers),
		KIT_TEST(IP_12_headers_in_order),
		KIT_TEST(IP_13_unknown_options),
		KIT_TEST(IP_14_routing_headers),
		KIT_TEST(IP_15_chains_are_bounded),
		KIT_TEST(IP_06_data_in_fragments),
		KIT_TEST(IP_06_any_order),
		KIT_TEST(IP_07_flood_of_first_fragments),
		KIT_TEST(IP_07_time_and_length),
		KIT_TEST(IP_08_overlaps),
		KIT_TEST(IP_09_first_fragments_without_the_header),
		KIT_TEST(IP_10_atomic_fragments),
		KIT_TEST(IP_11_ecn_of_fragments),
		KIT_TEST(fragments_of_fragments),
		KIT_TEST(problems_in_fragments),
		KIT_TEST(L2_08_neighbours_do_not_ask_in_fragments),
	};

	return cmocka_run_group_tests_name("ip6", tests, kit_group_setup, NULL);
}
