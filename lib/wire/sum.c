/*
 * The Internet checksum in bulk.
 *
 * 32-bit words are added into 64-bit lanes, where 2^32 of them fit before anything is lost, so the
 * inner loop has no carries and is as wide as the machine's vectors.
 */
#include "wire/sum.h"

#ifdef __AVX2__
#define LANES 4
#else
#define LANES 2
#endif

typedef uint64_t vec __attribute__((vector_size(8 * LANES)));

static inline vec vec_load(const uint8_t *p)
{
	vec v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline vec vec_halves(vec v)
{
	return (v & 0xffffffffu) + (v >> 32);
}

static inline uint64_t vec_total(vec v)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < LANES; i++)
		sum += v[i];
	return sum;
}

static inline uint64_t halves(uint64_t v)
{
	return (v & 0xffffffffu) + (v >> 32);
}

/*
 * The sum of the last 1 to 7 bytes, which are also copied to d unless that is NULL. By words of 4, 2 and 1:
 * put together byte by byte in memory, a word could only be read when the last store is through.
 */
static inline uint64_t tail(uint8_t *d, const uint8_t *p, size_t len)
{
	uint64_t sum = 0;
	uint16_t two;

	if (len & 4) {
		const uint32_t four = load32(p);

		if (d)
			memcpy(d, &four, 4);
		sum = four;
	}
	if (len & 2) {
		memcpy(&two, p + (len & 4), 2);
		if (d)
			memcpy(d + (len & 4), &two, 2);
		sum += two;
	}
	if (len & 1) {
		two = 0;
		memcpy(&two, p + len - 1, 1);
		if (d)
			d[len - 1] = p[len - 1];
		sum += two;
	}
	return sum;
}

uint32_t sum_partial(const void *p, size_t len, uint32_t sum)
{
	const uint8_t *b = p;
	uint64_t total = sum;

	if (unlikely(len < 8))
		return sum_fold64(len ? total + tail(NULL, b, len) : total);
	if (len >= 64) {
		vec s0 = {0}, s1 = {0};

		do {
			for (unsigned i = 0; i < 64; i += 2 * sizeof(vec)) {
				s0 += vec_halves(vec_load(b + i));
				s1 += vec_halves(vec_load(b + i + sizeof(vec)));
			}
			b += 64;
			len -= 64;
		} while (len >= 64);
		total += vec_total(s0 + s1);
	}
	return sum_fold64(sum_add64(total, sum_short64(b, len % 64)));
}

uint32_t sum_copy(void *dst, const void *src, size_t len)
{
	const uint8_t *b = src;
	uint8_t *d = dst;
	uint64_t total = 0;

	if (len >= 2 * sizeof(vec)) {
		vec s0 = {0}, s1 = {0};

		do {
			vec v0 = vec_load(b), v1 = vec_load(b + sizeof(vec));

			memcpy(d, &v0, sizeof(vec));
			memcpy(d + sizeof(vec), &v1, sizeof(vec));
			s0 += vec_halves(v0);
			s1 += vec_halves(v1);
			b += 2 * sizeof(vec);
			d += 2 * sizeof(vec);
			len -= 2 * sizeof(vec);
		} while (len >= 2 * sizeof(vec));
		total = vec_total(s0 + s1);
	}
	for (; len >= 8; b += 8, d += 8, len -= 8) {
		uint64_t v = load64(b);

		memcpy(d, &v, sizeof(v));
		total += halves(v);
	}
	if (len)
		total += tail(d, b, len);
	return sum_fold64(total);
}
