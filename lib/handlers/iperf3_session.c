/*
 * Sessions: how the connections of one iperf3 test find each other. See iperf3_session.h.
 *
 * A slot is taken, joined and left by compare-and-swap of its gate. The generation in it moves on when the
 * last reference goes, so whoever compared a cookie that was being replaced meanwhile fails to join. Bounded
 * by the number of slots.
 */
#include "iperf3_session.h"

#include <stdlib.h>
#include <string.h>

#define JOINED_SHIFT 0
#define REFS_SHIFT   12
#define PHASE_SHIFT  24
#define GEN_SHIFT    32
#define FIELD_12     0xfffu

static uint32_t joined(uint64_t gate)
{
	return (uint32_t)(gate >> JOINED_SHIFT) & FIELD_12;
}

static uint32_t refs(uint64_t gate)
{
	return (uint32_t)(gate >> REFS_SHIFT) & FIELD_12;
}

static enum iperf3_phase phase_of(uint64_t gate)
{
	return (enum iperf3_phase)(gate >> PHASE_SHIFT & 0xff);
}

static uint64_t with_phase(uint64_t gate, enum iperf3_phase phase)
{
	return (gate & ~(0xffull << PHASE_SHIFT)) | (uint64_t)phase << PHASE_SHIFT;
}

static bool swap(struct iperf3_session *s, uint64_t *from, uint64_t to)
{
	return __atomic_compare_exchange_n(&s->gate, from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static uint64_t gate_of(const struct iperf3_session *s)
{
	return __atomic_load_n(&s->gate, __ATOMIC_ACQUIRE);
}

enum iperf3_phase iperf3_phase(const struct iperf3_session *s)
{
	return phase_of(gate_of(s));
}

void iperf3_phase_set(struct iperf3_session *s, enum iperf3_phase phase)
{
	uint64_t gate = gate_of(s);

	while (!swap(s, &gate, with_phase(gate, phase)))
		;
}

/* xorshift: not to be compressed on its way, no more. */
static void fill_payload(struct iperf3_table *t)
{
	uint64_t x = 0x9e3779b97f4a7c15ull;

	for (size_t i = 0; i < IPERF3_PAYLOAD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		t->payload[0][i] = (char)(x >> 56);
		t->payload[1][i] = (char)('0' + i % 10);
	}
}

/* The control thread's: tables of listener versions that serve or have connections, the youngest first. */
static struct iperf3_table *tables;

static void table_unref(struct iperf3_table *t)
{
	if (--t->refs)
		return;
	if (t->tickets && !--t->tickets->refs)
		free(t->tickets);
	free(t->elder);
	free(t);
}

/* Refer to all there are, and take tickets from where they do. */
static bool meet_elders(struct iperf3_table *t)
{
	uint32_t n = 0;

	for (const struct iperf3_table *o = tables; o; o = o->next)
		n++;
	t->tickets = n ? tables->tickets : aligned_alloc(CACHE_LINE, sizeof(*t->tickets));
	if (!t->tickets)
		return false;
	if (!n)
		*t->tickets = (struct iperf3_tickets){0};
	t->tickets->refs++;
	t->elder = calloc(n + 1, sizeof(struct iperf3_table *));
	if (!t->elder)
		return false;
	for (struct iperf3_table *o = tables; o; o = o->next) {
		o->refs++;
		t->elder[t->n_elders++] = o;
	}
	return true;
}

struct iperf3_table *iperf3_table_make(uint32_t n)
{
	const size_t bytes = sizeof(struct iperf3_table) + n * sizeof(struct iperf3_session);
	struct iperf3_table *t = aligned_alloc(CACHE_LINE, bytes);

	static_assert(sizeof(struct iperf3_table) % CACHE_LINE == 0, "slots are aligned behind it");
	if (!t)
		return NULL;
	memset(t, 0, bytes);
	t->n = n;
	t->refs = 1;
	if (!meet_elders(t)) {
		table_unref(t);
		return NULL;
	}
	fill_payload(t);
	t->next = tables;
	tables = t;
	return t;
}

/*
 * The elders go now, not with the last who refers to t: else each reload would leave one more behind the
 * table that serves. Nobody looks for them through t any more, and they have no elders left themselves.
 */
void iperf3_table_free(struct iperf3_table *t)
{
	struct iperf3_table **at = &tables;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	while (t->n_elders)
		table_unref(t->elder[--t->n_elders]);
	table_unref(t);
}

static void cookie_set(struct iperf3_session *s, const char *cookie)
{
	uint64_t words[ARRAY_SIZE(s->cookie)] = {0};

	memcpy(words, cookie, IPERF3_COOKIE);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		share_put(&s->cookie[i], words[i]);
}

/* Without telling by its time how much of a cookie was right. */
static bool cookie_is(const struct iperf3_session *s, const char *cookie)
{
	uint64_t words[ARRAY_SIZE(s->cookie)] = {0}, differ = 0;

	memcpy(words, cookie, IPERF3_COOKIE);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		differ |= share_get(&s->cookie[i]) ^ words[i];
	return !differ;
}

struct iperf3_session *iperf3_session_take(struct iperf3_table *t, const char *cookie)
{
	for (uint32_t i = 0; i < t->n; i++) {
		struct iperf3_session *s = &t->session[i];
		uint64_t gate = gate_of(s);

		if (phase_of(gate) != PHASE_FREE ||
		    !swap(s, &gate, with_phase(gate, PHASE_PARAMS) | 1ull << REFS_SHIFT))
			continue;
		cookie_set(s, cookie);
		share_put(&s->n, 0);
		memset(&s->params, 0, sizeof(s->params));
		memset(&s->ctl, 0, sizeof(s->ctl));
		return s;
	}
	return NULL;
}

/* Whether it is this session; then joined, or refused for its phase or as one too many. */
static enum iperf3_join try_join(struct iperf3_session *s, const char *cookie, uint16_t *index)
{
	uint64_t gate = gate_of(s), next;
	enum iperf3_phase phase;

	do {
		phase = phase_of(gate);
		if (phase < PHASE_CREATE || !cookie_is(s, cookie))
			return JOIN_UNKNOWN;
		if (phase != PHASE_CREATE || joined(gate) == share_get(&s->n))
			return JOIN_REFUSED;
		next = gate + (1ull << REFS_SHIFT) + (1ull << JOINED_SHIFT);
	} while (!swap(s, &gate, next));
	*index = (uint16_t)joined(gate);
	return JOIN_DONE;
}

static enum iperf3_join join_one(struct iperf3_table *t, const char *cookie, struct iperf3_session **s,
				 uint16_t *index)
{
	enum iperf3_join got = JOIN_UNKNOWN;

	for (uint32_t i = 0; i < t->n && got == JOIN_UNKNOWN; i++) {
		*s = &t->session[i];
		got = try_join(*s, cookie, index);
	}
	return got;
}

enum iperf3_join iperf3_session_join(struct iperf3_table *t, const char *cookie, struct iperf3_session **s,
				     uint16_t *index)
{
	enum iperf3_join got = join_one(t, cookie, s, index);

	for (uint32_t i = 0; i < t->n_elders && got == JOIN_UNKNOWN; i++)
		got = join_one(t->elder[i], cookie, s, index);
	return got;
}

/* The control connection refers to it, or the phase is past joining: nobody comes after the last. */
void iperf3_session_unref(struct iperf3_session *s)
{
	uint64_t gate = gate_of(s);

	while (!swap(s, &gate, gate - (1ull << REFS_SHIFT)))
		;
	if (refs(gate) > 1)
		return;
	free(s->stream);
	free(s->share);
	s->stream = NULL;
	s->share = NULL;
	__atomic_store_n(&s->gate, ((gate >> GEN_SHIFT) + 1) << GEN_SHIFT, __ATOMIC_RELEASE);
}

bool iperf3_session_size(struct iperf3_session *s, uint32_t n)
{
	s->stream = aligned_alloc(CACHE_LINE, n * sizeof(*s->stream));
	s->share = calloc(n, sizeof(*s->share));
	if (!s->stream || !s->share)
		return false;
	memset(s->stream, 0, n * sizeof(*s->stream));
	share_put(&s->n, n);
	return true;
}

uint32_t iperf3_session_joined(const struct iperf3_session *s)
{
	return joined(gate_of(s));
}

bool iperf3_session_ready(const struct iperf3_session *s)
{
	if (joined(gate_of(s)) < s->n)
		return false;
	for (uint32_t i = 0; i < s->n; i++)
		if (!__atomic_load_n(&s->stream[i].ready, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

bool iperf3_session_narrow(const struct iperf3_session *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->stream[i].narrow)
			return true;
	return false;
}

/*
 * The client opens one stream after the other and numbers them so: in a test of both directions first those
 * on which it sends.
 */
void iperf3_session_order(struct iperf3_session *s)
{
	const struct iperf3_params *p = &s->params;

	for (uint32_t i = 0; i < s->n; i++) {
		struct iperf3_share *share = &s->share[i];

		share->rank = 0;
		for (uint32_t k = 0; k < s->n; k++)
			share->rank += s->stream[k].ticket < s->stream[i].ticket;
		share->sends = p->both ? share->rank >= p->parallel : p->reverse;
		share->result = (struct iperf3_result){.id = iperf3_stream_id(share->rank), .retransmits = -1};
	}
}
