/*
 * SYN cookies; the layout is told in the header.
 */
#include <string.h>

#include "algo/cookie.h"
#include "base/compiler.h"

#define PERIOD_BITS 2
#define MSS_SHIFT   PERIOD_BITS
#define TS_SHIFT    (MSS_SHIFT + 3)
#define MAC_SHIFT   (TS_SHIFT + 1)
#define VALID       2 /* periods */

static_assert(COOKIE_MSS_N == 1 << (TS_SHIFT - MSS_SHIFT), "the index has three bits");
static_assert(COOKIE_KEYS == 1 << PERIOD_BITS, "a period that can be named has its key");

const uint16_t cookie_mss[COOKIE_MSS_N] = {48, 536, 1220, 1360, 1400, 1440, 1460, 8940};

static uint32_t period_of(uint64_t now)
{
	return (uint32_t)(now / COOKIE_PERIOD_US);
}

/* The key of one more period, and what the one after comes from. */
static void step(struct cookie_jar *j)
{
	uint64_t out[4];

	for (uint64_t i = 0; i < ARRAY_SIZE(out); i++)
		out[i] = siphash24(&j->next, &i, sizeof(i));
	j->period++;
	memcpy(&j->key[j->period % COOKIE_KEYS], out, sizeof(j->next));
	memcpy(&j->next, out + 2, sizeof(j->next));
}

/* After a long pause no cookie is out: the keys between are not missed. */
static void advance(struct cookie_jar *j, uint64_t now)
{
	uint32_t period = period_of(now), gap = period - j->period;

	if (likely(!gap))
		return;
	if (gap > COOKIE_KEYS)
		j->period = period - COOKIE_KEYS;
	while (j->period != period)
		step(j);
}

void cookie_init(struct cookie_jar *j, const struct sip_key *key, uint64_t now)
{
	memset(j, 0, sizeof(*j));
	j->next = *key;
	j->period = period_of(now) - COOKIE_KEYS;
	advance(j, now);
}

void cookie_rekey(struct cookie_jar *j, const struct sip_key *key)
{
	j->next = *key;
}

static uint8_t mss_index(uint16_t mss)
{
	uint8_t i = COOKIE_MSS_N - 1;

	while (i > 0 && cookie_mss[i] > mss)
		i--;
	return i;
}

/* The cookie of a period for f, the SYN's MSS being entry mss. */
static uint32_t cookie_of(const struct cookie_jar *j, const struct cookie_facts *f, uint8_t mss,
			  uint32_t period)
{
	struct {
		uint8_t flow[COOKIE_FLOW_LEN];
		uint32_t isn, period;
		uint8_t mss, ts, scale, options;
		uint32_t zero;
	} in = {.isn = f->isn, .period = period, .mss = mss, .ts = f->ts, .scale = f->scale,
		.options = f->options};
	uint32_t mac;

	static_assert(sizeof(in) == 40, "no padding may differ");
	memcpy(in.flow, f->flow, sizeof(in.flow));
	mac = (uint32_t)siphash24(&j->key[period % COOKIE_KEYS], &in, sizeof(in));
	return mac << MAC_SHIFT | (uint32_t)f->ts << TS_SHIFT | (uint32_t)mss << MSS_SHIFT |
	       period % COOKIE_KEYS;
}

uint32_t cookie_make(struct cookie_jar *j, const struct cookie_facts *f, uint64_t now)
{
	advance(j, now);
	j->last = j->period;
	j->any = true;
	return cookie_of(j, f, mss_index(f->mss), j->period);
}

bool cookie_awaited(const struct cookie_jar *j, uint64_t now)
{
	return j->any && period_of(now) - j->last < VALID;
}

enum cookie_verdict cookie_check(struct cookie_jar *j, uint32_t cookie, struct cookie_facts *f,
				 uint64_t now)
{
	uint8_t mss = cookie >> MSS_SHIFT & (COOKIE_MSS_N - 1);
	uint32_t age;

	advance(j, now);
	age = (j->period - cookie) % COOKIE_KEYS;
	f->ts = cookie >> TS_SHIFT & 1;
	f->mss = cookie_mss[mss];
	if (!f->ts)
		f->options = 0;
	if (cookie_of(j, f, mss, j->period - age) != cookie)
		return COOKIE_BAD;
	return age < VALID ? COOKIE_GOOD : COOKIE_EXPIRED;
}
