/*
 * What has to be the same, and how a difference is told.
 *
 * Not compared is where something lies (indexes of blocks and of places in the wheel, the grace line and the queues'
 * storage), and what nobody reads, because something else says that it means nothing.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "kit.h"
#include "twin.h"

void differ(struct twin *tw, const char *how, ...)
{
	va_list ap;

	printf("seed %" PRIu64 ", step %u, %" PRIu64 " us: ", tw->seed, tw->step, tw->now - tw->start);
	va_start(ap, how);
	vprintf(how, ap);
	va_end(ap);
	printf("\n");
	longjmp(tw->failed, 1);
}

void show_frame(const char *who, const struct frame *f)
{
	const struct tcp_hdr *th = kit_tcp(f->bytes);
	static const char names[] = "FSRPAUEC";
	struct kit_ip ip;

	printf("%-8s", who);
	if (!th || !kit_take_ip(f->bytes, &ip)) {
		printf("type %04x, %u bytes\n", load_be16(f->bytes + 12), f->len);
		return;
	}
	printf("%u>%u ", be16(th->sport), be16(th->dport));
	for (int i = 0; i < 8; i++)
		if (th->flags >> i & 1)
			putchar(names[i]);
	printf(" seq %u len %u ack %u win %u tos %02x opt", be32(th->seq), ip.l4_len - tcp_hdr_len(th), be32(th->ack),
	       be16(th->window), ip.tos);
	for (unsigned int i = TCP_HDR_LEN; i < tcp_hdr_len(th); i++)
		printf("%s%02x", i % 4 ? "" : " ", ((const uint8_t *)th)[i]);
	printf("\n");
}

struct field {
	const char *name;
	size_t at, len;
};

static const struct field conn_fields[] = {
#define F(m) {#m, offsetof(struct tcp_conn, m), sizeof(((struct tcp_conn *)0)->m)}
	F(tuple), F(flags), F(snd_nxt), F(rcv_nxt), F(snd_wl1), F(ts_recent), F(snd_wnd), F(rcv_wnd),
	F(max_snd_wnd), F(dscp), F(block), F(pmtu_at), F(srtt), F(rttvar), F(min_rtt), F(snd_mss), F(rcv_mss),
	F(version), F(generation), F(probes), F(rx_dscp), F(last_rx), F(deadline), F(handler_deadline),
	F(challenge), F(ctx), F(last_sent), F(wheel_at),
#undef F
};

static const struct field work_fields[] = {
#define F(m) {#m, offsetof(struct tcp_work, m), sizeof(((struct tcp_work *)0)->m)}
	F(conn), F(ready_next), F(out_next), F(events), F(close_reason), F(unusual), F(timer), F(segs_unacked),
	F(burst_acks), F(sack_n), F(sack_arrivals), F(full_timeouts), F(doubted), F(burst_left), F(snd_una),
	F(snd_max), F(snd_end), F(snd_wnd), F(max_snd_wnd), F(snd_wl2), F(rcv_adv), F(last_ack_sent),
	F(rcv_read), F(ts_offset), F(timer_at), F(delack_at), F(rto_at), F(tlp_at), F(progress),
	F(limited_end), F(marks), F(burst_ms), F(last_sent), F(size_acked), F(size_sent), F(size_end),
	F(trouble), F(dsack_start), F(dsack_end), F(stamp), F(stamp_end), F(rtt), F(rack), F(sndq), F(rcvq),
	F(flight), F(ooo), F(grace), F(held), F(promised), F(rcv_charge), F(rcvbuf), F(rcv_rtt), F(round_at),
	F(round_read), F(sndq_inline), F(rcv_more), F(edge_seq), F(edge_at), F(round_ms), F(fin_seq),
	F(rcvq_inline), F(cc), F(flight_inline), F(recover), F(ecn_end), F(lost_from), F(reduced), F(reo_at),
	F(tlp_end), F(tlp_sent_ms), F(frto_end), F(undo_una), F(undo_bytes), F(undo_ms), F(linger_at),
	F(syn_sent), F(ptb_seq), F(sack_start), F(prr), F(own), F(chaos), F(fat_next), F(fat_prev), F(fat_list),
	F(pinch_next), F(pinch_prev), F(rcv_up), F(snd_up), F(line), F(stall_end), F(watch_end), F(watch_una),
	F(sent_again), F(ooo_inline), F(cc_before),
#undef F
};

/* Where two records differ. */
static void __attribute__((noreturn)) say(struct twin *tw, uint32_t index, const struct field *fields, size_t n,
					  const void *with, const void *without, size_t size)
{
	const uint8_t *a = with, *b = without;
	const char *name = "a bit field";
	uint32_t va = 0, vb = 0;
	size_t i = 0;

	for (size_t k = 0; k < size && tw->verbose; k++)
		if (a[k] != b[k])
			printf("  byte %zu: %02x and %02x\n", k, a[k], b[k]);
	while (i < n && !memcmp(a + fields[i].at, b + fields[i].at, fields[i].len))
		i++;
	if (i < n) {
		name = fields[i].name;
		memcpy(&va, a + fields[i].at, min_of(fields[i].len, sizeof(va)));
		memcpy(&vb, b + fields[i].at, min_of(fields[i].len, sizeof(vb)));
	}
	differ(tw, "connection %u: %s is %u with shortcuts and %u without", index, name, va, vb);
}

static void blank_conn(struct tcp_conn *c)
{
	c->block = !!c->block;
	c->wheel_slot = 0;
	c->wheel_at = 0;
	c->ctx = 0;
	if (!(c->flags & TCP_F_WHEEL))
		c->deadline = 0;
	if (!(c->flags & TCP_F_TIMER))
		c->handler_deadline = 0;
}

static void blank_vec(struct vec *v)
{
	v->mem = v->head = v->order = 0;
}

/*
 * Our FIN has arrived, and nobody is there to read what may come: take_last_ack of fast.c leaves out what nobody will
 * ask for again.
 */
static bool is_over(const struct tcp_conn *c, const struct tcp_work *w)
{
	const uint32_t over = TCP_F_FIN_SENT | TCP_F_ORPHAN;

	return (c->flags & over) == over && w->snd_una == c->snd_nxt;
}

static void blank_sender(struct tcp_work *w)
{
	memset(&w->rtt, 0, sizeof(w->rtt));
	memset(&w->cc, 0, sizeof(w->cc));
	memset(&w->rack, 0, sizeof(w->rack));
	w->tlp_spent = 0;
	w->size_acked = w->size_sent = w->full_timeouts = w->doubted = 0;
	w->size_end = 0;
}

/* What the compiler left between members. */
static void blank_cc(struct cc *c)
{
	const size_t hole = offsetof(struct cc, after_rto) + 1, end = offsetof(struct cc, hystart.begun) + 1;

	memset((char *)c + hole, 0, offsetof(struct cc, hystart) - hole);
	memset((char *)c + end, 0, sizeof(*c) - end);
	if (c->ssthresh != CC_SSTHRESH_NONE) /* of the other one there is less */
		memset((char *)c + offsetof(struct cc, cubic.emptied) + 1, 0,
		       sizeof(*c) - offsetof(struct cc, cubic.emptied) - 1);
}

static void blank_own(struct tcp_work *w, bool own)
{
	const struct tcp_own o = w->own;

	memset(&w->own, 0, sizeof(w->own));
	if (!own)
		return;
	w->own.r2 = o.r2;
	w->own.user_timeout = o.user_timeout;
	w->own.keepalive_idle = o.keepalive_idle;
	w->own.keepalive_intvl = o.keepalive_intvl;
	w->own.keepalive_count = o.keepalive_count;
	w->own.keepalive_from = o.keepalive_from;
	w->own.keepalive_late = o.keepalive_late;
	w->own.keepalive_garbage = o.keepalive_garbage;
	w->own.ttl = o.ttl;
	w->own.rcvbuf = o.rcvbuf;
	w->own.sndbuf = o.sndbuf;
}

static void blank_work(struct tcp_work *w)
{
	blank_cc(&w->cc);
	blank_cc(&w->cc_before);
	blank_vec(&w->sndq);
	blank_vec(&w->rcvq);
	blank_vec(&w->flight);
	blank_vec(&w->ooo);
	w->sndq.n = 0; /* as bytes are copied together or not */
	w->grace = 0;
	w->chaos = !!w->chaos;
	if (!w->fin_held)
		w->fin_seq = 0;
	memset(w->sndq_inline, 0, sizeof(w->sndq_inline));
	memset(w->rcvq_inline, 0, sizeof(w->rcvq_inline));
	memset(w->flight_inline, 0, sizeof(w->flight_inline));
	memset(w->ooo_inline, 0, sizeof(w->ooo_inline));
	memset(&w->rcv_more, 0, sizeof(w->rcv_more));
	if (!w->undo)
		memset(&w->cc_before, 0, sizeof(w->cc_before));
	if (!w->on_ready)
		w->ready_next = 0;
	if (!w->on_out)
		w->out_next = 0;
	if (w->timer == TCP_TIMER_NONE)
		w->timer_at = 0;
	if (!w->delack)
		w->delack_at = 0;
}

static void compare_flights(struct twin *tw, const struct tcp *const t[2], uint32_t i)
{
	struct tcp_work *w[2] = {tcp_work_of(t[0], &t[0]->conn[i]), tcp_work_of(t[1], &t[1]->conn[i])};

	for (uint32_t n = 0; n < w[0]->flight.n; n++) {
		const struct tcp_flight *a = vec_at(&w[0]->flight, &t[0]->slab, w[0]->flight_inline, sizeof(*a), n);
		const struct tcp_flight *b = vec_at(&w[1]->flight, &t[1]->slab, w[1]->flight_inline, sizeof(*b), n);

		if (a->seq != b->seq || a->end != b->end || a->sent != b->sent || a->flags != b->flags ||
		    a->count != b->count)
			differ(tw, "connection %u: range %u in flight is %u to %u, sent %u, flags %u, with "
			       "shortcuts and %u to %u, sent %u, flags %u, without", i, n, a->seq, a->end, a->sent,
			       a->flags, b->seq, b->end, b->sent, b->flags);
	}
}

static void compare_work(struct twin *tw, const struct tcp *const t[2], uint32_t i)
{
	struct tcp_work a = *tcp_work_of(t[0], &t[0]->conn[i]), b = *tcp_work_of(t[1], &t[1]->conn[i]);

	blank_work(&a);
	blank_work(&b);
	blank_own(&a, t[0]->conn[i].flags & TCP_F_OWN);
	blank_own(&b, t[1]->conn[i].flags & TCP_F_OWN);
	if (is_over(&t[0]->conn[i], &a) && is_over(&t[1]->conn[i], &b)) {
		blank_sender(&a);
		blank_sender(&b);
	}
	if (memcmp(&a, &b, sizeof(a)))
		say(tw, i, work_fields, ARRAY_SIZE(work_fields), &a, &b, sizeof(a));
	compare_flights(tw, t, i);
}

static void compare_conn(struct twin *tw, const struct tcp *const t[2], uint32_t i)
{
	struct tcp_conn a = t[0]->conn[i], b = t[1]->conn[i];

	if (a.state != b.state)
		differ(tw, "connection %u: state %u with shortcuts and %u without", i, a.state, b.state);
	if (a.state == TCP_CLOSED && !a.block)
		return;
	blank_conn(&a);
	blank_conn(&b);
	if (memcmp(&a, &b, sizeof(a)))
		say(tw, i, conn_fields, ARRAY_SIZE(conn_fields), &a, &b, sizeof(a));
	if (a.block)
		compare_work(tw, t, i);
}

static void compare_events(struct twin *tw)
{
	struct side *a = &tw->side[0], *b = &tw->side[1];

	for (unsigned int i = 0; i < a->n_event && i < b->n_event; i++) {
		const struct event *x = &a->event[i], *y = &b->event[i];

		if (x->what != y->what || x->id != y->id || x->a != y->a || x->b != y->b)
			differ(tw, "the application hears %s %" PRIx64 " %" PRIu64 " %" PRIu64 " with shortcuts "
			       "and %s %" PRIx64 " %" PRIu64 " %" PRIu64 " without",
			       x->what, x->id, x->a, x->b, y->what, y->id, y->a, y->b);
	}
	if (a->n_event != b->n_event)
		differ(tw, "the application hears %u things with shortcuts and %u without", a->n_event, b->n_event);
	a->n_event = b->n_event = 0;
}

static void compare_counters(struct twin *tw)
{
	for (unsigned int i = 0; i < CTR_MAX; i++)
		if (tw->side[0].ctr.v[i] != tw->side[1].ctr.v[i])
			differ(tw, "%s is %" PRIu64 " with shortcuts and %" PRIu64 " without", counter_info[i].name,
			       tw->side[0].ctr.v[i], tw->side[1].ctr.v[i]);
}

void compare_state(struct twin *tw)
{
	const struct tcp *const t[2] = {engine_tcp(tw->side[0].e), engine_tcp(tw->side[1].e)};

	compare_events(tw);
	compare_counters(tw);
	for (int i = 0; i < 2; i++) {
		const char *wrong = engine_check(tw->side[i].e);

		if (wrong)
			differ(tw, "%s shortcuts: %s", i ? "without" : "with", wrong);
	}
	if (t[0]->conn_pool.used != t[1]->conn_pool.used || t[0]->conn_pool.fresh != t[1]->conn_pool.fresh)
		differ(tw, "%u connections with shortcuts and %u without", t[0]->conn_pool.used, t[1]->conn_pool.used);
	if (t[0]->half_open != t[1]->half_open || t[0]->time_wait != t[1]->time_wait)
		differ(tw, "%u half-open, %u in TIME-WAIT with shortcuts and %u, %u without", t[0]->half_open,
		       t[0]->time_wait, t[1]->half_open, t[1]->time_wait);
	for (uint32_t i = 1; i <= t[0]->conn_pool.fresh; i++)
		compare_conn(tw, t, i);
	for (uint32_t i = 1; i <= t[0]->small_pool.fresh; i++) {
		struct tcp_half a = t[0]->small[i].half, b = t[1]->small[i].half;

		if (a.kind == FLOW_HALF_OPEN)
			a.wheel_slot = b.wheel_slot = 0;
		if (a.kind != b.kind || (a.kind && memcmp(&a, &b, sizeof(a))))
			differ(tw, "half-open or TIME-WAIT %u differs", i);
	}
}

void compare_frames(struct twin *tw)
{
	const struct side *a = &tw->side[0], *b = &tw->side[1];

	for (unsigned int i = 0; i < a->n_out || i < b->n_out; i++) {
		const struct frame *x = &a->out[i], *y = &b->out[i];

		if (i < a->n_out && i < b->n_out && x->len == y->len && x->flags == y->flags && x->tx == y->tx &&
		    !memcmp(x->bytes, y->bytes, x->len))
			continue;
		if (i < a->n_out)
			show_frame("with", x);
		if (i < b->n_out)
			show_frame("without", y);
		differ(tw, "packet %u of %u with shortcuts and %u without", i, a->n_out, b->n_out);
	}
}
