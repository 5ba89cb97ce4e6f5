/*
 * The parser's short way, of a frame in one piece with usual headers, against the long one, which a frame in two pieces
 * takes: the same facts, whatever bit of the headers is another, and whatever the port says.
 */
#include "ways.h"

#include "base/counter.h"
#include "wire/ip4.h"
#include "wire/tcp.h"

/* Returns the kind. */
static uint8_t same(const struct kit_frame *k, uint64_t ol_flags)
{
	return same_ways(k->buf, k->len, ol_flags);
}

static const uint8_t payload[80] = "pack my box with five dozen liquor jugs";
static const uint8_t ts[12] = {1, 1, 8, 10, 0, 0, 1, 0, 0xff, 0, 0, 2};
static const uint8_t sack[12] = {1, 1, 5, 10, 0, 0, 1, 0, 0, 0, 2, 0};
static const uint8_t mss[4] = {2, 4, 5, 0xb4};

static const struct kit_frame frames[] = {
	{.tcp_flags = TCP_ACK},
	{.tcp_flags = TCP_ACK | TCP_PSH, .payload = payload, .payload_len = 80},
	{.tcp_flags = TCP_ACK, .payload = payload, .payload_len = 1, .tos = 46 << 2 | IP_ECN_CE},
	{.tcp_flags = TCP_SYN, .tcp_opt = mss, .tcp_opt_len = 4},
	{.tcp_flags = TCP_ACK, .tcp_opt = ts, .tcp_opt_len = 12},
	{.tcp_flags = TCP_ACK | TCP_FIN, .tcp_opt = ts, .tcp_opt_len = 12, .payload = payload, .payload_len = 51},
	{.tcp_flags = TCP_ACK, .tcp_opt = sack, .tcp_opt_len = 12},
};

/* Of a change at that byte the sums can be made again: lengths stay where they are. */
static bool has_sums(uint32_t at)
{
	return at != 14 && at != 16 && at != 17;
}

static void every_bit(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
		struct kit_frame k = frames[i];

		kit_frame_make(&k);
		assert_int_equal(same(&k, 0), PKT_TCP);
		for (uint32_t bit = 0; bit < 8 * (54 + k.tcp_opt_len); bit++) {
			struct kit_frame bad = k;

			bad.buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
			same(&bad, 0);
			if (has_sums(bit / 8))
				kit_frame_sums(&bad);
			else
				kit_ip_sum(&bad);
			same(&bad, 0);
		}
	}
}

/* Each length of payload, summed by words and what is left of them; and one octet of it is another. */
static void every_length(void **state)
{
	static uint8_t bytes[200];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(0xff - 7 * i);
	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
		for (unsigned len = 0; len <= sizeof(bytes); len++) {
			struct kit_frame k = frames[i];

			k.payload = bytes;
			k.payload_len = len;
			kit_frame_make(&k);
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
	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
		struct kit_frame k = frames[i], bad;

		kit_frame_make(&k);
		for (unsigned at = 34; at <= 36; at += 2) {
			bad = k;
			bad.buf[at] = bad.buf[at + 1] = 0;
			kit_frame_sums(&bad);
			assert_int_equal(same(&bad, 0), PKT_DROP);
		}
		for (unsigned len = 0; len < 160; len++) {
			bad = k;
			bad.buf[16] = 0;
			bad.buf[17] = (uint8_t)len;
			if (len >= 40 && len <= k.len - 14)
				kit_frame_sums(&bad);
			else
				kit_ip_sum(&bad);
			same(&bad, 0);
		}
		for (unsigned len = 2; len < k.len + 8; len++) {
			bad = k;
			bad.len = len;
			same(&bad, 0);
		}
	}
}

static void what_the_port_says(void **state)
{
	for (unsigned i = 0; i < 4096; i++) {
		struct kit_frame k = frames[i % ARRAY_SIZE(frames)];
		const uint64_t l4[] = {RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN, RTE_MBUF_F_RX_L4_CKSUM_BAD,
				       RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_NONE};
		const uint64_t ip[] = {RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN, RTE_MBUF_F_RX_IP_CKSUM_BAD,
				       RTE_MBUF_F_RX_IP_CKSUM_GOOD, RTE_MBUF_F_RX_IP_CKSUM_NONE};

		kit_frame_make(&k);
		k.buf[24] ^= i & 64 ? 1 : 0; /* of the IPv4 header's sum */
		k.buf[50] ^= i & 128 ? 1 : 0; /* of TCP's */
		k.buf[5] ^= i & 256 ? 1 : 0;
		port.flags = i & 512 ? PKT_RX_ANY_MAC : 0;
		same(&k, l4[i & 3] | ip[i >> 2 & 3] | (i & 16 ? RTE_MBUF_F_RX_VLAN_STRIPPED : 0) |
				 (i & 32 ? RTE_MBUF_F_RX_RSS_HASH : 0));
	}
	port.flags = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit),
		cmocka_unit_test(every_length),
		cmocka_unit_test(other_values),
		cmocka_unit_test(what_the_port_says),
	};

	return cmocka_run_group_tests(tests, start, kit_stop);
}
