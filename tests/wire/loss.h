/*
 * What the scripts about loss share: a connection that sends full segments, counted from 0, over a
 * path of a known round-trip time, and ACKs with SACK blocks in units of segments.
 */
#ifndef PIER_TESTS_LOSS_H
#define PIER_TESTS_LOSS_H

#include "algo/cc.h"
#include "kit.h"

struct flow {
	struct kit *k;
	struct kit_peer *p;
	uint32_t mss;  /* payload of a full segment */
	uint32_t una;  /* segments acknowledged */
	uint32_t sent; /* segments sent once at least */
	uint64_t rtt;
};

static inline void use_cc(struct kit *k, const char *name)
{
	for (k->tcp.congestion = 0; strcmp(cc_names[k->tcp.congestion], name); k->tcp.congestion++)
		;
}

/* Open in one round trip; offer as in enum kit_offer. */
static inline struct flow flow_open(struct kit *k, unsigned int offer, uint64_t rtt)
{
	struct flow f = {.k = k, .p = kit_peer(k), .rtt = rtt};

	f.p->offer = offer;
	f.mss = offer & OFFER_TS ? 1448 : 1460;
	kit_syn(f.p);
	kit_synack(f.p);
	kit_advance(k, rtt);
	send_seg(f.p, .flags = ACK, .seq = 1, .ack = 1);
	return f;
}

/* The sequence number of a segment. */
static inline uint32_t at(const struct flow *f, uint32_t segment)
{
	return 1 + segment * f->mss;
}

static inline void flow_ack(struct flow *f, uint32_t segments)
{
	f->una = segments;
	send_seg(f->p, .flags = ACK, .seq = 1, .ack = at(f, segments));
}

/* An ACK with one block, or two. */
static inline void flow_sack(struct flow *f, uint32_t acked, uint32_t left, uint32_t right)
{
	send_seg(f->p, .flags = ACK, .seq = 1, .ack = at(f, acked), .opts.sack_n = 1,
		 .sack = {{at(f, left), at(f, right)}});
}

static inline void flow_sack2(struct flow *f, uint32_t acked, uint32_t l1, uint32_t r1,
			      uint32_t l2, uint32_t r2)
{
	send_seg(f->p, .flags = ACK, .seq = 1, .ack = at(f, acked), .opts.sack_n = 2,
		 .sack = {{at(f, l1), at(f, r1)}, {at(f, l2), at(f, r2)}});
}

/* What waits must be full segments of new data; how many. */
static inline unsigned int flow_new(struct flow *f)
{
	unsigned int n = 0;

	for (; kit_has(f->k); n++, f->sent++) {
		struct seg g = kit_take(f->p);

		assert_int_equal(g.seq, at(f, f->sent));
		assert_int_equal(g.len, f->mss);
	}
	return n;
}

/* What waits: how many segments, and how many of them are old ones. */
static inline unsigned int flow_any(struct flow *f, unsigned int *again)
{
	unsigned int n = 0;

	*again = 0;
	for (; kit_has(f->k); n++) {
		struct seg g = kit_take(f->p);

		assert_int_equal(g.len, f->mss);
		if (seq_lt(g.seq, at(f, f->sent))) {
			(*again)++;
		} else {
			assert_int_equal(g.seq, at(f, f->sent));
			f->sent++;
		}
	}
	return n;
}

/* The next frame is this segment, whole. */
#define flow_expect(f, segment) \
	expect((f)->p, .flags = ACK, .seq = at(f, segment), .ack = 1, .len = (f)->mss)

/* Data for a first flight of 10 and one of 20 after it: the 20 are under way, 10 to 29. */
static inline struct flow flow_of_20(struct kit *k, unsigned int offer, uint64_t rtt, uint32_t more)
{
	struct flow f = flow_open(k, offer, rtt);

	kit_app_send(f.p, (30 + more) * f.mss);
	assert_int_equal(flow_new(&f), 10);
	kit_advance(k, rtt);
	while (f.una < 10)
		flow_ack(&f, f.una + 1);
	assert_int_equal(flow_new(&f), 20);
	return f;
}

/*
 * A receiver at the end of a path that delivers in order: what is lost is told by a function, and
 * every other segment is acknowledged half a round trip after it was sent, with SACK blocks.
 */
#define MODEL_MAX 4096

struct model {
	struct flow *f;
	bool (*lost)(struct model *m, uint32_t segment); /* of this transmission */
	bool (*marked)(struct model *m, uint32_t segment); /* CE; NULL: none */
	bool echo; /* of CE, until CWR: RFC 3168 section 6.1.3 */
	struct {
		uint64_t at;
		uint32_t segment;
		bool ce, cwr;
	} queue[MODEL_MAX];
	uint32_t head, tail;
	uint8_t copies[MODEL_MAX]; /* transmissions of each segment */
	bool have[MODEL_MAX];
	uint64_t last[MODEL_MAX];  /* when each was sent last */
	uint32_t cum, retransmissions;
};

/* Take what the engine sent; returns how many segments. */
static inline unsigned int model_take(struct model *m)
{
	unsigned int n = 0;

	for (; kit_has(m->f->k); n++) {
		struct seg g = kit_take(m->f->p);
		uint32_t i = (g.seq - 1) / m->f->mss;

		assert_true(i < MODEL_MAX && m->tail < MODEL_MAX);
		m->f->sent = max_of(m->f->sent, i + 1);
		m->retransmissions += m->copies[i]++ > 0;
		m->last[i] = g.at;
		if (m->lost(m, i))
			continue;
		m->queue[m->tail].at = g.at + m->f->rtt;
		m->queue[m->tail].ce = g.tos && m->marked && m->marked(m, i);
		m->queue[m->tail].cwr = g.flags & CWR;
		m->queue[m->tail++].segment = i;
	}
	return n;
}

/* The ACK for a segment: the run around it first, then one other run. */
static inline void model_ack(struct model *m, uint32_t segment)
{
	struct seg s = {.flags = m->echo ? ACK | ECE : ACK, .seq = 1};
	uint32_t l = segment, r = segment + 1;

	m->have[segment] = true;
	while (m->have[m->cum])
		m->cum++;
	m->f->una = m->cum;
	s.ack = at(m->f, m->cum);
	if (segment > m->cum) {
		while (m->have[l - 1])
			l--;
		while (m->have[r])
			r++;
		s.sack[s.opts.sack_n++] = (struct tcp_sack_block){at(m->f, l), at(m->f, r)};
	}
	for (uint32_t i = m->f->sent; i > m->cum && s.opts.sack_n < 3; i = l) {
		for (r = i; r > m->cum && !m->have[r - 1]; r--)
			;
		for (l = r; l > m->cum && m->have[l - 1]; l--)
			;
		if (l != r && (!s.opts.sack_n || s.sack[0].left != at(m->f, l)))
			s.sack[s.opts.sack_n++] =
				(struct tcp_sack_block){at(m->f, l), at(m->f, r)};
	}
	kit_send_seg(m->f->p, &s);
}

/* The next arrival, and what it sets off; false if nothing is under way. Time passes to it. */
static inline bool model_step(struct model *m)
{
	model_take(m);
	if (m->head == m->tail)
		return false;
	if (m->queue[m->head].at > m->f->k->now)
		kit_advance_to(m->f->k, m->queue[m->head].at);
	m->echo = (m->echo && !m->queue[m->head].cwr) || m->queue[m->head].ce;
	model_ack(m, m->queue[m->head++].segment);
	return true;
}

#endif
