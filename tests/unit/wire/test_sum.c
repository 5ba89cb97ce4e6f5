/*
 * Checksums against a reference that adds octet pairs one by one: every alignment, every length
 * around the vector widths, odd offsets, incremental updates. Buffers are as large as what is
 * summed, so that a sanitizer sees any step outside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/ip4.h"
#include "wire/sum.h"
#include "wire/tcp.h"

#define MAX_LEN   420
#define MAX_ALIGN 65

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint32_t rnd(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33);
}

/* RFC 1071 section 4.1, on octets: the result is a number, not a field. */
static uint16_t naive(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* A sum of 0 and of 0xffff are the same number, but only all zeros make 0. */
static void check(const uint8_t *p, size_t len, uint32_t sum)
{
	assert_int_equal(be16(sum_fold(sum)), naive(p, len));
}

static void fill(uint8_t *p, size_t len, unsigned how)
{
	for (size_t i = 0; i < len; i++)
		p[i] = how == 0 ? 0xff : how == 1 ? 0 : (uint8_t)rnd();
}

static void test_partial(void **state)
{
	for (unsigned align = 0; align < MAX_ALIGN; align++) {
		for (size_t len = 0; len <= MAX_LEN; len += align < 9 ? 1 : 13) {
			uint8_t *mem = malloc(align + len + 1);

			fill(mem + align, len, rnd() % 4);
			check(mem + align, len, sum_partial(mem + align, len, 0));
			free(mem);
		}
	}
}

/* Whatever comes in is kept: also values whose addition carries out of 32 bits. */
static void test_partial_start(void **state)
{
	static const uint32_t starts[] = {0, 1, 0xffff, 0x10000, 0xfffffffe, 0xffffffff};
	uint8_t b[131];

	for (unsigned how = 0; how < 3; how++) {
		fill(b, sizeof(b), how);
		for (unsigned i = 0; i < ARRAY_SIZE(starts); i++) {
			uint32_t want = (uint32_t)sum_fold(starts[i]) +
					be16(naive(b, sizeof(b)));

			assert_int_equal(sum_fold(sum_partial(b, sizeof(b), starts[i])) % 0xffff,
					 want % 0xffff);
		}
	}
}

static void test_large(void **state)
{
	size_t len = 1 << 20;
	uint8_t *mem = malloc(len);

	fill(mem, len, 0);
	check(mem, len, sum_partial(mem, len, 0));
	fill(mem, len, 2);
	check(mem, len - 1, sum_partial(mem, len - 1, 0));
	free(mem);
}

static void test_copy(void **state)
{
	for (unsigned align = 0; align < 16; align++) {
		for (size_t len = 0; len <= MAX_LEN; len++) {
			uint8_t *src = malloc(align + len + 1), *dst = malloc(len + align + 2);

			fill(src, align + len, 2);
			memset(dst, 0xa5, len + align + 2);
			check(src + align, len, sum_copy(dst + align / 2, src + align, len));
			assert_memory_equal(dst + align / 2, src + align, len);
			assert_int_equal(dst[align / 2 + len], 0xa5);
			free(src);
			free(dst);
		}
	}
}

/* A piece at any offset of the whole, in any order of adding. */
static void test_combine(void **state)
{
	uint8_t b[200];

	for (unsigned round = 0; round < 200; round++) {
		fill(b, sizeof(b), 2);
		for (size_t cut = 0; cut <= sizeof(b); cut++) {
			uint32_t front = sum_partial(b, cut, 0);
			uint32_t back = sum_partial(b + cut, sizeof(b) - cut, 0);

			check(b, sizeof(b), sum_combine(front, back, cut & 1));
			check(b, sizeof(b),
			      sum_combine(sum_combine(0, back, cut & 1), front, false));
		}
	}
}

static void test_header(void **state)
{
	uint8_t b[61];

	for (unsigned len = 0; len <= 60; len += 4) {
		fill(b, sizeof(b), 2);
		check(b + 1, len, sum_header(b + 1, len));
		fill(b, sizeof(b), 0);
		check(b + 1, len, sum_header(b + 1, len));
	}
}

static void test_pseudo(void **state)
{
	for (unsigned i = 0; i < 1000; i++) {
		uint8_t p[12];
		uint16_t len = (uint16_t)rnd();

		fill(p, 8, 2);
		p[8] = 0;
		p[9] = (uint8_t)rnd();
		store_be16(p + 10, len);
		check(p, 12, sum_pseudo4(load32(p), load32(p + 4), p[9], len));
	}
}

/* RFC 8200 section 8.1: 16 octets each, a length of 32 bits, three octets of zero. */
static void test_pseudo6(void **state)
{
	for (unsigned i = 0; i < 1000; i++) {
		uint8_t p[40] = {0};
		uint32_t len = i % 3 ? rnd() : (uint16_t)rnd();

		fill(p, 32, i % 5 ? 2 : 1);
		store_be32(p + 32, len);
		p[39] = (uint8_t)rnd();
		check(p, 40, sum_pseudo6(p, p + 16, p[39], len));
		check(p, 32, sum_fold64(sum_addrs6(p)));
	}
}

/* A known packet header: the field is stored without any change of byte order. */
static void test_known(void **state)
{
	uint8_t h[20] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
			 0x00, 0x00, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
	struct ip4_hdr *ip = (struct ip4_hdr *)h;

	ip->cksum = sum_finish(sum_header(h, 20));
	assert_int_equal(h[10], 0xb8);
	assert_int_equal(h[11], 0x61);
	assert_int_equal(sum_fold(sum_header(h, 20)), 0xffff);
}

/* After an update the receiver's check still holds; RFC 1624 section 4's example too. */
static void test_update(void **state)
{
	uint8_t b[20];

	assert_int_equal(be16(sum_update16(be16(0xdd2f), be16(0x5555), be16(0x3285))), 0x0000);
	for (unsigned i = 0; i < 20000; i++) {
		uint16_t old16, new16 = i % 3 ? (uint16_t)rnd() : 0;
		uint32_t old32, new32 = i % 5 ? rnd() * 2 + 1 : 0xffffffff;
		uint16_t field;

		fill(b, sizeof(b), 2);
		memset(b + 10, 0, 2);
		field = sum_finish(sum_header(b, 20));
		memcpy(b + 10, &field, 2);
		old16 = load16(b + 4);
		memcpy(b + 4, &new16, 2);
		field = sum_update16(field, old16, new16);
		old32 = load32(b + 12);
		memcpy(b + 12, &new32, 4);
		field = sum_update32(field, old32, new32);
		memcpy(b + 10, &field, 2);
		assert_int_equal(naive(b, 20), 0xffff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_partial), cmocka_unit_test(test_partial_start),
		cmocka_unit_test(test_large),   cmocka_unit_test(test_copy),
		cmocka_unit_test(test_combine), cmocka_unit_test(test_header),
		cmocka_unit_test(test_pseudo),  cmocka_unit_test(test_pseudo6),
		cmocka_unit_test(test_known),   cmocka_unit_test(test_update),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
