/*
 * ISN-01..03: the ISN's clock, its dispersion over tuples and keys.
 */
#include "kit.h"

#include "algo/isn.h"

#define TUPLES  100000u
#define BUCKETS 65536u

static const struct sip_key key = { { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull } };
static const struct sip_key other = { { 0x0706050403020100ull, 0x0f0e0d0c0b0a0909ull } };
static const unsigned char tuple[12] = { 198, 18, 0, 1, 198, 18, 0, 2, 0x9c, 0x40, 0, 80 };

static uint32_t at(uint64_t now)
{
	return isn_make(&key, tuple, sizeof(tuple), now);
}

/* One step every 4 us, at any time, also where the clock part and the sum pass 2^32. */
static void test_clock(void **state)
{
	static const uint64_t starts[] = { 0, 3, 123456789, (UINT64_C(4) << 32) - 500000,
					   (UINT64_C(1) << 32) - 5, UINT64_C(1) << 50 };

	for (unsigned int i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		uint64_t t = starts[i];
		uint32_t isn = at(t);

		assert_int_equal((uint32_t)(at(t + 1000000) - isn), 250000);
		assert_int_equal((uint32_t)(at(t + 4) - isn), 1);
		assert_int_equal(at(t | 3), at(t & ~UINT64_C(3)));
	}
}

/* The hash part is SipHash-2-4: bytes 0..7 under the key 0..15, from the authors' vectors. */
static void test_hash(void **state)
{
	unsigned char in[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	static const unsigned char want[8] = { 0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93 };
	uint32_t low;

	memcpy(&low, want, 4);
	assert_int_equal(isn_make(&key, in, 8, 0), low);
}

static void ISN_02_every_bit_of_the_tuple_matters(void **state)
{
	uint32_t isn = isn_make(&key, tuple, sizeof(tuple), 1000);
	unsigned char t[sizeof(tuple)];

	for (unsigned int bit = 0; bit < 8 * sizeof(tuple); bit++) {
		memcpy(t, tuple, sizeof(t));
		t[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_not_equal(isn_make(&key, t, sizeof(t), 1000), isn);
	}
	assert_int_not_equal(isn_make(&other, tuple, sizeof(tuple), 1000), isn);
}

/*
 * Top 16 bits over neighbouring tuples at one instant. Chi-square with 65,535 degrees of freedom
 * has mean 65,535 and deviation 362; p > 0.001 means within 3.3 deviations on either side.
 */
static void ISN_02_dispersion(void **state)
{
	uint32_t *hits = calloc(BUCKETS, sizeof(*hits));
	double expect = (double)TUPLES / BUCKETS, chi = 0;
	unsigned char t[sizeof(tuple)];

	memcpy(t, tuple, sizeof(t));
	for (uint32_t i = 0; i < TUPLES; i++) {
		uint16_t port = (uint16_t)i;

		memcpy(t + 8, &port, 2);
		t[3] = (unsigned char)(i >> 16);
		hits[isn_make(&key, t, sizeof(t), 5000000) >> 16]++;
	}
	for (uint32_t b = 0; b < BUCKETS; b++)
		chi += (hits[b] - expect) * (hits[b] - expect) / expect;
	free(hits);
	assert_true(chi > 65535 - 3.3 * 362 && chi < 65535 + 3.3 * 362);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(ISN_02_every_bit_of_the_tuple_matters),
		cmocka_unit_test(ISN_02_dispersion),
	};

	return cmocka_run_group_tests_name("isn", tests, NULL, NULL);
}
