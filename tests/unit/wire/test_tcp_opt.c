/*
 * TCP options, rows OPT-01 to OPT-06 and OPT-08. Options are parsed from buffers of exactly their
 * length, at four alignments, so that a sanitizer sees any read beyond them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/tcp_opt.h"

#define NOP TCP_OPT_NOP

static struct tcp_opts parse(const uint8_t *opt, unsigned len, bool syn)
{
	struct tcp_opts out, first;

	for (unsigned align = 0; align < 4; align++) { /* OPT-05 */
		uint8_t *mem = malloc(align + len);

		if (len)
			memcpy(mem + align, opt, len);
		memset(&out, 0xa5, sizeof(out));
		tcp_opt_parse(mem + align, len, syn, &out);
		free(mem);
		if (align == 0)
			first = out;
		assert_memory_equal(&out, &first, sizeof(out));
	}
	return out;
}

#define PARSE(syn, ...)                                                                            \
	({                                                                                         \
		const uint8_t opt_[] = {__VA_ARGS__};                                              \
		parse(opt_, sizeof(opt_), syn);                                                    \
	})

static void test_basic(void **state) /* OPT-01, OPT-03, OPT-06 */
{
	struct tcp_opts o;

	o = parse(NULL, 0, true);
	assert_int_equal(o.flags, 0);
	o = PARSE(true, NOP, NOP, 2, 4, 0x03, 0xe8, 0, 0);
	assert_int_equal(o.flags, TCP_OPTS_MSS);
	assert_int_equal(o.mss, 1000);
	o = PARSE(true, 253, 6, 1, 2, 3, 4, 2, 4, 0x02, 0xbc);
	assert_int_equal(o.flags, TCP_OPTS_MSS);
	assert_int_equal(o.mss, 700);
	o = PARSE(true, 0, 2, 4, 0, 100, 0xff, 0xff, 0xff);
	assert_int_equal(o.flags, 0);
	o = PARSE(true, NOP, 0, 8, 0);
	assert_int_equal(o.flags, 0);
}

static void test_linux_syn(void **state)
{
	struct tcp_opts o = PARSE(true, 2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, NOP,
				  3, 3, 7);

	assert_int_equal(o.flags,
			 TCP_OPTS_MSS | TCP_OPTS_SACK_OK | TCP_OPTS_TS | TCP_OPTS_WSCALE);
	assert_int_equal(o.mss, 1460);
	assert_int_equal(o.tsval, 0x01020304);
	assert_int_equal(o.tsecr, 0);
	assert_int_equal(o.wscale, 7);
	o = PARSE(true, 3, 3, 255, NOP);
	assert_int_equal(o.wscale, 255);
}

/* The short ways of a SYN say what the long one says, of what they know and of whatever is nearly that. */
static void test_syn_short_ways(void **state)
{
	static const uint8_t usual[] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, NOP, 3, 3, 7};
	static const uint8_t scaled[] = {2, 4, 0x05, 0xb4, NOP, 3, 3, 9};
	static const struct {
		const uint8_t *opt;
		unsigned len;
	} layouts[] = {{usual, 20}, {scaled, 8}, {usual, 4}};
	struct tcp_opts o = parse(usual, 20, true), full;
	uint8_t b[20];

	assert_int_equal(o.flags, TCP_OPTS_MSS | TCP_OPTS_SACK_OK | TCP_OPTS_TS | TCP_OPTS_WSCALE);
	assert_int_equal(o.mss, 1460);
	assert_int_equal(o.tsval, 0x01020304);
	assert_int_equal(o.tsecr, 0x05060708);
	assert_int_equal(o.wscale, 7);
	o = parse(scaled, 8, true);
	assert_int_equal(o.flags, TCP_OPTS_MSS | TCP_OPTS_WSCALE);
	assert_int_equal(o.wscale, 9);
	for (unsigned n = 0; n < ARRAY_SIZE(layouts); n++) {
		for (unsigned i = 0; i < layouts[n].len * 256; i++) {
			memcpy(b, layouts[n].opt, layouts[n].len);
			b[i / 256] = (uint8_t)i;
			o = parse(b, layouts[n].len, true);
			memset(&full, 0xa5, sizeof(full));
			tcp_opt_parse_full(b, layouts[n].len, true, &full);
			assert_memory_equal(&o, &full, offsetof(struct tcp_opts, sack_off) + 1);
		}
	}
}

static void test_ts_layouts(void **state)
{
	static const uint8_t ts[] = {8, 10, 0xde, 0xad, 0xbe, 0xef, 0xff, 0, 0x7f, 1};

	for (unsigned before = 0; before <= 6; before++) {
		for (unsigned after = 0; after <= 6; after++) {
			uint8_t opt[22];
			struct tcp_opts o;

			memset(opt, NOP, sizeof(opt));
			memcpy(opt + before, ts, sizeof(ts));
			o = parse(opt, before + 10 + after, before & 1);
			assert_int_equal(o.flags, TCP_OPTS_TS);
			assert_int_equal(o.tsval, 0xdeadbeef);
			assert_int_equal(o.tsecr, 0xff007f01);
		}
	}
}

static void test_syn_only(void **state) /* OPT-08 */
{
	struct tcp_opts o = PARSE(false, 2, 4, 0, 100, 3, 3, 14, 4, 2, NOP, NOP, NOP);

	assert_int_equal(o.flags, 0);
	o = PARSE(true, NOP, NOP, 5, 10, 1, 2, 3, 4, 5, 6, 7, 8);
	assert_int_equal(o.flags, 0);
}

static void test_sack(void **state)
{
	uint8_t opt[40];

	for (unsigned before = 0; before <= 4; before++) {
		for (unsigned n = 1; n <= 4 && before + 2 + 8 * n <= 40; n++) {
			struct tcp_opts o;

			memset(opt, NOP, sizeof(opt));
			opt[before] = TCP_OPT_SACK;
			opt[before + 1] = (uint8_t)(2 + 8 * n);
			for (unsigned i = 0; i < 8 * n; i++)
				opt[before + 2 + i] = (uint8_t)(i * 7);
			o = parse(opt, before + 2 + 8 * n, false);
			assert_int_equal(o.flags, TCP_OPTS_SACK);
			assert_int_equal(o.sack_n, n);
			assert_int_equal(o.sack_off, before + 2);
		}
	}
}

static bool right_length(unsigned kind, unsigned len)
{
	switch (kind) {
	case TCP_OPT_MSS:
		return len == 4;
	case TCP_OPT_WSCALE:
		return len == 3;
	case TCP_OPT_SACK_OK:
		return len == 2;
	case TCP_OPT_SACK:
		return len == 10 || len == 18 || len == 26 || len == 34;
	case TCP_OPT_TS:
		return len == 10;
	}
	return true;
}

static unsigned flag_of(unsigned kind, bool syn)
{
	switch (kind) {
	case TCP_OPT_MSS:
		return syn ? TCP_OPTS_MSS : 0;
	case TCP_OPT_WSCALE:
		return syn ? TCP_OPTS_WSCALE : 0;
	case TCP_OPT_SACK_OK:
		return syn ? TCP_OPTS_SACK_OK : 0;
	case TCP_OPT_SACK:
		return syn ? 0 : TCP_OPTS_SACK;
	case TCP_OPT_TS:
		return TCP_OPTS_TS;
	}
	return 0;
}

/*
 * OPT-04: each known kind (and two unknown) with lengths 0 to 255 in all spaces from 2 to 40 octets,
 * a good option before it and one behind it.
 */
static void OPT_04_T_25_lengths(void **state)
{
	static const uint8_t kinds[] = {2, 3, 4, 5, 8, 19, 254};
	uint8_t opt[40];

	for (unsigned k = 0; k < sizeof(kinds) * 2 * 256; k++) {
		uint8_t kind = kinds[k % sizeof(kinds)];
		bool syn = k / sizeof(kinds) & 1;
		unsigned len = k / sizeof(kinds) / 2;

		for (unsigned space = 2; space <= 40; space++) {
			bool ends = len < 2 || len > space;
			unsigned want;
			struct tcp_opts o;

			memset(opt, NOP, sizeof(opt));
			opt[0] = kind;
			opt[1] = (uint8_t)len;
			if (!ends && space - len >= TCP_OPT_TS_LEN) {
				opt[len] = TCP_OPT_TS;
				opt[len + 1] = TCP_OPT_TS_LEN;
			}
			o = parse(opt, space, syn);
			want = ends ? TCP_OPTS_BAD :
			       right_length(kind, len) ? flag_of(kind, syn) : TCP_OPTS_BAD;
			if (!ends && space - len >= TCP_OPT_TS_LEN)
				want |= TCP_OPTS_TS;
			assert_int_equal(o.flags, want);
		}
	}
}

/* What stands before a malformed option stays valid; a kind as the last octet has no length. */
static void test_bad_keeps_earlier(void **state)
{
	struct tcp_opts o = PARSE(true, 2, 4, 0x05, 0xb4, 8, 0, 3, 3, 7);

	assert_int_equal(o.flags, TCP_OPTS_MSS | TCP_OPTS_BAD);
	assert_int_equal(o.mss, 1460);
	o = PARSE(true, 2, 4, 0x05, 0xb4, NOP, NOP, NOP, 8);
	assert_int_equal(o.flags, TCP_OPTS_MSS | TCP_OPTS_BAD);
}

/* Any bytes at all: ends, stays inside, and what it reports lies inside. */
static void test_random(void **state)
{
	uint64_t seed = 1;

	for (unsigned i = 0; i < 300000; i++) {
		unsigned len = i % 41;
		uint8_t *opt = malloc(len);
		struct tcp_opts o;

		for (unsigned j = 0; j < len; j++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			opt[j] = (uint8_t)(seed >> 60 < 12 ? seed >> 40 & 15 : seed >> 40);
		}
		tcp_opt_parse(opt, len, i & 1, &o);
		if (o.flags & TCP_OPTS_SACK) {
			assert_in_range(o.sack_n, 1, TCP_SACK_MAX);
			assert_true(o.sack_off + 8u * o.sack_n <= len);
		}
		free(opt);
	}
}

static void test_emit_syn(void **state)
{
	for (unsigned flags = 0; flags < 16; flags++) {
		struct tcp_opts in = {.tsval = 0x11223344,
				      .tsecr = 0x55667788,
				      .mss = 1234,
				      .wscale = 9,
				      .flags = (uint8_t)flags};
		uint8_t p[TCP_OPT_SYN_MAX + 1];
		unsigned len;
		struct tcp_opts o;

		memset(p, 0xa5, sizeof(p));
		len = tcp_opt_emit_syn(p, &in);
		assert_in_range(len, 0, TCP_OPT_SYN_MAX);
		assert_int_equal(len % 4, 0);
		assert_int_equal(p[len], 0xa5);
		o = parse(p, len, true);
		assert_int_equal(o.flags, flags);
		assert_int_equal(o.mss, flags & TCP_OPTS_MSS ? 1234 : 0);
		assert_int_equal(o.wscale, flags & TCP_OPTS_WSCALE ? 9 : 0);
		assert_int_equal(o.tsval, flags & TCP_OPTS_TS ? 0x11223344 : 0);
		assert_int_equal(o.tsecr, flags & TCP_OPTS_TS ? 0x55667788 : 0);
	}
}

static void test_emit_ts_sack(void **state)
{
	static const struct tcp_sack_block blocks[TCP_SACK_MAX] = {
		{1, 2}, {0xfffffff0, 0x10}, {0x80000000, 0x80000001}, {7, 9}};
	uint8_t p[48];
	struct tcp_opts o;

	for (unsigned n = 1; n <= TCP_SACK_MAX; n++) {
		unsigned at = n < 4 ? tcp_opt_emit_ts(p, 5, 6) : 0;
		unsigned len = at + tcp_opt_emit_sack(p + at, blocks, n);

		assert_int_equal(len, at + 4 + 8 * n);
		assert_in_range(len, 0, TCP_OPT_LEN_MAX);
		o = parse(p, len, false);
		assert_int_equal(o.flags, (n < 4 ? TCP_OPTS_TS : 0) | TCP_OPTS_SACK);
		assert_int_equal(o.sack_n, n);
		for (unsigned i = 0; i < n; i++) {
			struct tcp_sack_block b = tcp_sack_load(p + o.sack_off, i);

			assert_int_equal(b.left, blocks[i].left);
			assert_int_equal(b.right, blocks[i].right);
		}
	}
	assert_int_equal(tcp_opt_emit_ts(p, 0xdeadbeef, 6), 12);
	o = parse(p, 12, false);
	assert_int_equal(o.tsval, 0xdeadbeef);
	assert_int_equal(o.tsecr, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_basic),
		cmocka_unit_test(test_linux_syn),
		cmocka_unit_test(test_syn_short_ways),
		cmocka_unit_test(test_ts_layouts),
		cmocka_unit_test(test_syn_only),
		cmocka_unit_test(test_sack),
		cmocka_unit_test(OPT_04_T_25_lengths),
		cmocka_unit_test(test_bad_keeps_earlier),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_emit_syn),
		cmocka_unit_test(test_emit_ts_sack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
