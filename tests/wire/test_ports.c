/*
 * Local ports of active opens, in the engine: never a listener's, never one in use.
 */
#include "kit.h"

#include <errno.h>

#define N 10000

static uint8_t seen[65536];
static uint16_t got[N];

/* What comes of SYNs is only counted. */
static void note(void *arg, struct kit_frame *f)
{
	unsigned int *n = arg;
	const struct tcp_hdr *th = kit_tcp(f->bytes);

	if (!th || th->flags != SYN || *n >= N)
		return;
	got[(*n)++] = be16(th->sport);
}

static int open_one(struct kit *k, struct kit_peer *p, uint64_t *id)
{
	struct engine_connect req = {.remote_port = p->port, .local = LISTENER_ANY,
				     .version = k->client, .ctx = (uintptr_t)&p->app};
	struct rte_mbuf *out[4];
	struct kit_frame f = {0};
	unsigned int n;
	int err;

	memcpy(req.remote, p->addr, 16);
	err = engine_connect(k->e, &req, k->now, id);
	n = engine_output(k->e, 0, out, 4, k->now);
	for (unsigned int i = 0; i < n; i++) {
		f = (struct kit_frame){.bytes = rte_pktmbuf_mtod(out[i], uint8_t *)};
		k->sink(k->sink_arg, &f);
		rte_pktmbuf_free(out[i]);
	}
	if (!err)
		p->app.connects++;
	return err;
}

/* 10^4 to one server. The kit does not turn meanwhile: it checks all connections each time. */
static void OPN_24_ports_of_many_connections(void **s)
{
	static const uint16_t listening[] = {49152, 50000, 60000, 65535};
	struct kit *k = *s;
	struct kit_peer *first, *p;
	unsigned int n = 0, best = 0;
	uint32_t *diff = calloc(65536, sizeof(*diff));
	uint64_t id;

	k->conf.max_connections = N + 100;
	k->conf.block_bytes = (N + 200) * KIB + 2 * MIB;
	k->tcp.ecn = false;
	first = kit_peer(k);
	p = kit_peer(k);
	for (unsigned int i = 0; i < ARRAY_SIZE(listening); i++)
		kit_listen(k, listening[i], LISTENER_ANY);
	kit_active(first);
	k->sink = note;
	k->sink_arg = &n;
	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(open_one(k, p, &id), 0);
	assert_int_equal(n, N);
	for (unsigned int i = 0; i < N; i++) {
		assert_in_range(got[i], 49152, 65535);
		assert_int_equal(seen[got[i]]++, 0);
		if (i && ++diff[(uint16_t)(got[i] - got[i - 1])] > best)
			best = diff[(uint16_t)(got[i] - got[i - 1])];
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(listening); i++)
		assert_int_equal(seen[listening[i]], 0);
	assert_true(best * 100 < N);
	free(diff);
}

/* A small range: all of it, and then none; what is in TIME-WAIT or listens is left out. */
static void OPN_24_a_range_of_eight(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p[9], *q = kit_peer(k);
	unsigned int ports = 0;

	k->tcp.port_low = 2000;
	k->tcp.port_high = 2007;
	kit_listen(k, 2003, LISTENER_ANY);
	for (unsigned int i = 0; i < 7; i++) {
		p[i] = kit_peer(k);
		p[i]->port = q->port;
		kit_connect(p[i]);
		assert_in_range(p[i]->dport, 2000, 2007);
		assert_false(ports & 1u << (p[i]->dport - 2000));
		ports |= 1u << (p[i]->dport - 2000);
	}
	assert_int_equal(ports, 0xf7);
	assert_int_equal(kit_connect_from(q, LISTENER_ANY, 0), -EADDRNOTAVAIL);
	assert_int_equal(kit_connect_from(q, LISTENER_ANY, p[0]->dport), -EADDRINUSE);
	/* Another destination has ports of its own. */
	q->port++;
	kit_connect(q);
	/* TIME-WAIT without timestamps cannot be reused. */
	kit_accept(p[0]);
	expect(p[0], .flags = ACK, .seq = 1, .ack = 1);
	kit_app_shutdown(p[0]);
	expect(p[0], .flags = FIN | ACK, .seq = 1, .ack = 1);
	send_seg(p[0], .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p[0], .flags = ACK, .seq = 2, .ack = 2);
	kit_advance(k, 2 * SEC);
	kit_drain(k);
	p[7] = kit_peer(k);
	p[7]->port = p[0]->port;
	assert_int_equal(kit_connect_from(p[7], LISTENER_ANY, 0), -EADDRNOTAVAIL);
	/* A refused one's port is free at once. */
	send_seg(p[1], .flags = RST | ACK, .seq = 0, .ack = 1);
	kit_drain(k);
	kit_connect(p[7]);
	assert_int_equal(p[7]->dport, p[1]->dport);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(OPN_24_ports_of_many_connections),
		KIT_TEST(OPN_24_a_range_of_eight),
	};

	return KIT_RUN("ports", tests);
}
