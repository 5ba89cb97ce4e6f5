/*
 * The memory contract: see worker/contract.h.
 */
#include <string.h>

#include "base/units.h"
#include "worker/contract.h"

static double mib(uint64_t bytes)
{
	return (double)bytes / MIB;
}

static uint64_t has(const struct contract_memory *m)
{
	return m->pages + m->huge;
}

/* What EAL takes for n workers of what has() says. */
static uint64_t packets(const struct contract_memory *m, const struct contract_eal *eal, unsigned int n)
{
	const uint64_t bytes = n * eal->each, giant = eal->huge ? m->giant : 0;

	return bytes > giant ? bytes - giant : 0;
}

static unsigned int workers_on(const struct place_plan *p, unsigned int node)
{
	unsigned int n = 0;

	for (unsigned int w = 0; w < p->n; w++)
		n += p->worker[w].node == (int)node;
	return n;
}

/* The numbers of the workers on a node, "0, 3 and 5"; of many the first ones. */
static const char *name_workers(const struct place_plan *p, unsigned int node, char *text, size_t len)
{
	const unsigned int n = workers_on(p, node);
	unsigned int seen = 0;
	size_t at = 0;

	for (unsigned int w = 0; w < p->n && at + 16 < len; w++) {
		if (p->worker[w].node != (int)node)
			continue;
		at += (size_t)snprintf(text + at, len - at, "%s%u",
				       !seen ? "" : seen + 1 == n ? " and " : ", ", w);
		seen++;
	}
	if (seen < n)
		snprintf(text + at, len - at, " ...");
	return text;
}

/* Of so much memory, for so many workers, what one may have for connections. */
static uint64_t share_of(const struct contract_memory *m, const struct contract_eal *eal, unsigned int n)
{
	const uint64_t taken = packets(m, eal, n);

	if (!has(m) || !n)
		return UINT64_MAX;
	return has(m) > taken ? (has(m) - taken) / n : 0;
}

static void print_fix(char *err, size_t errlen, size_t at, uint32_t fits, unsigned int workers, bool node)
{
	if (at >= errlen)
		return;
	if (fits)
		snprintf(err + at, errlen - at, "max-connections = %llu fits, or add memory%s",
			 (unsigned long long)fits * workers,
			 node ? ", or place fewer workers there (lcores and placement)" : "");
	else
		snprintf(err + at, errlen - at,
			 "that is too little for any connection: a smaller memory, max-time-wait or max-half-open, "
			 "fewer workers%s, or more memory", node ? " there" : "");
}

static bool fits_node(const struct contract_supply *s, const struct place_plan *p, unsigned int node,
		      const struct engine_config *cfg, const struct contract_eal *eal, char *err, size_t errlen)
{
	const unsigned int n = workers_on(p, node);
	struct engine_contract c;
	const struct contract_memory *m = &s->node[node];
	uint64_t need;
	char who[96];
	int at;

	engine_size(cfg, &c);
	need = n * c.total + packets(m, eal, n);
	if (!has(m) || need <= has(m))
		return true;
	at = snprintf(err, errlen,
		      "the memory contract does not fit on node %u: worker%s %s need%s %.0f MiB for %u connections "
		      "each and their packets, the node has %.0f MiB: ", node, n == 1 ? "" : "s",
		      name_workers(p, node, who, sizeof(who)), n == 1 ? "s" : "", mib(need),
		      cfg->max_connections, mib(has(m)));
	print_fix(err, errlen, (size_t)at, contract_room(cfg, share_of(m, eal, n)), p->n, true);
	return false;
}

bool contract_fits(const struct contract_supply *s, const struct place_plan *p, const struct engine_config *cfg,
		   const struct contract_eal *eal, char *err, size_t errlen)
{
	struct engine_contract c;
	uint64_t need;
	int at;

	if (s->n_nodes > 1)
		for (unsigned int i = 0; i < s->n_nodes; i++)
			if (workers_on(p, i) && !fits_node(s, p, i, cfg, eal, err, errlen))
				return false;
	engine_size(cfg, &c);
	need = p->n * c.total + packets(&s->all, eal, p->n);
	if (!has(&s->all) || need <= has(&s->all))
		return true;
	at = snprintf(err, errlen,
		      "the memory contract does not fit: %u worker%s need%s %.0f MiB for %u connections each and their "
		      "packets, %.0f MiB are available: ", p->n, p->n == 1 ? "" : "s", p->n == 1 ? "s" : "",
		      mib(need), cfg->max_connections, mib(has(&s->all)));
	print_fix(err, errlen, (size_t)at, contract_room(cfg, share_of(&s->all, eal, p->n)), p->n, false);
	return false;
}

uint64_t contract_share(const struct contract_supply *s, const struct place_plan *p,
			const struct contract_eal *eal)
{
	uint64_t least = share_of(&s->all, eal, p->n);

	for (unsigned int i = 0; i < s->n_nodes; i++)
		least = min_of(least, share_of(&s->node[i], eal, workers_on(p, i)));
	return least;
}

bool contract_huge_fits(const struct contract_supply *s, const struct place_plan *p,
			const struct contract_eal *eal, unsigned int *node)
{
	for (unsigned int i = 0; i < s->n_nodes; i++) {
		if (!has(&s->node[i]) || workers_on(p, i) * eal->each <= s->node[i].huge + s->node[i].giant)
			continue;
		*node = i;
		return false;
	}
	return true;
}

uint32_t contract_room(const struct engine_config *cfg, uint64_t bytes)
{
	const uint64_t beside = (uint64_t)cfg->max_half_open + cfg->max_time_wait + 1;
	uint64_t least = 0, most = beside < FLOW_ENTRIES_MAX ? FLOW_ENTRIES_MAX - beside : 0;
	struct engine_config tried = *cfg;
	struct engine_contract c;

	while (least < most) {
		tried.max_connections = (uint32_t)((least + most + 1) / 2);
		engine_size(&tried, &c);
		if (c.total <= bytes)
			least = tried.max_connections;
		else
			most = tried.max_connections - 1;
	}
	return (uint32_t)least;
}

void contract_print(FILE *f, const struct engine_config *cfg, const struct port_pools_config *pools, int node)
{
	struct engine_contract c;

	engine_size(cfg, &c);
	fprintf(f, "worker %u, node %d: %u connections at %.1f bytes idle, ", cfg->worker, node,
		cfg->max_connections, c.per_idle_connection);
	fprintf(f, "%u half-open, %u in TIME-WAIT at %.1f bytes, %u blocks of %u bytes; ",
		cfg->max_half_open, cfg->max_time_wait, c.per_time_wait, c.max_blocks, c.block);
	fprintf(f,
		"%.1f MiB (records %.1f, small %.1f, table %.1f, wheel %.1f, blocks %.1f, other "
		"%.1f); ",
		mib(c.total), mib(c.records), mib(c.small_records), mib(c.table), mib(c.wheel),
		mib(c.blocks), mib(c.fixed));
	fprintf(f, "%u mbufs of %u bytes and %u references of %u: %.1f MiB of EAL's memory\n",
		pools->n_data, port_mbuf_bytes(pools->mtu), pools->n_indirect, port_ref_bytes(),
		mib((uint64_t)pools->n_data * port_mbuf_bytes(pools->mtu) +
		    (uint64_t)pools->n_indirect * port_ref_bytes()));
}

void contract_print_nodes(FILE *f, const struct contract_supply *s, const struct place_plan *p,
			  const struct engine_config *cfg, const struct contract_eal *eal)
{
	struct engine_contract c;

	engine_size(cfg, &c);
	for (unsigned int i = 0; i < s->n_nodes; i++) {
		const unsigned int n = workers_on(p, i);

		if (!n || !has(&s->node[i]))
			continue;
		fprintf(f, "node %u: %u worker%s take%s up to %.1f MiB for connections, and %.1f MiB for packets, of "
			"%.1f MiB, %.1f of them in free huge pages\n", i, n, n == 1 ? "" : "s", n == 1 ? "s" : "",
			mib(n * c.total), mib(n * eal->each), mib(has(&s->node[i])), mib(s->node[i].huge));
	}
}
