/*
 * The handler API's setters: what one connection has otherwise than its listener. Out of range is
 * refused and changes nothing.
 */
#include <string.h>

#include "engine_priv.h"

#define KEEPALIVE_IDLE_MAX (UINT32_MAX / 4 * US_PER_MS) /* a quarter of the clock's circle */
#define KEEPALIVE_INTVL_MAX (3600 * US_PER_SEC)
#define KEEPALIVE_COUNT_MAX 100

/* The connection and its block while TCP still works for it, also after pier_shutdown. */
static struct tcp_work *alive(struct pier_conn *pc, struct tcp **t, struct tcp_conn **c)
{
	struct engine *e = pc->host;

	*t = &e->tcp;
	*c = &e->tcp.conn[(uint32_t)pc->id];
	return (*c)->state == TCP_CLOSED ? NULL : tcp_attach(*t, *c);
}

bool engine_set_dscp(struct pier_conn *pc, unsigned int dscp)
{
	struct engine *e = pc->host;
	struct tcp_conn *c = &e->tcp.conn[(uint32_t)pc->id];

	if (dscp > 63 || c->state == TCP_CLOSED)
		return false;
	c->dscp = (uint8_t)dscp;
	return true;
}

unsigned int engine_received_dscp(struct pier_conn *pc)
{
	const struct engine *e = pc->host;

	return e->tcp.conn[(uint32_t)pc->id].rx_dscp;
}

bool engine_set_ttl(struct pier_conn *pc, unsigned int ttl)
{
	struct tcp_own own;
	struct tcp_conn *c;
	struct tcp_work *w;
	struct tcp *t;

	if (ttl < 1 || ttl > 255 || !(w = alive(pc, &t, &c)))
		return false;
	own = tcp_own_get(t, c);
	own.ttl = (uint8_t)ttl;
	tcp_own_set(t, c, w, &own);
	return true;
}

static bool keepalive_ok(const struct pier_keepalive *k)
{
	return k->idle_us >= US_PER_MS && k->idle_us <= KEEPALIVE_IDLE_MAX &&
	       k->interval_us >= US_PER_MS && k->interval_us <= KEEPALIVE_INTVL_MAX &&
	       k->count >= 1 && k->count <= KEEPALIVE_COUNT_MAX;
}

bool engine_set_keepalive(struct pier_conn *pc, const struct pier_keepalive *k)
{
	struct tcp_own own;
	struct tcp_conn *c;
	struct tcp_work *w;
	struct tcp *t;

	if (!keepalive_ok(k) || !(w = alive(pc, &t, &c)))
		return false;
	if (k->on)
		c->flags |= TCP_F_KEEPALIVE;
	else
		c->flags &= ~(uint32_t)TCP_F_KEEPALIVE;
	own = tcp_own_get(t, c);
	own.keepalive_idle = k->idle_us;
	own.keepalive_intvl = k->interval_us;
	own.keepalive_count = k->count;
	own.keepalive_garbage = k->garbage;
	own.keepalive_late = k->on && c->last_rx != t->now_ms;
	own.keepalive_from = t->now_ms;
	tcp_own_set(t, c, w, &own);
	return true;
}

void engine_get_keepalive(struct pier_conn *pc, struct pier_keepalive *k)
{
	const struct engine *e = pc->host;
	const struct tcp_conn *c = &e->tcp.conn[(uint32_t)pc->id];
	const struct tcp_own own = tcp_own_get(&e->tcp, c);

	*k = (struct pier_keepalive){
		.on = c->flags & TCP_F_KEEPALIVE,
		.garbage = own.keepalive_garbage,
		.count = own.keepalive_count,
		.idle_us = own.keepalive_idle,
		.interval_us = own.keepalive_intvl,
	};
}

bool engine_set_timeouts(struct pier_conn *pc, uint64_t r2_us, uint64_t user_us)
{
	struct tcp_own own;
	struct tcp_conn *c;
	struct tcp_work *w;
	struct tcp *t;

	if (!r2_us || !user_us || !(w = alive(pc, &t, &c)))
		return false;
	own = tcp_own_get(t, c);
	own.r2 = r2_us;
	own.user_timeout = user_us;
	tcp_own_set(t, c, w, &own);
	return true;
}

static bool buffer_ok(size_t len, uint64_t max)
{
	return !len || (len >= PIER_BUFFER_MIN && len <= max);
}

bool engine_set_buffers(struct pier_conn *pc, size_t rcv, size_t snd)
{
	const struct tcp_options *o;
	struct tcp_conn *c;
	struct tcp *t;
	struct tcp_work *w = alive(pc, &t, &c);

	if (!w)
		return false;
	o = tcp_opts_of(t, c);
	return buffer_ok(rcv, o->rcvbuf) && buffer_ok(snd, o->sndbuf) &&
	       tcp_set_buffers(t, c, w, (uint32_t)rcv, (uint32_t)snd);
}

bool engine_set_mss(struct pier_conn *pc, unsigned int mss)
{
	struct tcp_conn *c;
	struct tcp_work *w;
	struct tcp *t;

	if (mss < PIER_MSS_MIN || !(w = alive(pc, &t, &c)))
		return false;
	tcp_set_mss(t, c, w, mss);
	return true;
}

/* size is what the handler knows of the struct: it may have been built against a shorter one. */
bool engine_tcp_info(struct pier_conn *pc, struct pier_tcp_info *info, size_t size)
{
	struct pier_tcp_info full = {.congestion = ""};
	struct tcp_conn *c;
	struct tcp *t;
	struct tcp_work *w = alive(pc, &t, &c);

	if (w) {
		if (!(c->flags & TCP_F_COUNTS))
			w->sent_again = 0;
		c->flags |= TCP_F_COUNTS;
		full = (struct pier_tcp_info){
			.srtt_us = w->rtt.srtt_us,
			.rttvar_us = w->rtt.rttvar_us,
			.cwnd = w->cc.cwnd,
			.snd_mss = c->snd_mss,
			.rcv_mss = c->rcv_mss,
			.retransmits = w->sent_again,
			.queued = w->snd_end - w->snd_una,
			.congestion = tcp_cc(t, c)->name,
		};
	}
	memcpy(info, &full, min_of(size, sizeof(full)));
	return w;
}
