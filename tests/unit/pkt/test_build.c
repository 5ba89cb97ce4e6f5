/*
 * Building packets and the recycler, rows HDR-01 and L2-17: slices of all kinds, cut and skipped at
 * random, against the flat bytes; mbufs running out at every point; every pool full again at the
 * end of every test.
 */
#include "kit.h"

#include "pkt/build.h"
#include "wire/ip4.h"
#include "wire/sum.h"
#include "wire/tcp.h"

#define N_DATA     31
#define N_INDIRECT 15
#define N_RX       63
#define SMALL_BUF  (RTE_PKTMBUF_HEADROOM + 256)

static struct rte_mempool *data_mp, *small_mp, *indirect_mp, *rx_mp;
static struct pkt_pool pool, small; /* small: segments of 256 bytes, so that copies chain */
static struct pkt_port port;

static int start(void **state)
{
	if (kit_start(state) < 0)
		return -1;
	data_mp = kit_pool("data", N_DATA, KIT_BUF);
	small_mp = kit_pool("small", N_DATA, SMALL_BUF);
	indirect_mp = kit_pool("indirect", N_INDIRECT, 0);
	rx_mp = kit_pool("rx", N_RX, KIT_BUF);
	return 0;
}

static int setup(void **state)
{
	pkt_pool_init(&pool, data_mp, indirect_mp);
	pkt_pool_init(&small, small_mp, indirect_mp);
	port = (struct pkt_port){
		.mtu = 1500, .copy_below = PKT_COPY_BELOW, .flags = PKT_TX_MULTI_SEG};
	return 0;
}

static int balanced(void **state)
{
	pkt_pool_drain(&pool);
	pkt_pool_drain(&small);
	assert_int_equal(rte_mempool_avail_count(data_mp), N_DATA);
	assert_int_equal(rte_mempool_avail_count(small_mp), N_DATA);
	assert_int_equal(rte_mempool_avail_count(indirect_mp), N_INDIRECT);
	assert_int_equal(rte_mempool_avail_count(rx_mp), N_RX);
	return 0;
}

/* A send queue, and the same bytes flat. */
struct queue {
	struct slice s[12];
	unsigned n;
	uint32_t len;
	uint8_t flat[12 * 1600];
};

static void queue_add(struct queue *q, enum slice_kind kind, uint32_t len, bool with_sum)
{
	struct slice *s = &q->s[q->n++];
	uint8_t *p;

	*s = (struct slice){.kind = kind, .len = len, .seq = q->len};
	if (kind == SLICE_STATIC) {
		p = malloc(len);
	} else {
		s->owner = rte_pktmbuf_alloc(rx_mp);
		s->owner->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_RSS_HASH;
		p = rte_pktmbuf_mtod_offset(s->owner, uint8_t *, kit_rnd() % 80);
	}
	kit_fill(p, len);
	memcpy(q->flat + q->len, p, len);
	s->data = p;
	if (with_sum) {
		s->sum = sum_fold(sum_partial(p, len, 0));
		s->flags = SLICE_SUM;
	}
	q->len += len;
}

static void queue_free(struct queue *q)
{
	for (unsigned i = 0; i < q->n; i++) {
		if (q->s[i].kind == SLICE_STATIC)
			free((void *)(uintptr_t)q->s[i].data);
		slice_put(&q->s[i]);
	}
}

/* The chain is sound and carries just these bytes. */
static void check_bytes(const struct rte_mbuf *m, const uint8_t *want, uint32_t len)
{
	uint32_t at = 0, segs = 0;

	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(m->pkt_len, len);
	assert_int_equal(m->ol_flags, 0);
	assert_true(rte_pktmbuf_headroom(m) >= RTE_PKTMBUF_HEADROOM);
	assert_true(RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1);
	for (const struct rte_mbuf *s = m; s; s = s->next, segs++) {
		if (s->data_len)
			assert_memory_equal(rte_pktmbuf_mtod(s, uint8_t *), want + at, s->data_len);
		assert_int_equal(s->ol_flags & ~RTE_MBUF_F_INDIRECT, 0);
		at += s->data_len;
	}
	assert_int_equal(at, len);
	assert_int_equal(segs, m->nb_segs);
}

static unsigned attached(const struct rte_mbuf *m)
{
	unsigned n = 0;

	for (; m; m = m->next)
		n += RTE_MBUF_CLONED(m) != 0;
	return n;
}

static void test_random(void **state)
{
	unsigned references = 0, chains = 0;

	for (unsigned round = 0; round < 6000; round++) {
		static struct queue q;
		struct pkt_pool *from = round & 1 ? &small : &pool;
		bool linear = round % 8 == 0, gives = round % 8 == 2;
		struct slice before[ARRAY_SIZE(q.s)];
		uint32_t skip, len;
		struct rte_mbuf *m;
		uint16_t sum;

		q = (struct queue){0};
		for (unsigned n = 1 + kit_rnd() % 8; n; n--)
			queue_add(&q, kit_rnd() % 3, 1 + kit_rnd() % (kit_rnd() & 1 ? 60 : 1460),
				  kit_rnd() & 1);
		port.flags = linear ? 0 : PKT_TX_MULTI_SEG;
		port.tx_mode = gives ? PKT_TX_GIVES_AWAY : round % 2 ? PKT_TX_HOLDS : PKT_TX_COPIES;
		port.copy_below = (uint16_t)(kit_rnd() % 3 ? kit_rnd() % 1000 : 0);
		skip = kit_rnd() & 1 ? kit_rnd() % q.s[0].len : 0;
		len = kit_rnd() & 1 ? q.len - skip : kit_rnd() % (q.len - skip + 1);
		len = min_of(len, 1460u);
		memcpy(before, q.s, sizeof(before));
		m = pkt_build(from, &port, q.s, q.n, skip, len, round % 5 ? &sum : NULL);
		assert_non_null(m);
		check_bytes(m, q.flat + skip, len);
		if (round % 5)
			assert_int_equal(be16(sum), kit_sum(q.flat + skip, len, 0));
		assert_memory_equal(before, q.s, sizeof(before));
		if (linear)
			assert_int_equal(m->nb_segs, 1);
		if (gives)
			assert_int_equal(attached(m), 0);
		references += attached(m);
		chains += m->nb_segs > 2;
		if (round & 4) { /* whoever is first gives up its reference */
			queue_free(&q);
			check_bytes(m, q.flat + skip, len);
			rte_pktmbuf_free(m);
		} else {
			rte_pktmbuf_free(m);
			queue_free(&q);
		}
	}
	assert_true(references > 1000 && chains > 1000);
}

static unsigned chained(struct pkt_pool *from, const struct queue *q, uint32_t skip, uint32_t len)
{
	struct rte_mbuf *m = pkt_build(from, &port, q->s, q->n, skip, len, NULL);
	unsigned n;

	assert_non_null(m);
	n = m->nb_segs;
	rte_pktmbuf_free(m);
	return n;
}

/* As much as fits, and not an octet less. */
static void test_chain_fit(void **state)
{
	unsigned cut = 0;

	for (unsigned round = 0; round < 3000; round++) {
		static struct queue q;
		struct pkt_pool *from = round & 1 ? &small : &pool;
		uint32_t skip, len, fit;

		q = (struct queue){0};
		for (unsigned n = 1 + kit_rnd() % 8; n; n--)
			queue_add(&q, kit_rnd() % 3, 1 + kit_rnd() % (kit_rnd() & 1 ? 60 : 700),
				  kit_rnd() & 1);
		port.tx_mode = round % 8 ? PKT_TX_HOLDS : PKT_TX_GIVES_AWAY;
		port.copy_below = (uint16_t)(kit_rnd() % 400);
		port.tso_mbufs = (uint16_t)(2 + kit_rnd() % 4);
		skip = kit_rnd() & 1 ? kit_rnd() % q.s[0].len : 0;
		len = 1 + kit_rnd() % (q.len - skip);
		fit = pkt_chain_fit(from, &port, q.s, q.n, skip, len);
		assert_in_range(fit, 1, len);
		assert_true(chained(from, &q, skip, fit) <= port.tso_mbufs);
		if (fit < len)
			assert_true(chained(from, &q, skip, len) > port.tso_mbufs);
		cut += fit < len;
		queue_free(&q);
	}
	assert_in_range(cut, 100, 2900);
}

/* RTE_MBUF_F_TX_TCP_SEG: a pseudo-header's sum without the length, and the size of a segment. */
static void test_segmented(void **state)
{
	const uint32_t saddr = BE32(0x0a000001), daddr = BE32(0x0a00fffe);
	const struct pkt_tcp h = {.pseudo = (uint64_t)saddr + daddr, .seq = 1};
	const struct {
		uint32_t saddr, daddr;
		uint8_t zero, proto;
		uint16_t len;
	} pseudo = {saddr, daddr, 0, IP_PROTO_TCP, 0};

	port.flags |= PKT_TX_TCP_CSUM;
	for (uint16_t len = 1; len < 1900; len += 31) {
		struct rte_mbuf *m = pkt_alloc(&pool);

		rte_pktmbuf_append(m, len);
		pkt_push_tcp(m, &port, &h, NULL, 0);
		rte_pktmbuf_prepend(m, ETH_HDR_LEN + IP4_HDR_LEN);
		pkt_offload(m, &port, ETH_HDR_LEN, IP4_HDR_LEN, TCP_HDR_LEN);
		pkt_segmented(m, 100);
		assert_int_equal(m->tso_segsz, 100);
		assert_true(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG);
		assert_int_equal(load_be16(rte_pktmbuf_mtod_offset(
					 m, uint8_t *, ETH_HDR_LEN + IP4_HDR_LEN + 16)),
				 kit_sum((const uint8_t *)&pseudo, sizeof(pseudo), 0));
		rte_pktmbuf_free(m);
	}
}

/* What is copied and what is referenced, at the limits. */
static void test_copy_or_reference(void **state)
{
	static const struct {
		enum slice_kind kind;
		uint32_t len;
		uint16_t copy_below;
		uint8_t flags, tx_mode;
		unsigned attached;
	} cases[] = {
		{SLICE_MBUF, 900, 900, PKT_TX_MULTI_SEG, PKT_TX_COPIES, 1},
		{SLICE_MBUF, 899, 900, PKT_TX_MULTI_SEG, PKT_TX_COPIES, 0},
		{SLICE_COPY, 900, 900, PKT_TX_MULTI_SEG, PKT_TX_HOLDS, 1},
		{SLICE_STATIC, 900, 900, PKT_TX_MULTI_SEG, PKT_TX_HOLDS, 0},
		{SLICE_MBUF, 900, 900, 0, PKT_TX_COPIES, 0},
		{SLICE_MBUF, 900, 900, PKT_TX_MULTI_SEG, PKT_TX_GIVES_AWAY, 0},
		{SLICE_MBUF, PKT_COPY_ALWAYS, 0, PKT_TX_MULTI_SEG, PKT_TX_COPIES, 1},
		{SLICE_MBUF, PKT_COPY_ALWAYS - 1, 0, PKT_TX_MULTI_SEG, PKT_TX_COPIES, 0},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		static struct queue q;
		struct rte_mbuf *m;

		q = (struct queue){0};
		queue_add(&q, cases[i].kind, cases[i].len, false);
		port.flags = cases[i].flags;
		port.tx_mode = cases[i].tx_mode;
		port.copy_below = cases[i].copy_below;
		m = pkt_build(&pool, &port, q.s, 1, 0, q.len, NULL);
		check_bytes(m, q.flat, q.len);
		assert_int_equal(attached(m), cases[i].attached);
		if (cases[i].attached) {
			assert_ptr_equal(rte_pktmbuf_mtod(m->next, uint8_t *), q.s[0].data);
			assert_int_equal(rte_mbuf_refcnt_read(q.s[0].owner), 2);
		}
		rte_pktmbuf_free(m);
		pool.indirect = NULL;
		m = pkt_build(&pool, &port, q.s, 1, 0, q.len, NULL);
		assert_int_equal(attached(m), 0);
		rte_pktmbuf_free(m);
		pool.indirect = indirect_mp;
		queue_free(&q);
	}
}

/* Small slices are copied together, before a reference and behind it (WND-16's few bytes). */
static void test_small_slices_share(void **state)
{
	static struct queue q;
	struct rte_mbuf *m;

	q = (struct queue){0};
	for (unsigned i = 0; i < 4; i++)
		queue_add(&q, SLICE_MBUF, 30, false);
	queue_add(&q, SLICE_MBUF, 1000, false);
	for (unsigned i = 0; i < 4; i++)
		queue_add(&q, SLICE_STATIC, 30, false);
	m = pkt_build(&pool, &port, q.s, q.n, 0, q.len, NULL);
	check_bytes(m, q.flat, q.len);
	assert_int_equal(m->nb_segs, 3);
	assert_int_equal(attached(m), 1);
	rte_pktmbuf_free(m);
	queue_free(&q);
}

/* A slice's own sum is believed when the whole slice is used, and only then. */
static void test_slice_sum(void **state)
{
	for (unsigned kind = SLICE_STATIC; kind <= SLICE_COPY; kind++) {
		static struct queue q;
		struct rte_mbuf *m;
		uint16_t sum;

		q = (struct queue){0};
		queue_add(&q, kind, 1001, true);
		q.s[0].sum = 0x1234;
		m = pkt_build(&pool, &port, q.s, 1, 0, 1001, &sum);
		assert_int_equal(sum, 0x1234);
		rte_pktmbuf_free(m);
		m = pkt_build(&pool, &port, q.s, 1, 0, 1000, &sum);
		assert_int_equal(be16(sum), kit_sum(q.flat, 1000, 0));
		rte_pktmbuf_free(m);
		m = pkt_build(&pool, &port, q.s, 1, 1, 1000, &sum);
		assert_int_equal(be16(sum), kit_sum(q.flat + 1, 1000, 0));
		rte_pktmbuf_free(m);
		queue_free(&q);
	}
}

static void test_empty(void **state)
{
	uint16_t sum = 7;
	struct rte_mbuf *m = pkt_build(&pool, &port, NULL, 0, 0, 0, &sum);

	check_bytes(m, NULL, 0);
	assert_int_equal(sum, 0);
	assert_int_equal(m->nb_segs, 1);
	rte_pktmbuf_free(m);
}

/* A slice whose owner is itself a reference: what a reassembled or cloned packet gives. */
static void test_indirect_owner(void **state)
{
	static struct queue q;
	struct rte_mbuf *clone, *direct, *m;

	q = (struct queue){0};
	queue_add(&q, SLICE_MBUF, 1200, false);
	direct = q.s[0].owner;
	direct->data_len = 1400;
	direct->pkt_len = 1400;
	clone = rte_pktmbuf_clone(direct, indirect_mp);
	rte_pktmbuf_free(direct);
	q.s[0].owner = clone;
	m = pkt_build(&pool, &port, q.s, 1, 0, q.len, NULL);
	assert_int_equal(attached(m), 1);
	queue_free(&q);
	check_bytes(m, q.flat, q.len);
	rte_pktmbuf_free(m);
}

/* Linear and too long for an mbuf: refused, nothing lost. */
static void test_linear_too_long(void **state)
{
	static struct queue q;

	q = (struct queue){0};
	queue_add(&q, SLICE_MBUF, 1000, false);
	port.flags = 0;
	assert_null(pkt_build(&small, &port, q.s, 1, 0, 257, NULL));
	assert_int_equal(rte_mempool_avail_count(small_mp), N_DATA);
	struct rte_mbuf *m = pkt_build(&small, &port, q.s, 1, 0, 256, NULL);
	check_bytes(m, q.flat, 256);
	rte_pktmbuf_free(m);
	queue_free(&q);
}

/* Take all but `leave` mbufs of mp. */
static unsigned drain(struct rte_mempool *mp, unsigned leave, struct rte_mbuf **taken)
{
	unsigned n = 0;

	while (rte_mempool_avail_count(mp) > leave)
		taken[n++] = rte_pktmbuf_alloc(mp);
	return n;
}

static void test_shortage(void **state)
{
	static struct queue q;
	struct rte_mbuf *data[N_DATA], *ind[N_INDIRECT];
	unsigned built = 0, failed = 0;

	q = (struct queue){0};
	queue_add(&q, SLICE_STATIC, 700, false);
	queue_add(&q, SLICE_MBUF, 1000, false);
	queue_add(&q, SLICE_STATIC, 40, false);
	queue_add(&q, SLICE_MBUF, 1000, true);
	queue_add(&q, SLICE_COPY, 1000, true);
	queue_add(&q, SLICE_MBUF, 300, true);
	/* data mbufs: 256 + 384 + 60 of the 700, 40, 300; references: 3 */
	for (unsigned d = 0; d <= 5; d++) {
		for (unsigned i = 0; i <= 3; i++) {
			unsigned nd = drain(small_mp, d, data), ni = drain(indirect_mp, i, ind);
			uint16_t sum;
			struct rte_mbuf *m = pkt_build(&small, &port, q.s, q.n, 0, q.len, &sum);

			if (m) {
				check_bytes(m, q.flat, q.len);
				assert_int_equal(be16(sum), kit_sum(q.flat, q.len, 0));
				rte_pktmbuf_free(m);
				built++;
			} else {
				failed++;
			}
			assert_int_equal(m != NULL, d == 5 && i == 3);
			assert_int_equal(rte_mempool_avail_count(small_mp), d);
			assert_int_equal(rte_mempool_avail_count(indirect_mp), i);
			for (unsigned k = 0; k < q.n; k++)
				if (q.s[k].owner)
					assert_int_equal(rte_mbuf_refcnt_read(q.s[k].owner), 1);
			rte_pktmbuf_free_bulk(data, nd);
			rte_pktmbuf_free_bulk(ind, ni);
		}
	}
	assert_int_equal(built, 1);
	assert_int_equal(failed, 23);
	queue_free(&q);
}

/* Put Ethernet, IPv4 and TCP headers before the payload, checksums as garbage. */
/* As output does it: TCP header, IPv4 and Ethernet header, offload fields. */
static void push_headers(struct rte_mbuf *m, unsigned l4_len, uint16_t payload_sum)
{
	uint32_t payload = m->pkt_len;
	const uint32_t saddr = BE32(0xc6120002), daddr = be32(0xfeff01f3 + payload);
	struct pkt_tcp h = {.pseudo = (uint64_t)saddr + daddr,
			    .sport = BE16(80), .dport = BE16(0xfffe), .seq = 0xffff0000u + payload,
			    .ack = 0x80000000u, .window = 0xfedc, .urg = (uint16_t)(payload * 3),
			    .flags = TCP_ACK | TCP_PSH, .payload_sum = payload_sum};
	uint32_t opt[PKT_OPT_WORDS];
	struct ip4_hdr *ip;
	uint8_t *p;

	for (unsigned i = 0; i < sizeof(opt); i++)
		((uint8_t *)opt)[i] = (uint8_t)(i * 37 + payload);
	assert_int_equal(pkt_push_tcp(m, &port, &h, opt, (l4_len - 20) / 4), l4_len);
	p = (uint8_t *)rte_pktmbuf_prepend(m, 14 + 20);
	for (unsigned i = 0; i < 34; i++)
		p[i] = (uint8_t)(i * 37 + payload);
	ip = (struct ip4_hdr *)(p + 14);
	ip->ver_ihl = IP4_VER_IHL;
	ip->total_len = be16((uint16_t)(20 + l4_len + payload));
	ip->proto = IP_PROTO_TCP;
	ip->saddr = saddr;
	ip->daddr = daddr;
	pkt_ip_finish(m, 14);
	pkt_offload(m, &port, 14, IP4_HDR_LEN, l4_len);
}

static uint32_t flatten(const struct rte_mbuf *m, uint8_t *to)
{
	const uint8_t *p = rte_pktmbuf_read(m, 0, m->pkt_len, to);

	if (p != to)
		memcpy(to, p, m->pkt_len);
	return m->pkt_len;
}

/* What a NIC does with the offload flags of m, on the flat frame. */
static void nic_finish(const struct rte_mbuf *m, uint8_t *frame, uint32_t len)
{
	uint8_t *ip = frame + m->l2_len, *tcp = ip + m->l3_len;

	if (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) {
		assert_int_equal(load16(ip + 10), 0);
		store_be16(ip + 10, (uint16_t)~kit_sum(ip, 20, 0));
	}
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM)
		store_be16(tcp + 16, (uint16_t)~kit_sum(tcp, len - 34, 0));
}

static void test_finish(void **state) /* HDR-01 */
{
	static const uint32_t lens[] = {0, 1, 2, 63, 899, 900, 1000, 1447, 1448};

	for (unsigned i = 0; i < ARRAY_SIZE(lens) * 11; i++) {
		uint32_t len = lens[i % ARRAY_SIZE(lens)];
		unsigned l4_len = 20 + i / ARRAY_SIZE(lens) * 4;
		static struct queue q;
		uint8_t soft[2048], hard[2048];

		q = (struct queue){0};
		if (len)
			queue_add(&q, i % 3, len, i & 1);
		for (unsigned off = 0; off < 4; off++) {
			uint8_t *frame = off ? hard : soft;
			struct rte_mbuf *m;
			uint16_t sum = 0x7777;
			uint32_t n;

			port.flags = PKT_TX_MULTI_SEG | (off & 1 ? PKT_TX_IP_CSUM : 0) |
				     (off & 2 ? PKT_TX_TCP_CSUM : 0);
			m = pkt_build(&pool, &port, q.s, q.n, 0, len,
				      pkt_needs_sum(&port) ? &sum : NULL);
			push_headers(m, l4_len, sum);
			assert_int_equal(!!(m->ol_flags & RTE_MBUF_F_TX_IPV4), off != 0);
			assert_int_equal(!!(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM), off & 1);
			assert_int_equal((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) ==
						 RTE_MBUF_F_TX_TCP_CKSUM,
					 !!(off & 2));
			if (off)
				assert_int_equal(m->l4_len, l4_len);
			n = flatten(m, frame);
			nic_finish(m, frame, n);
			assert_int_equal(kit_sum(frame + 14, 20, 0), 0xffff);
			assert_int_equal(kit_sum(frame + 34, n - 34,
						 kit_sum(frame + 26, 8, 6 + n - 34)), 0xffff);
			if (off)
				assert_memory_equal(soft, hard, n);
			if (len)
				assert_memory_equal(frame + n - len, q.flat, len);
			rte_pktmbuf_free(m);
		}
		queue_free(&q);
	}
}

static void test_ip_finish(void **state)
{
	for (unsigned ihl = 5; ihl <= 15; ihl++) {
		struct rte_mbuf *m = pkt_alloc(&pool);
		uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, 100);

		kit_fill(p, 100);
		p[14] = (uint8_t)(0x40 | ihl);
		pkt_ip_finish(m, 14);
		assert_int_equal(kit_sum(p + 14, ihl * 4, 0), 0xffff);
		rte_pktmbuf_free(m);
	}
}

static void test_pad(void **state) /* L2-17 */
{
	for (uint16_t len = 14; len < 80; len++) {
		struct rte_mbuf *m = pkt_alloc(&pool);
		uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
		uint16_t want = max_of(len, (uint16_t)60);

		memset(p, 0xa5, 200);
		rte_pktmbuf_append(m, len);
		assert_true(pkt_pad(m));
		assert_int_equal(m->pkt_len, want);
		assert_int_equal(m->data_len, want);
		for (unsigned i = 0; i < 200; i++)
			assert_int_equal(p[i], i < len || i >= want ? 0xa5 : 0);
		rte_pktmbuf_free(m);
	}
	struct rte_mbuf *m = pkt_alloc(&pool);
	m->data_off = m->buf_len - 50;
	rte_pktmbuf_append(m, 50);
	assert_false(pkt_pad(m));
	assert_int_equal(m->pkt_len, 50);
	rte_pktmbuf_free(m);
}

/* A short frame is one segment of our own whatever copy_below is: padding touches nobody else. */
static void test_pad_never_shared(void **state)
{
	port.copy_below = 0;
	for (uint32_t len = 1; len < 6; len++) {
		static struct queue q;
		struct rte_mbuf *m;

		q = (struct queue){0};
		queue_add(&q, SLICE_MBUF, len, false);
		m = pkt_build(&pool, &port, q.s, 1, 0, len, NULL);
		push_headers(m, 20, 0);
		assert_true(pkt_pad(m));
		assert_int_equal(m->nb_segs, 1);
		assert_int_equal(m->pkt_len, 60);
		assert_memory_equal(q.s[0].data, q.flat, len);
		rte_pktmbuf_free(m);
		queue_free(&q);
	}
}

static void test_recycle(void **state)
{
	struct rte_mbuf *a = rte_pktmbuf_alloc(rx_mp), *b = rte_pktmbuf_alloc(data_mp);

	rte_pktmbuf_append(a, 100);
	a->data_off += 14;
	a->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	a->vlan_tci = 7;
	pkt_recycle(&pool, a);
	pkt_recycle(&pool, b);
	assert_ptr_equal(pkt_alloc(&pool), b); /* the last in is the warmest */
	assert_ptr_equal(pkt_alloc(&pool), a);
	check_bytes(a, NULL, 0);
	assert_int_equal(a->vlan_tci, 0);
	assert_int_equal(a->data_off, RTE_PKTMBUF_HEADROOM);
	rte_pktmbuf_free(a);
	rte_pktmbuf_free(b);
}

static void test_recycle_refuses(void **state)
{
	static const uint32_t cut = 30;
	uint8_t frame[60] = {0};
	struct rte_mbuf *m = rte_pktmbuf_alloc(rx_mp), *clone;

	rte_pktmbuf_append(m, 60);
	clone = rte_pktmbuf_clone(m, indirect_mp);
	pkt_recycle(&pool, m); /* somebody refers to it */
	pkt_recycle(&pool, clone);
	assert_int_equal(pool.n, 0);
	pkt_recycle(&pool, rte_pktmbuf_alloc(indirect_mp)); /* no buffer */
	pkt_recycle(&pool, rte_pktmbuf_alloc(small_mp));    /* too small a buffer */
	pkt_recycle(&pool, kit_chain(rx_mp, frame, 60, NULL, 0));
	pkt_recycle(&pool, kit_chain(rx_mp, frame, 60, &cut, 1));
	m = rte_pktmbuf_alloc(rx_mp);
	rte_pktmbuf_chain(m, rte_pktmbuf_alloc(rx_mp));
	pkt_recycle(&pool, m);
	assert_int_equal(pool.n, 0);
	assert_int_equal(rte_mempool_avail_count(rx_mp), N_RX);
}

static void test_recycle_full_and_trim(void **state)
{
	struct rte_mbuf *m[N_RX + N_DATA];
	unsigned n = 0;

	while (n < N_RX)
		m[n++] = rte_pktmbuf_alloc(rx_mp);
	while (n < N_RX + N_DATA)
		m[n++] = rte_pktmbuf_alloc(data_mp);
	assert_true(n > PKT_POOL_LIFO);
	for (unsigned i = 0; i < n; i++)
		pkt_recycle(&pool, m[i]);
	assert_int_equal(pool.n, PKT_POOL_LIFO);
	pkt_pool_trim(&pool);
	assert_int_equal(pool.n, PKT_POOL_KEEP);
	for (unsigned i = 0; i < PKT_POOL_KEEP; i++)
		assert_ptr_equal(pool.lifo[i], m[PKT_POOL_LIFO - PKT_POOL_KEEP + i]);
	assert_int_equal(rte_mempool_avail_count(rx_mp) + rte_mempool_avail_count(data_mp),
			 N_RX + N_DATA - PKT_POOL_KEEP);
	pkt_pool_trim(&pool);
	assert_int_equal(pool.n, PKT_POOL_KEEP);
}

/* The recycler serves when the mempool is empty; then there is nothing. */
static void test_alloc_runs_out(void **state)
{
	struct rte_mbuf *taken[N_DATA], *m = rte_pktmbuf_alloc(rx_mp);
	unsigned n = drain(data_mp, 0, taken);

	pkt_recycle(&pool, m);
	assert_ptr_equal(pkt_alloc(&pool), m);
	assert_null(pkt_alloc(&pool));
	assert_null(pkt_build(&pool, &port, NULL, 0, 0, 0, NULL));
	rte_pktmbuf_free(m);
	rte_pktmbuf_free_bulk(taken, n);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, balanced)
	const struct CMUnitTest tests[] = {
		TEST(test_random),
		TEST(test_chain_fit),
		TEST(test_segmented),
		TEST(test_copy_or_reference),
		TEST(test_small_slices_share),
		TEST(test_slice_sum),
		TEST(test_empty),
		TEST(test_indirect_owner),
		TEST(test_linear_too_long),
		TEST(test_shortage),
		TEST(test_finish),
		TEST(test_ip_finish),
		TEST(test_pad),
		TEST(test_pad_never_shared),
		TEST(test_recycle),
		TEST(test_recycle_refuses),
		TEST(test_recycle_full_and_trim),
		TEST(test_alloc_runs_out),
	};

	return cmocka_run_group_tests(tests, start, kit_stop);
}
