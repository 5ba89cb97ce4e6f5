/*
 * What an engine does because there are others: say whose a packet is, and hear their news.
 */
#include <string.h>

#include "engine_priv.h"

bool engine_has(const struct engine *e, const struct pkt_facts *f)
{
	const struct tcp *t = &e->tcp;
	struct pkt_facts copy = *f;
	struct flow_tuple tuple;

	if (!net_accept(&e->net, &copy))
		return false;
	tcp_tuple_of(&copy, &tuple);
	return tcp_entry_of(t, &tuple, flow_hash(&t->flow_key, &tuple)) != FLOW_NONE;
}

bool engine_has_error(const struct engine *e, const struct net_icmp_error *err)
{
	struct flow_tuple tuple = {.remote_port = err->rport, .local_port = err->lport,
				   .local = err->local};
	const struct tcp *t = &e->tcp;

	memcpy(tuple.remote, err->remote, sizeof(tuple.remote));
	return tcp_entry_of(t, &tuple, flow_hash(&t->flow_key, &tuple)) != FLOW_NONE;
}

void engine_local_addr(const struct engine *e, uint32_t local, uint8_t out[16])
{
	memcpy(out, e->net.addrs[local].ip, sizeof(e->net.addrs[local].ip));
}

void engine_hear(struct engine *e, const struct net_news *news, uint64_t now)
{
	engine_set_time(e, now);
	if (news->kind == NET_NEWS_ERROR)
		tcp_icmp_error(&e->tcp, &news->error);
	else
		net_hear(&e->net, news, e->tcp.now);
}
