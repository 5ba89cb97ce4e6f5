/*
 * RACK-TLP (RFC 8985) over the scoreboard: which ranges are lost by time, and the probe that finds
 * out about the tail of a flight before the retransmission timer has to.
 */
#include "tcp/loss.h"

#define DUP_THRESH        3

static uint32_t reo_wnd(const struct tcp_conn *c, const struct tcp_work *w)
{
	const struct rack_now now = {
		.min_rtt_us = w->rtt.min_rtt_us,
		.srtt_us = w->rtt.srtt_us,
		.recovery = w->recovery || w->rto_recovery,
		.dup_thresh = w->sacked && (w->sacked >= DUP_THRESH * (uint32_t)c->snd_mss ||
					    w->sack_arrivals >= DUP_THRESH),
	};

	return rack_reo_wnd(&w->rack, &now);
}

bool tcp_loss_is_new(const struct tcp_work *w, const struct tcp_flight *f)
{
	if (!(f->flags & FLIGHT_RETX))
		return seq_geq(f->seq, w->recover) && seq_geq(f->seq, w->ecn_end);
	return !seq_lt(f->sent, w->reduced);
}

/*
 * Ranges lie in sequence order, and one sent once was sent before everything above it: the scan ends
 * at the first such that the latest delivery does not overtake.
 */
bool tcp_rack_detect(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t wnd = reo_wnd(c, w), wait = 0;
	bool news = false;

	w->reo_pending = 0;
	for (uint32_t i = 0; i < w->flight.n; i++) {
		struct tcp_flight *f = tcp_flight_at(t, w, i);
		uint32_t left;

		if (f->flags & (FLIGHT_SACKED | FLIGHT_LOST))
			continue;
		if (!rack_before(&w->rack, f->sent, f->end)) {
			if (!(f->flags & FLIGHT_RETX))
				break;
			continue;
		}
		left = rack_left(&w->rack, f->sent, wnd, (uint32_t)t->now);
		if (left) {
			wait = max_of(wait, left);
			continue;
		}
		news |= tcp_loss_is_new(w, f);
		tcp_flight_mark_lost(w, f);
	}
	if (wait) {
		w->reo_pending = 1;
		w->reo_at = tcp_timer_due(t, wait);
	}
	return news;
}

void tcp_rack_timeout(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	uint32_t wnd = reo_wnd(c, w);

	tcp_flight_split(t, w, w->snd_una + c->snd_mss);
	for (uint32_t i = 0; i < w->flight.n; i++) {
		struct tcp_flight *f = tcp_flight_at(t, w, i);
		bool old = w->rack.rtt_us ? !rack_left(&w->rack, f->sent, wnd, (uint32_t)t->now)
					  : tcp_flight_age(t, f) >= w->rtt.srtt_us;

		if (i == 0 || old)
			tcp_flight_mark_lost(w, f);
	}
}

void tcp_tlp_sent(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, bool again)
{
	count(t->ctr, CTR_TLP_PROBES);
	w->tlp_out = 1;
	w->tlp_retx = again;
	w->tlp_end = c->snd_nxt;
	w->tlp_sent_ms = t->now_ms;
}

bool tcp_tlp_acked(struct tcp *t, struct tcp_work *w, const struct tcp_acked *a)
{
	bool ours = a->dsack && a->dsack_block.right == w->tlp_end;

	if (!w->tlp_out || seq_lt(w->snd_una, w->tlp_end))
		return false;
	if (w->tlp_retx && !ours && w->snd_una == w->tlp_end && !a->dup &&
	    !(a->echo && seq_geq(a->echo_ms, w->tlp_sent_ms)))
		return false; /* the first copy's ACK, or the probe's: the next one will say */
	w->tlp_out = 0;
	return w->tlp_retx && !ours && !a->dup;
}
