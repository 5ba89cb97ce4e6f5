/*
 * Fuzzes the parser of frames and that of TCP options.
 *
 * The first byte says what the input is: a frame, cut into a chain at two places, its checksums
 * vouched for by the port or not, or the options of a segment. Oracle: a frame's facts are the same however it is cut, and what they point at lies
 * inside; options report nothing outside theirs, which end where the buffer does, for the sanitizer
 * to see.
 */
#include <rte_mempool.h>

#include "fuzz.h"
#include "kit.h"

static struct rte_mbuf *chain(const uint8_t *data, uint32_t len, uint32_t a, uint32_t b)
{
	const uint32_t cuts[] = {0, min_of(a, b), max_of(a, b), len};
	struct rte_mbuf *m = NULL;

	for (unsigned int i = 0; i < 3; i++) {
		uint32_t n = cuts[i + 1] - cuts[i];
		struct rte_mbuf *seg;

		if (!n && !(i == 2 && !m))
			continue;
		seg = rte_pktmbuf_alloc(kit_mp);
		/* To the buffer's end: beyond is another's. */
		seg->data_off = (uint16_t)(seg->buf_len - n);
		memcpy(rte_pktmbuf_append(seg, (uint16_t)n), data + cuts[i], n);
		if (!m)
			m = seg;
		else
			rte_pktmbuf_chain(m, seg);
	}
	return m;
}

/* data: two places to cut, and the frame. */
static void parse_frame(const uint8_t *data, size_t size, bool vouched)
{
	struct pkt_port pp = {.mtu = 1500};
	uint32_t len = (uint32_t)size - 2, a = data[0] % (len + 1), b = data[1] % (len + 1);
	struct rte_mbuf *m[2] = {chain(data + 2, len, 0, 0), chain(data + 2, len, a, b)};
	struct pkt_facts f[2] = {0}; /* with what the parser does not write */

	memcpy(pp.mac, kit_mac, 6);
	for (unsigned int i = 0; i < 2; i++) {
		if (vouched)
			m[i]->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		pkt_parse_one(m[i], &f[i], 0, &pp);
		assert_true(f[i].kind <= PKT_PROBLEM);
		if (f[i].kind == PKT_DROP || f[i].kind == PKT_PROBLEM)
			assert_true(f[i].reason < CTR_RX_DROPS_END);
		else if (f[i].kind != PKT_ARP)
			assert_true((uint32_t)f[i].l4_off + f[i].l4_len <= len);
		if (f[i].kind == PKT_PROBLEM)
			assert_true(f[i].problem_ptr < len - ETH_HDR_LEN && f[i].flags & PKT_F_V6);
		if (f[i].kind == PKT_TCP)
			assert_true((uint32_t)f[i].payload_off + f[i].payload_len <= len);
		if (f[i].flags & PKT_F_SACK)
			assert_true(f[i].sack_off + 8u * f[i].sack_n <= f[i].payload_off);
		rte_pktmbuf_free(m[i]);
	}
	assert_memory_equal(&f[0], &f[1], sizeof(f[0]));
}

static void parse_options(const uint8_t *data, size_t size, bool syn)
{
	unsigned int len = (unsigned int)min_of(size, (size_t)40);
	uint8_t *opt = malloc(len + 1); /* of just that size, wherever it begins */
	struct tcp_opts fast, full;

	memcpy(opt + 1, data, len);
	tcp_opt_parse(opt + 1, len, syn, &fast);
	tcp_opt_parse_full(opt + 1, len, syn, &full);
	assert_int_equal(fast.flags, full.flags);
	if (full.flags & TCP_OPTS_SACK) {
		assert_in_range(full.sack_n, 1, TCP_SACK_MAX);
		assert_true(full.sack_off + 8u * full.sack_n <= len);
		for (unsigned int i = 0; i < full.sack_n; i++)
			(void)tcp_sack_load(opt + 1 + full.sack_off, i);
	}
	if (full.flags & TCP_OPTS_TS)
		assert_int_equal(fast.tsval, full.tsval);
	if (!syn)
		assert_false(full.flags & (TCP_OPTS_MSS | TCP_OPTS_WSCALE | TCP_OPTS_SACK_OK));
	free(opt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (kit_main_start())
		abort();
	if (size < 4 || size > 2000)
		return 0;
	if (data[0] & 1)
		parse_frame(data + 1, size - 1, data[0] & 2);
	else
		parse_options(data + 1, size - 1, data[0] & 2);
	return 0;
}
