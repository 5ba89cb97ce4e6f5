/*
 * The engine's own struct: TCP, net, the packet pool and the queues of finished packets.
 */
#ifndef ENGINE_PRIV_H
#define ENGINE_PRIV_H

#include "engine/engine.h"
#include "net/net.h"
#include "pkt/pool.h"
#include "tcp/tcp.h"

#define ENGINE_QUEUE 1024 /* stateless answers waiting for a port, a power of two */

/* Packets that are complete: answers to strangers, SYN-ACKs, ARP, ICMP, immediate ACKs. */
struct engine_queue {
	struct rte_mbuf *pkt[ENGINE_QUEUE];
	uint32_t head, tail;
};

/* Where drain or abort stands, in each pool. */
struct engine_walk {
	uint32_t small, conn;
	bool on;    /* the drain is to go on in the next tick */
	bool stuck; /* for want of room: not before it has come back */
};

struct engine {
	struct tcp tcp;
	struct net net;
	struct pkt_pool pool;
	struct engine_queue *queue[ENGINE_PORTS_MAX];
	/* The receive-queue slices that the running data callback sees: their sums are known. */
	const struct slice *shown;
	unsigned int n_shown;
	uint64_t (*ticks)(void);
	uint64_t ticks_per_us;
	uint32_t frag_port; /* of the datagram in reassembly */
	const struct engine_peers *peers; /* NULL: no other workers */
	struct engine_walk walk;
	bool aborting;
	bool refused; /* engine_refuse has seen the burst that is next */
};

/* api.c: what handlers call. */
extern const struct pier_calls engine_calls;

/* settings.c: of the same, the setters. */
bool engine_set_dscp(struct pier_conn *pc, unsigned int dscp);
unsigned int engine_received_dscp(struct pier_conn *pc);
bool engine_set_ttl(struct pier_conn *pc, unsigned int ttl);
bool engine_set_keepalive(struct pier_conn *pc, const struct pier_keepalive *k);
void engine_get_keepalive(struct pier_conn *pc, struct pier_keepalive *k);
bool engine_set_timeouts(struct pier_conn *pc, uint64_t r2_us, uint64_t user_us);
bool engine_set_buffers(struct pier_conn *pc, size_t rcv, size_t snd);
bool engine_set_mss(struct pier_conn *pc, unsigned int mss);

/* engine.c: the place of a version number, NULL if that version is gone. */
struct tcp_version *engine_version_of(const struct tcp *t, int version);

/* connect.c: pier_connect. */
int engine_call_connect(struct pier_conn *from, const struct pier_connect *to, uint64_t *id);

/* What a callback gets to know of c, for as long as it runs. */
static inline void engine_conn_handle(struct engine *e, struct tcp_conn *c, struct pier_conn *pc)
{
	*pc = (struct pier_conn){
		.calls = &engine_calls,
		.host = e,
		.id = tcp_conn_id(&e->tcp, c),
		.ctx = tcp_ctx(&e->tcp, c),
		.settings = e->tcp.version[c->version].listener->settings,
		.now = e->tcp.now,
	};
}

/* stream.c */
size_t engine_send_urgent(struct pier_conn *pc, const void *data, size_t len);
size_t engine_urgent_left(struct pier_conn *pc);
void engine_cork(struct pier_conn *pc, bool on);
void engine_flush(struct pier_conn *pc);
bool engine_tcp_info(struct pier_conn *pc, struct pier_tcp_info *info, size_t size);

/* chaos.c: pier_close of a connection that never closes: its handler is told, and that is all. */
bool engine_chaos_stays(struct engine *e, struct tcp_conn *c);

/* dispatch.c: run the ready list's callbacks, once per connection. */
void engine_run_ready(struct engine *e);

/* The connection is closed: tell the handler if it does not know, free it if no list holds it. */
void engine_reap(struct engine *e, struct tcp_conn *c);

/* The handler is finished with the connection; its close callback runs now. */
void engine_detach_handler(struct engine *e, struct tcp_conn *c, enum pier_close_reason why);

/* While draining: close the connection if nothing of it is under way. */
void engine_drain_conn(struct engine *e, struct tcp_conn *c);

/* stop.c: the drain goes on, a bounded step. */
void engine_drain_on(struct engine *e);

static inline void engine_set_time(struct engine *e, uint64_t now)
{
	struct tcp *t = &e->tcp;

	if (likely(now > t->now)) {
		t->now = now;
		t->now_ms = ms_of(now);
		t->within_ms = now % US_PER_MS != 0;
	}
}

#endif
