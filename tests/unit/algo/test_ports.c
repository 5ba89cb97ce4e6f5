/*
 * Ephemeral ports: the whole range once before any again, the predicate's word, the destinations
 * apart, and nothing that tells the next port from the last. Row: OPN-24, but for the engine's part
 * (tests/wire/test_ports.c).
 */
#include "kit.h"

#include "algo/ports.h"

static const struct sip_key key = { { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull } };
static const struct sip_key other_key = { { 0x0706050403020100ull, 0x0f0e0d0c0b0a0909ull } };

static bool any(void *arg, uint16_t port)
{
	return true;
}

static uint16_t pick(struct ports *p, uint32_t destination, uint16_t lo, uint16_t hi)
{
	return ports_pick(p, &destination, sizeof(destination), lo, hi, any, NULL);
}

/* Ranges of all kinds of sizes, at the edges too. */
static void each_port_once_in_a_round(void **state)
{
	static const struct {
		uint16_t lo, hi;
	} ranges[] = {{49152, 65535}, {1024, 65535}, {5000, 5000}, {5000, 5001}, {5000, 5002},
		      {65531, 65535}, {1024, 1280}, {1024, 1279}};
	struct ports p;

	for (unsigned int r = 0; r < sizeof(ranges) / sizeof(ranges[0]); r++) {
		uint32_t n = (uint32_t)ranges[r].hi - ranges[r].lo + 1;
		uint8_t *seen = calloc(65536, 1);

		ports_init(&p, &key);
		for (uint32_t i = 0; i < 2 * n; i++) {
			uint16_t port = pick(&p, 7, ranges[r].lo, ranges[r].hi);

			assert_in_range(port, ranges[r].lo, ranges[r].hi);
			assert_int_equal(seen[port], i / n);
			seen[port]++;
		}
		free(seen);
	}
}

struct wish {
	uint16_t only;
	unsigned int asked;
};

static bool is_it(void *arg, uint16_t port)
{
	struct wish *w = arg;

	w->asked++;
	return port == w->only;
}

static void the_predicate_decides(void **state)
{
	struct wish w = {.only = 50000};
	uint32_t d = 1;
	struct ports p;

	ports_init(&p, &key);
	for (int i = 0; i < 20; i++) {
		w.asked = 0;
		assert_int_equal(ports_pick(&p, &d, sizeof(d), 49152, 65535, is_it, &w), 50000);
		assert_in_range(w.asked, 1, 16384);
	}
	w = (struct wish){0};
	assert_int_equal(ports_pick(&p, &d, sizeof(d), 49152, 65535, is_it, &w), 0);
	assert_int_equal(w.asked, 16384);
}

/* The best guess at the difference of two successive ports is right in less than one of 100 cases. */
static void OPN_24_no_prediction(void **state)
{
	enum { N = 10000 };
	uint32_t *diff = calloc(65536, sizeof(*diff)), best = 0;
	uint16_t last, port;
	struct ports p;

	ports_init(&p, &key);
	last = pick(&p, 7, 49152, 65535);
	for (unsigned int i = 1; i < N; i++) {
		port = pick(&p, 7, 49152, 65535);
		best = ++diff[(uint16_t)(port - last)] > best ? diff[(uint16_t)(port - last)] : best;
		last = port;
	}
	free(diff);
	assert_true(best * 100 < N);
}

/* Where a destination's walk begins and how it goes: a secret of each key. */
static void destinations_and_keys_differ(void **state)
{
	struct ports a, b, c;
	unsigned int same_d = 0, same_k = 0;

	ports_init(&a, &key);
	ports_init(&b, &key);
	ports_init(&c, &other_key);
	for (unsigned int i = 0; i < 1000; i++) {
		uint16_t port = pick(&a, 1, 49152, 65535);

		same_d += port == pick(&b, 2, 49152, 65535);
		same_k += port == pick(&c, 1, 49152, 65535);
	}
	assert_true(same_d < 10 && same_k < 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_port_once_in_a_round),
		cmocka_unit_test(the_predicate_decides),
		cmocka_unit_test(OPN_24_no_prediction),
		cmocka_unit_test(destinations_and_keys_differ),
	};

	return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}
