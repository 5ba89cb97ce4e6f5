/*
 * SYN cookies alone: what they carry, how long they last, what a guess is worth.
 */
#include "kit.h"

#include "algo/cookie.h"
#include "base/compiler.h"

#define T0 (1000 * COOKIE_PERIOD_US) /* a period begins */
#define S  US_PER_SEC

static const struct sip_key key = {{0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull}};
static const struct sip_key other = {{0x0706050403020100ull, 0x0f0e0d0c0b0a0909ull}};

static struct cookie_facts facts(void)
{
	struct cookie_facts f = {.isn = 0x89abcdef, .mss = 1460, .scale = 5};

	for (unsigned int i = 0; i < sizeof(f.flow); i++)
		f.flow[i] = (uint8_t)(i * 29 + 3);
	return f;
}

/* What comes back of f: without what the cookie itself says. */
static enum cookie_verdict back(struct cookie_jar *j, uint32_t cookie, struct cookie_facts f,
				uint64_t now, struct cookie_facts *out)
{
	f.mss = 0;
	f.ts = false;
	*out = f;
	return cookie_check(j, cookie, out, now);
}

static bool good(struct cookie_jar *j, uint32_t cookie, struct cookie_facts f, uint64_t now)
{
	struct cookie_facts out;

	return back(j, cookie, f, now, &out) == COOKIE_GOOD;
}

static void test_carries_mss_and_ts(void **state)
{
	struct cookie_jar j;
	struct cookie_facts f = facts(), out;

	cookie_init(&j, &key, T0);
	for (uint32_t mss = 0; mss < 65536; mss += mss < 9000 ? 1 : 997) {
		uint16_t want = cookie_mss[0];

		for (unsigned int i = 0; i < COOKIE_MSS_N; i++)
			if (cookie_mss[i] <= mss)
				want = cookie_mss[i];
		f.mss = (uint16_t)mss;
		f.ts = mss & 1;
		f.options = f.ts ? mss >> 1 & COOKIE_TSVAL_MASK : 0;
		assert_int_equal(back(&j, cookie_make(&j, &f, T0), f, T0, &out), COOKIE_GOOD);
		assert_int_equal(out.mss, want);
		assert_int_equal(out.ts, f.ts);
	}
}

/* What Ethernet has room for, of either family, is carried as it is; of jumbo frames IPv6's is the smaller. */
static void test_carries_ethernets(void **state)
{
	static const uint16_t whole[] = {1220, 1440, 1460, 8940};
	struct cookie_facts f = facts(), out;
	struct cookie_jar j;

	cookie_init(&j, &key, T0);
	for (unsigned int i = 0; i < ARRAY_SIZE(whole); i++) {
		f.mss = whole[i];
		assert_int_equal(back(&j, cookie_make(&j, &f, T0), f, T0, &out), COOKIE_GOOD);
		assert_int_equal(out.mss, whole[i]);
	}
}

/* Without timestamps in the SYN, what an ACK's TSecr says is not looked at. */
static void test_options_need_ts(void **state)
{
	struct cookie_jar j;
	struct cookie_facts f = facts(), out;
	uint32_t c;

	cookie_init(&j, &key, T0);
	c = cookie_make(&j, &f, T0);
	f.options = 37;
	assert_int_equal(back(&j, c, f, T0, &out), COOKIE_GOOD);
	assert_int_equal(out.options, 0);
}

/* One bit of anything, and it is no cookie of ours. */
static void test_bits_matter(void **state)
{
	struct cookie_jar j, k;
	struct cookie_facts f = facts(), g;
	uint32_t c;

	f.ts = true;
	f.options = 7 | COOKIE_SACK;
	cookie_init(&j, &key, T0);
	cookie_init(&k, &other, T0);
	c = cookie_make(&j, &f, T0);
	assert_true(good(&j, c, f, T0));
	assert_false(good(&k, c, f, T0));
	for (unsigned int bit = 0; bit < 32; bit++)
		assert_false(good(&j, c ^ 1u << bit, f, T0));
	for (unsigned int bit = 0; bit < 8 * sizeof(f.flow); bit++) {
		g = f;
		g.flow[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(good(&j, c, g, T0));
	}
	for (unsigned int bit = 0; bit < 32; bit++) {
		g = f;
		g.isn ^= 1u << bit;
		assert_false(good(&j, c, g, T0));
	}
	for (unsigned int bit = 0; bit < 6; bit++) {
		g = f;
		g.options ^= (uint8_t)(1 << bit);
		assert_false(good(&j, c, g, T0));
	}
	g = f;
	g.scale++;
	assert_false(good(&j, c, g, T0));
}

/* Made anywhere in a period: good in it and the next, then expired, then nothing. */
static void test_periods(void **state)
{
	static const uint64_t made[] = {0, 1, 30 * S, 64 * S - 1};
	struct cookie_facts f = facts(), out;

	for (unsigned int i = 0; i < ARRAY_SIZE(made); i++) {
		for (uint64_t at = made[i]; at < 10 * COOKIE_PERIOD_US; at += S) {
			uint64_t periods = at / COOKIE_PERIOD_US;
			enum cookie_verdict v;
			struct cookie_jar j;
			uint32_t c;

			cookie_init(&j, &key, T0);
			c = cookie_make(&j, &f, T0 + made[i]);
			v = back(&j, c, f, T0 + at, &out);
			assert_int_equal(v, periods < 2	  ? COOKIE_GOOD
					    : periods < 4 ? COOKIE_EXPIRED
							  : COOKIE_BAD);
			assert_int_equal(cookie_awaited(&j, T0 + at), periods < 2);
		}
	}
}

static void test_none_awaited_at_first(void **state)
{
	struct cookie_jar j;

	cookie_init(&j, &key, 0);
	assert_false(cookie_awaited(&j, 0));
	assert_false(cookie_awaited(&j, 1000 * S));
}

/* The age of a cookie is the same whatever the clock's origin is, and keys do not come again. */
static void test_each_period_has_its_key(void **state)
{
	struct cookie_facts f = facts();
	struct cookie_jar j;
	uint32_t c[16];

	cookie_init(&j, &key, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(c); i++) {
		c[i] = cookie_make(&j, &f, i * COOKIE_PERIOD_US);
		for (unsigned int k = 0; k < i; k++) {
			assert_int_not_equal(c[k] >> 6, c[i] >> 6);
			assert_int_equal(good(&j, c[k], f, i * COOKIE_PERIOD_US), i - k < 2);
		}
	}
}

/* New random bits: cookies that are out stay good, the next period's key depends on them. */
static void test_rekey(void **state)
{
	struct cookie_facts f = facts();
	struct cookie_jar j, k;
	uint32_t c;

	cookie_init(&j, &key, T0);
	cookie_init(&k, &key, T0);
	c = cookie_make(&j, &f, T0 + 60 * S);
	cookie_rekey(&j, &other);
	assert_true(good(&j, c, f, T0 + 61 * S));
	assert_true(good(&j, c, f, T0 + 123 * S));
	assert_false(good(&j, c, f, T0 + 189 * S));
	assert_int_not_equal(cookie_make(&j, &f, T0 + 200 * S),
			     cookie_make(&k, &f, T0 + 200 * S));
}

/* TSval is never ahead of the clock, says its bits, and goes on growing with the clock. */
static void test_tsval(void **state)
{
	for (uint32_t clock = 0xffffff00u; clock != 0x200; clock++) {
		for (uint8_t o = 0; o < 64; o++) {
			uint32_t v = cookie_tsval(clock, o);

			assert_int_equal(v & COOKIE_TSVAL_MASK, o);
			assert_true(clock - v < 128);
		}
	}
}

static uint64_t random_of(uint64_t *s)
{
	*s += 0x9e3779b97f4a7c15ull;
	return siphash13(&key, s, sizeof(*s));
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define ACKS 24
#else
#define ACKS 26
#endif

/*
 * Random ACKs: 2^26 of them and at most 20 accepted, a quarter of both under a sanitizer; COOKIE_ACKS sets
 * another power of two. p is 2^-27, the bound of the row 2^-24.
 */
static void SYN_03_random_acks(void **state)
{
	const char *env = getenv("COOKIE_ACKS");
	const unsigned int power = env ? (unsigned int)atoi(env) : ACKS;
	struct cookie_facts f = facts();
	struct cookie_jar j;
	uint64_t accepted = 0, s = 1;

	cookie_init(&j, &key, T0);
	cookie_make(&j, &f, T0);
	for (uint64_t i = 0; i < 1ull << power; i++) {
		uint64_t r = random_of(&s);

		f.isn = (uint32_t)(r >> 32);
		accepted += good(&j, (uint32_t)r, f, T0);
	}
	assert_true(accepted <= (power < 24 ? 5 : (20ull << power) >> 26));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_carries_mss_and_ts),
		cmocka_unit_test(test_carries_ethernets),
		cmocka_unit_test(test_options_need_ts),
		cmocka_unit_test(test_bits_matter),
		cmocka_unit_test(test_periods),
		cmocka_unit_test(test_none_awaited_at_first),
		cmocka_unit_test(test_each_period_has_its_key),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_tsval),
		cmocka_unit_test(SYN_03_random_acks),
	};

	return cmocka_run_group_tests_name("cookie", tests, NULL, NULL);
}
