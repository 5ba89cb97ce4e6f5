/*
 * The parser's short way, of a frame in one piece, against the long one, which a frame in two pieces takes.
 */
#ifndef WAYS_H
#define WAYS_H

#include "kit.h"

#include "pkt/parse.h"

static struct rte_mempool *pool;
static struct pkt_port port;

static int start(void **state)
{
	if (kit_start(state) < 0)
		return -1;
	pool = kit_pool("ways", 255, KIT_BUF);
	memcpy(port.mac, kit_mac, 6);
	return 0;
}

/* Cut there, unless it is 0. */
static struct pkt_facts parse(const uint8_t *buf, uint32_t len, uint64_t ol_flags, uint32_t cut)
{
	struct rte_mbuf *m = kit_chain(pool, buf, len, &cut, cut ? 1 : 0);
	struct pkt_facts f;

	m->ol_flags |= ol_flags;
	memset(&f, 0xa5, sizeof(f));
	pkt_parse_burst(&m, &f, 1, 3, &port);
	rte_pktmbuf_free(m);
	return f;
}

/* That all facts are the same; returns the kind. */
static uint8_t same_ways(const uint8_t *buf, uint32_t len, uint64_t ol_flags)
{
	const struct pkt_facts a = parse(buf, len, ol_flags, 0), b = parse(buf, len, ol_flags, 1);
	const struct pkt_facts c = parse(buf, len, ol_flags, len - 1); /* for who reads beyond, under ASan */

	assert_memory_equal(&a, &b, sizeof(a));
	assert_memory_equal(&a, &c, sizeof(a));
	return a.kind;
}

#endif
