/*
 * Explicit congestion notification (RFC 3168): a router that would drop marks instead.
 *
 * As a receiver: from the first data segment marked CE on, every ACK carries ECE until the peer says
 * by CWR that it has slowed down. As a sender: new data says ECT(0); an ECE makes the window smaller,
 * once for each window of data whether the news comes as marks or as loss, and the first new data
 * after any reduction says CWR. Two record flags hold what must be remembered while a connection
 * rests: the echo owed, and the CWR owed.
 *
 * What is sent a second time, what carries no data, and what probes a closed window is never ECT: its
 * loss would not be noticed, or the mark could not be answered (sections 6.1.4 to 6.1.6).
 */
#include "tcp/ecn.h"
#include "tcp/tcp.h"
#include "wire/ip4.h"

void tcp_ecn_received(struct tcp *t, struct tcp_conn *c, const struct pkt_facts *f)
{
	if (f->tcp_flags & TCP_CWR)
		c->flags &= ~(uint32_t)TCP_F_ECN_ECHO;
	if (f->flags & PKT_F_CE && f->payload_len && !(c->flags & TCP_F_FIN_RECEIVED)) {
		count(t->ctr, CTR_RX_ECN_MARKS);
		c->flags |= TCP_F_ECN_ECHO;
	}
}

/*
 * An echo in recovery, or of data sent before the last reduction, is no news. A window of one segment
 * cannot get smaller: the next one waits for a retransmission timeout (section 6.1.2).
 */
void tcp_ecn_echo(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, uint32_t flight)
{
	if (!flight || w->recovery || seq_leq(w->snd_una, w->recover) ||
	    seq_leq(w->snd_una, w->ecn_end))
		return;
	count(t->ctr, CTR_ECN_REDUCTIONS);
	if (w->cc.cwnd <= w->cc.mss) {
		w->ecn_wait = 1;
		w->timer = TCP_TIMER_NONE; /* to be started anew */
	}
	tcp_cc(t, c)->on_ecn(&w->cc, min_of(flight, w->cc.cwnd), t->now);
	w->undo = 0; /* what was before it must not come back by a late D-SACK */
	w->ecn_end = c->snd_nxt;
	w->reduced = (uint32_t)t->now;
	c->flags |= TCP_F_ECN_CWR;
}

void tcp_ecn_mark(struct tcp_conn *c, struct tcp_seg *seg)
{
	seg->ecn = IP_ECN_ECT0;
	if (c->flags & TCP_F_ECN_CWR) {
		c->flags &= ~(uint32_t)TCP_F_ECN_CWR;
		seg->flags |= TCP_CWR;
	}
}
