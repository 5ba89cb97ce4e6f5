/*
 * The parser's short way of an IPv6 frame in one piece, TCP right behind its header, against the long one, which a frame
 * in two pieces takes: the same facts, whatever bit of the headers is another, and whatever the port says.
 */
#include "kit6.h"
#include "ways.h"

#include "base/counter.h"
#include "wire/ip4.h"
#include "wire/tcp.h"

#define CLASS_AT 14
#define LEN_AT	 18
#define SADDR_AT 22
#define DADDR_AT 38
#define TCP_AT	 KIT6_L4

/* Returns the kind. */
static uint8_t same(const struct kit6_frame *k, uint64_t ol_flags)
{
	return same_ways(k->buf, k->len, ol_flags);
}

static const uint8_t ts[12] = {1, 1, 8, 10, 0, 0, 1, 0, 0xff, 0, 0, 2};
static const uint8_t sack[12] = {1, 1, 5, 10, 0, 0, 1, 0, 0, 0, 2, 0};
static const uint8_t mss[4] = {2, 4, 5, 0xa0};

static const struct {
	uint32_t first; /* word of the IPv6 header */
	const uint8_t *opt;
	unsigned opt_len, payload_len;
	uint8_t flags;
} frames[] = {
	{0x60000000, NULL, 0, 0, TCP_ACK},
	{0x600abcde, NULL, 0, 80, TCP_ACK | TCP_PSH},
	{0x60000000 | (46 << 2 | IP_ECN_CE) << 20, NULL, 0, 1, TCP_ACK},
	{0x60000000 | IP_ECN_ECT0 << 20, ts, 12, 33, TCP_ACK},
	{0x60000001, mss, 4, 0, TCP_SYN},
	{0x60000000, ts, 12, 0, TCP_ACK},
	{0x600fffff, ts, 12, 51, TCP_ACK | TCP_FIN},
	{0x60000000, sack, 12, 0, TCP_ACK},
};

/* With len octets of payload. */
static void make(struct kit6_frame *k, unsigned i, unsigned len)
{
	kit6_begin(k);
	store_be32(k->buf + CLASS_AT, frames[i].first);
	kit6_tcp(k, frames[i].flags, frames[i].opt, frames[i].opt_len, len);
}

static void every_bit(void **state)
{
	static struct kit6_frame k, bad;

	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
		make(&k, i, frames[i].payload_len);
		assert_int_equal(same(&k, 0), PKT_TCP);
		for (uint32_t bit = 0; bit < 8 * (TCP_AT + 20 + frames[i].opt_len); bit++) {
			const uint32_t at = bit / 8;

			bad = k;
			bad.buf[at] ^= (uint8_t)(1 << bit % 8);
			same(&bad, 0);
			if (at == LEN_AT || at == LEN_AT + 1)
				continue;
			kit6_sum(&bad, TCP_AT, 16, 6);
			same(&bad, 0);
		}
	}
}

/* Each length of payload, summed by words and what is left of them; and one octet of it is another. */
static void every_length(void **state)
{
	static struct kit6_frame k;

	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
		for (unsigned len = 0; len <= 200; len++) {
			make(&k, i, len);
			assert_int_equal(same(&k, 0), PKT_TCP);
			if (!len)
				continue;
			k.buf[k.len - 1 - len / 3] ^= 0x41;
			assert_int_equal(same(&k, 0), PKT_DROP);
		}
	}
}

/* Ports of 0, lengths that fit nothing, a frame that ends early or late. */
static void other_values(void **state)
{
	static struct kit6_frame k, bad;

	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
		make(&k, i, frames[i].payload_len);
		for (unsigned at = TCP_AT; at <= TCP_AT + 2; at += 2) {
			bad = k;
			bad.buf[at] = bad.buf[at + 1] = 0;
			kit6_sum(&bad, TCP_AT, 16, 6);
			assert_int_equal(same(&bad, 0), PKT_DROP);
		}
		for (unsigned len = 0; len < 160; len++) {
			bad = k;
			store_be16(bad.buf + LEN_AT, (uint16_t)len);
			if (len >= 20 && TCP_AT + len <= k.len)
				kit6_sum(&bad, TCP_AT, 16, 6);
			same(&bad, 0);
		}
		store_be16(bad.buf + LEN_AT, UINT16_MAX);
		assert_int_equal(same(&bad, 0), PKT_DROP);
		for (unsigned len = 2; len < k.len + 8; len++) {
			bad = k;
			bad.len = len;
			same(&bad, 0);
		}
	}
}

/* Of IPv4, of nobody, of the host itself, and such as differ from those in one octet. */
static void other_addresses(void **state)
{
	static const uint8_t addr[][16] = {
		{[10] = 0xff, 0xff, 192, 0, 2, 1}, {[15] = 0}, {[15] = 1}, {[10] = 0xff, 0xfe, 192, 0, 2, 1},
		{[7] = 1, [10] = 0xff, 0xff, 192, 0, 2, 1}, {[10] = 0xff, 0xff}, {0xff, 2, [15] = 1},
	};
	static struct kit6_frame k;
	unsigned dropped = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
		for (unsigned j = 0; j < 2 * ARRAY_SIZE(addr); j++) {
			make(&k, i, frames[i].payload_len);
			memcpy(k.buf + (j & 1 ? DADDR_AT : SADDR_AT), addr[j / 2], 16);
			kit6_sum(&k, TCP_AT, 16, 6);
			dropped += same(&k, 0) == PKT_DROP;
		}
	}
	assert_int_equal(dropped, 4 * ARRAY_SIZE(frames)); /* the two of IPv4, here and there */
}

static void what_the_port_says(void **state)
{
	static const uint64_t l4[] = {RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN, RTE_MBUF_F_RX_L4_CKSUM_BAD,
				      RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_NONE};
	static const uint64_t ip[] = {RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN, RTE_MBUF_F_RX_IP_CKSUM_BAD,
				      RTE_MBUF_F_RX_IP_CKSUM_GOOD, RTE_MBUF_F_RX_IP_CKSUM_NONE};
	static struct kit6_frame k;

	for (unsigned i = 0; i < 4096; i++) {
		const unsigned frame = (i ^ i >> 9) % ARRAY_SIZE(frames);

		make(&k, frame, frames[frame].payload_len);
		k.buf[TCP_AT + 16] ^= i & 128 ? 1 : 0; /* of TCP's sum */
		k.buf[5] ^= i & 256 ? 1 : 0;
		port.flags = i & 512 ? PKT_RX_ANY_MAC : 0;
		same(&k, l4[i & 3] | ip[i >> 2 & 3] | (i & 16 ? RTE_MBUF_F_RX_VLAN_STRIPPED : 0) |
				 (i & 32 ? RTE_MBUF_F_RX_RSS_HASH : 0));
	}
	port.flags = 0;
}

/* A burst of both families: each frame is what it is alone. */
static void both_families(void **state)
{
	static struct kit6_frame k6;
	struct kit_frame k4 = {.tcp_flags = TCP_ACK, .tcp_opt = ts, .tcp_opt_len = 12};
	struct pkt_facts got[8], alone;
	struct rte_mbuf *m[8];

	make(&k6, 6, 51);
	kit_frame_make(&k4);
	memset(got, 0xa5, sizeof(got));
	for (unsigned i = 0; i < 8; i++)
		m[i] = i % 3 ? kit_chain(pool, k6.buf, k6.len, NULL, 0) : kit_chain(pool, k4.buf, k4.len, NULL, 0);
	m[4]->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD; /* a long way in between */
	pkt_parse_burst(m, got, 8, 3, &port);
	for (unsigned i = 0; i < 8; i++) {
		memset(&alone, 0xa5, sizeof(alone));
		pkt_parse_burst(&m[i], &alone, 1, 3, &port);
		assert_memory_equal(&got[i], &alone, sizeof(alone));
		assert_int_equal(got[i].flags & PKT_F_V6, i % 3 ? PKT_F_V6 : 0);
		rte_pktmbuf_free(m[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit),
		cmocka_unit_test(every_length),
		cmocka_unit_test(other_values),
		cmocka_unit_test(other_addresses),
		cmocka_unit_test(what_the_port_says),
		cmocka_unit_test(both_families),
	};

	return cmocka_run_group_tests(tests, start, kit_stop);
}
