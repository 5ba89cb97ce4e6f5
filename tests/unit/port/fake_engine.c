/*
 * See fake_engine.h. Packets to send are empty frames of 60 bytes, their number in the first bytes.
 */
#include "fake_engine.h"

#include <string.h>

struct fake_engine fake;

static void see(uint64_t now)
{
	fake.went_back |= now < fake.now;
	fake.now = now;
}

void engine_size(const struct engine_config *cfg, struct engine_contract *out)
{
	memset(out, 0, sizeof(*out));
	out->total = fake.size + cfg->max_connections * fake.each;
	out->per_idle_connection = 139.5;
}

struct engine *engine_create(const struct engine_config *cfg, uint64_t now, char *err,
			     size_t errlen)
{
	fake.cfg = *cfg;
	return cfg->alloc(cfg->alloc_arg, 3 << 20, "records") ? (struct engine *)&fake : NULL;
}

void engine_destroy(struct engine *e, uint64_t now)
{
	fake.destroyed++;
}

int engine_listen(struct engine *e, const struct listener *l)
{
	return 40 + ++fake.listens;
}

int engine_relisten(struct engine *e, int version, const struct listener *l)
{
	return 40 + ++fake.listens;
}

void engine_unlisten(struct engine *e, int version)
{
	fake.unlistened = version;
}

uint64_t engine_listener_users(const struct engine *e, int version)
{
	return version * 2;
}

void engine_input(struct engine *e, struct rte_mbuf **pkts, struct pkt_facts *facts, unsigned int n,
		  uint64_t now)
{
	see(now);
	fake.received += n;
	rte_pktmbuf_free_bulk(pkts, n);
}

unsigned int engine_output(struct engine *e, uint16_t port, struct rte_mbuf **pkts,
			   unsigned int max, uint64_t now)
{
	unsigned int n = 0;

	see(now);
	fake.max = max;
	while (n < max && fake.to_send) {
		pkts[n] = rte_pktmbuf_alloc(fake.cfg.pool);
		memcpy(rte_pktmbuf_append(pkts[n], 60), &fake.sent, sizeof(fake.sent));
		fake.to_send--;
		fake.sent++;
		n++;
	}
	return n;
}

void engine_tick(struct engine *e, uint64_t now, unsigned int budget)
{
	see(now);
	fake.ticks++;
}

uint64_t engine_next(const struct engine *e, uint64_t now)
{
	return fake.next;
}

void engine_pressure(struct engine *e, bool on, unsigned int refused)
{
	fake.pressure = on;
	fake.refused = refused;
	fake.pressures++;
}

unsigned int engine_refuse(struct engine *e, uint16_t port, struct rte_mbuf **pkts, unsigned int n)
{
	fake.glances++;
	rte_pktmbuf_free(pkts[n - 1]);
	return n - 1;
}

void engine_port_mtu(struct engine *e, uint16_t port)
{
	fake.mtus++;
}

void engine_drain(struct engine *e, uint64_t now)
{
	fake.drains++;
}

bool engine_clash(const struct engine *e, uint32_t from, struct engine_clash *clash)
{
	return false;
}

void engine_usage(const struct engine *e, struct engine_usage *out)
{
	memset(out, 0, sizeof(*out));
	out->connections = 77;
}

struct engine_left engine_left(const struct engine *e)
{
	return (struct engine_left){.connections = fake.left, .packets = fake.to_send};
}

/* As the real one: no further than there is room for; each is a packet to send. */
bool engine_abort(struct engine *e, uint64_t now, unsigned int max)
{
	see(now);
	fake.aborts++;
	for (; fake.left && max && fake.to_send < 3; max--) {
		fake.left--;
		fake.to_send++;
	}
	return !fake.left;
}

uint64_t engine_abandon(struct engine *e, uint64_t now)
{
	const uint64_t n = fake.left;

	fake.left = 0;
	return n;
}

const char *engine_audit(const struct engine *e)
{
	return NULL;
}

bool engine_has(const struct engine *e, const struct pkt_facts *f)
{
	return true;
}

bool engine_has_error(const struct engine *e, const struct net_icmp_error *err)
{
	return true;
}

void engine_local_addr(const struct engine *e, uint32_t local, uint8_t out[16])
{
	memset(out, 0, 16);
}

void engine_hear(struct engine *e, const struct net_news *news, uint64_t now)
{
	see(now);
}
