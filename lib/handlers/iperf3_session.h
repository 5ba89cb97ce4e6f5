/*
 * The iperf3 handler's insides, shared by its files: iperf3.c (callbacks, data streams), iperf3_ctl.c (control
 * connections), iperf3_session.c (what the connections of a test have in common), iperf3_text.c (the report
 * that --get-server-output shows), iperf3_msg.c (messages).
 *
 * A test's connections may be several workers': the cookie says which test a data stream belongs to, a hash
 * of addresses and ports which worker it is on. What they share is a session: one of a listener's fixed
 * number of slots. Nobody waits for anybody:
 *   - gate, one atomic word, has the phase, which only the control connection moves on, who still refers to
 *     the session, and how many streams joined. Streams look at it: in their callbacks, and by a timer.
 *   - a stream's line is written by the stream's worker alone, what share tells it by the control
 *     connection's, before the phase that lets it be read. Counts are plain stores of whole words, which the
 *     control connection reads when the test ends.
 * So while data flows no line is written by two workers; gate changes six times in a test.
 */
#ifndef HANDLERS_IPERF3_SESSION_H
#define HANDLERS_IPERF3_SESSION_H

#include "base/compiler.h"
#include "base/option.h"
#include "handlers/handlers.h"
#include "handlers/iperf3_msg.h"

enum iperf3_phase {
	PHASE_FREE,
	PHASE_PARAMS, /* taken; streams cannot join yet */
	PHASE_CREATE, /* streams join */
	PHASE_RUN,
	PHASE_ENDED,  /* senders close; what is still under way is read, and counts if the control connection waits for it */
	PHASE_CLOSED, /* in order: streams close */
	PHASE_ABORTED, /* streams reset */
};

enum iperf3_fate { FATE_NONE, FATE_CLOSED, FATE_LOST };

/* A data stream, as its worker tells of it. */
struct iperf3_stream {
	uint64_t bytes;       /* since it began */
	uint64_t ticket;      /* order of establishment */
	uint32_t retransmits;
	uint32_t mss;
	uint32_t ready;       /* ticket is written */
	uint32_t fate;        /* enum iperf3_fate */
	uint8_t remote[16], local[16]; /* only for the report: addresses, ports */
	uint16_t remote_port, local_port;
	uint32_t narrow;      /* it did not get the window that was asked for */
} __attribute__((aligned(CACHE_LINE)));

/* What the control connection has for a stream: told from PHASE_RUN on, and its books. */
struct iperf3_share {
	uint32_t rank; /* place in the order of establishment */
	bool sends;
	uint64_t skip;       /* bytes before --omit ended */
	uint32_t skip_again; /* retransmissions before */
	uint64_t at;         /* bytes when the last interval ended */
	struct iperf3_result result;
};

enum iperf3_step { STEP_PARAMS, STEP_STREAMS, STEP_RUN, STEP_RESULTS, STEP_ARRIVE, STEP_DISPLAY, STEP_TOLD, STEP_OVER };

/* A growing text. Once memory is out it stays as it is: full. */
struct iperf3_text {
	char *at;
	size_t len, size;
	bool full;
};

/* The control connection's own, on its worker. */
struct iperf3_ctl {
	enum iperf3_step step;
	bool failed, counted, shut, lost, summed;
	bool late;             /* the client ended by an amount: what it says it has sent is waited for */
	uint64_t deadline;     /* of the step */
	uint64_t began, omit_at, idle_since, interval_at; /* omit_at 0: nothing to omit any more */
	uint64_t moved;        /* bytes of all streams when idle_since was set */
	struct iperf3_results *results; /* the client's, in STEP_ARRIVE */
	uint64_t cpu_user, cpu_system, cpu_from; /* us, when the test began */
	double seconds;        /* how long it took, without what was omitted */
	struct iperf3_frame frame;
	struct iperf3_text report;
	char *out;             /* what could not be sent at once */
	size_t out_len, out_at;
};

struct iperf3_session {
	/* generation 32 | phase 8 | references 12 | joined 12, the lowest last */
	uint64_t gate;
	uint64_t cookie[(IPERF3_COOKIE + 7) / 8];
	uint32_t n; /* streams */
	struct iperf3_params params;
	struct iperf3_stream *stream; /* n of each */
	struct iperf3_share *share;
	struct iperf3_ctl ctl;
} __attribute__((aligned(CACHE_LINE)));

enum iperf3_count {
	COUNT_TESTS, COUNT_FAILED, COUNT_VANISHED, COUNT_DENIED, COUNT_STREAMS, COUNT_RECEIVED, COUNT_SENT,
	COUNTS,
};

#define IPERF3_PAYLOAD (64 * 1024)

/* Connections so far, of all tables that live at a time: the order in which streams came outlasts a reload. */
struct iperf3_tickets {
	uint64_t next;
	uint32_t refs; /* control thread only */
} __attribute__((aligned(CACHE_LINE)));

/*
 * What all connections of a listener version share. Its elders are the tables that there were when it was
 * made: a test whose control connection came before a reload awaits its streams there. They live as long
 * as connections that may look into them.
 */
struct iperf3_table {
	struct iperf3_tickets *tickets;
	struct iperf3_table **elder, *next; /* next: of the control thread's list */
	uint32_t n_elders, refs;            /* refs: control thread only */
	uint64_t count[COUNTS] __attribute__((aligned(CACHE_LINE)));
	uint32_t n __attribute__((aligned(CACHE_LINE)));
	char payload[2][IPERF3_PAYLOAD]; /* random, and repeating */
	struct iperf3_session session[];
};

struct iperf3_settings {
	uint32_t max_tests;
	uint64_t setup_timeout, idle_timeout;
	struct iperf3_table *table; /* made by setup */
};

enum iperf3_kind { KIND_NEW, KIND_CONTROL, KIND_STREAM, KIND_OVER };

/* A connection's context. */
struct iperf3_conn {
	uint8_t kind; /* enum iperf3_kind */
	uint8_t got;  /* octets of the cookie */
	bool eof, running, sends, done;
	uint16_t index; /* in the session */
	uint64_t ticket;
	struct iperf3_session *s;
	union {
		char cookie[IPERF3_COOKIE];
		struct {
			uint64_t bytes, began;
			uint64_t rate; /* octets a second, 0: no limit */
			uint32_t at;   /* in the payload */
			uint32_t unit; /* octets that become due together */
		};
	};
};

static_assert(sizeof(struct iperf3_conn) <= 64, "contexts take powers of two");

/* ---- iperf3_session.c ---- */

struct iperf3_table *iperf3_table_make(uint32_t n);

/* No connection is left. Both on the control thread. */
void iperf3_table_free(struct iperf3_table *t);

/* A free session for a cookie, in PHASE_PARAMS with one reference; NULL: none is free. */
struct iperf3_session *iperf3_session_take(struct iperf3_table *t, const char *cookie);

enum iperf3_join { JOIN_UNKNOWN, JOIN_DONE, JOIN_REFUSED };

/*
 * The session, here or with the elders, whose streams are awaited and whose cookie it is: a reference, and
 * the stream's index.
 */
enum iperf3_join iperf3_session_join(struct iperf3_table *t, const char *cookie, struct iperf3_session **s,
				     uint16_t *index);
void iperf3_session_unref(struct iperf3_session *s);

/* Room for n streams; false: no memory. PHASE_PARAMS. */
bool iperf3_session_size(struct iperf3_session *s, uint32_t n);
enum iperf3_phase iperf3_phase(const struct iperf3_session *s);

/* Control connection only. */
void iperf3_phase_set(struct iperf3_session *s, enum iperf3_phase phase);

/* Streams that have joined so far. */
uint32_t iperf3_session_joined(const struct iperf3_session *s);

/* All streams have joined and said so. */
bool iperf3_session_ready(const struct iperf3_session *s);

/* Of a session that is ready: a stream has not the window that was asked for. */
bool iperf3_session_narrow(const struct iperf3_session *s);

/* Rank streams by their tickets, and say which of them send. */
void iperf3_session_order(struct iperf3_session *s);

#define share_get(p)	(__atomic_load_n((p), __ATOMIC_RELAXED))
#define share_put(p, v) (__atomic_store_n((p), (v), __ATOMIC_RELAXED))

static inline void iperf3_count(const struct iperf3_settings *set, enum iperf3_count which, uint64_t n)
{
	__atomic_fetch_add(&set->table->count[which], n, __ATOMIC_RELAXED);
}

/* ---- iperf3_ctl.c ---- */

/* The connection's cookie is of no test: it asks for one. */
void iperf3_ctl_open(struct pier_conn *c, struct iperf3_conn *x);
void iperf3_ctl_input(struct pier_conn *c, struct iperf3_conn *x, const void *data, size_t len);
void iperf3_ctl_writable(struct pier_conn *c, struct iperf3_conn *x);
void iperf3_ctl_timer(struct pier_conn *c, struct iperf3_conn *x);
void iperf3_ctl_eof(struct pier_conn *c, struct iperf3_conn *x);
void iperf3_ctl_drain(struct pier_conn *c, struct iperf3_conn *x);
void iperf3_ctl_close(struct pier_conn *c, struct iperf3_conn *x);

/* Say no to a connection that belongs to no test, and let it end. */
void iperf3_deny(struct pier_conn *c, struct iperf3_conn *x);

/* ---- iperf3_text.c ---- */

void iperf3_report_begin(struct pier_conn *c, struct iperf3_session *s);

/* An interval, in seconds since the test began. */
void iperf3_report_interval(struct iperf3_session *s, double from, double to);
void iperf3_report_end(struct iperf3_session *s);

#endif
