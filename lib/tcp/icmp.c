/*
 * What ICMP says about our segments (RFC 9293 section 3.9.2.2), and what the handler hears of it.
 *
 * An error belongs to the connection that the quoted header names, and counts only if the quoted
 * sequence number is in flight: who cannot see our segments has to guess it (RFC 5927 section 4.1).
 * Even then a connection that is established is never ended by it, because errors are forged, and
 * true ones pass; hard and soft errors are told to the handler alike. Only an active open is refused
 * by a hard error (RFC 5927 section 5.2; which those are, of either family, net says), and never by a
 * soft one, which may be the first address's trouble or a moment's (RFC 5461 section 4.2).
 *
 * A half-open connection is not known to any handler, and one in TIME-WAIT to none any more: errors
 * about their segments ask for nothing.
 */
#include "pmtu.h"
#include "tcp/tcp.h"

void tcp_trouble(struct tcp *t, struct tcp_conn *c, struct tcp_work *w, enum pier_trouble what)
{
	if (c->flags & TCP_F_NO_TROUBLE)
		return;
	w->trouble |= 1u << what;
	tcp_ready(t, c, w, TCP_EV_TROUBLE);
}

void tcp_r1_reached(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	net_advise(t->net, c->path, t->now);
	tcp_trouble(t, c, w, PIER_TROUBLE_RETRANSMISSION);
}

void tcp_retransmitting(struct tcp *t, struct tcp_conn *c, struct tcp_work *w)
{
	const struct tcp_flight *head;

	if (!w->flight.n || w->doubted)
		return;
	head = vec_at(&w->flight, &t->slab, w->flight_inline, sizeof(*head), 0);
	if (head->count + 1u < tcp_opts_of(t, c)->r1)
		return;
	w->doubted = 1;
	tcp_r1_reached(t, c, w);
}

static enum pier_trouble trouble_of(const struct net_icmp_error *err)
{
	static const uint8_t troubles[] = {
		[NET_ERROR_UNREACHABLE] = PIER_TROUBLE_UNREACHABLE,
		[NET_ERROR_NET] = PIER_TROUBLE_NET_UNREACHABLE,
		[NET_ERROR_HOST] = PIER_TROUBLE_HOST_UNREACHABLE,
		[NET_ERROR_PROTOCOL] = PIER_TROUBLE_PROTOCOL_UNREACHABLE,
		[NET_ERROR_PORT] = PIER_TROUBLE_PORT_UNREACHABLE,
		[NET_ERROR_SOURCE_ROUTE] = PIER_TROUBLE_SOURCE_ROUTE,
		[NET_ERROR_PROHIBITED] = PIER_TROUBLE_UNREACHABLE,
		[NET_ERROR_TOO_BIG] = PIER_TROUBLE_UNREACHABLE,
		[NET_ERROR_TIME_EXCEEDED] = PIER_TROUBLE_TIME_EXCEEDED,
		[NET_ERROR_PARAMETER] = PIER_TROUBLE_PARAMETER,
	};

	return troubles[err->kind];
}

/* Hard, and connecting from this side: RFC 9293 section 3.9.2.2. */
static bool refused(const struct tcp_conn *c, const struct net_icmp_error *err)
{
	return c->state < TCP_ESTABLISHED && (err->kind == NET_ERROR_PROTOCOL || err->kind == NET_ERROR_PORT ||
					      err->kind == NET_ERROR_PROHIBITED);
}

static void conn_error(struct tcp *t, struct tcp_conn *c, const struct net_icmp_error *err)
{
	struct tcp_work *w = c->block ? tcp_work_of(t, c) : NULL;

	/* At rest nothing is in flight. */
	if (!w || seq_lt(err->seq, w->snd_una) || seq_geq(err->seq, w->snd_max)) {
		count(t->ctr, CTR_RX_ICMP_SEQ);
		return;
	}
	if (err->kind == NET_ERROR_TOO_BIG) {
		tcp_pmtu_report(t, c, w, err);
	} else if (refused(c, err)) {
		count(t->ctr, CTR_CONN_REFUSED);
		tcp_close_now(t, c, PIER_CLOSE_REFUSED);
	} else {
		tcp_trouble(t, c, w, trouble_of(err));
	}
}

void tcp_icmp_error(struct tcp *t, const struct net_icmp_error *err)
{
	struct flow_tuple tuple = {.remote_port = err->rport, .local_port = err->lport,
				   .local = err->local};
	uint32_t entry;

	memcpy(tuple.remote, err->remote, sizeof(tuple.remote));
	entry = tcp_entry_of(t, &tuple, flow_hash(&t->flow_key, &tuple));
	if (entry == FLOW_NONE)
		count(t->ctr, CTR_RX_ICMP_NO_CONN);
	else if (flow_entry_type(entry) == FLOW_CONN)
		conn_error(t, &t->conn[flow_entry_index(entry)], err);
	else
		count(t->ctr, CTR_RX_ICMP_IGNORED);
}
