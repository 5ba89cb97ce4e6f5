/*
 * The connection table alone, and records of which only the tuple matters here.
 */
#include "base/units.h"
#include "flow/table.h"
#include "flow/tuple.h"
#include "noport.h"
#include "peer.h"
#include "server.h"
#include "wire/be.h"
#include "worker/memory.h"

#define RECORD 128 /* bytes of a connection at rest */

struct lookup {
	struct flow_key key;
	struct flow_table table;
	struct worker_memory memory;
	uint8_t *records;
	uint32_t n;
};

static struct flow_tuple *record(const struct lookup *l, uint32_t i)
{
	return (struct flow_tuple *)(l->records + (size_t)i * RECORD);
}

static struct flow_tuple tuple(uint32_t i)
{
	struct flow_tuple t = {.remote_port = be16((uint16_t)(PEER_PORT_LOW + i % PEER_PORTS)),
			       .local_port = BE16(SERVER_PORT)};

	flow_addr_v4(t.remote, be32(PEER_CLIENTS + i / PEER_PORTS));
	return t;
}

static void lookup_init(struct lookup *l, uint32_t n)
{
	const size_t bytes = flow_table_bytes(n);
	void *mem;

	*l = (struct lookup){.memory.node = -1, .n = n};
	for (unsigned int i = 0; i < ARRAY_SIZE(l->key.k); i++)
		l->key.k[i] = 0x9e3779b97f4a7c15ull * (i + 1);
	mem = worker_alloc(&l->memory, bytes, "table");
	l->records = worker_alloc(&l->memory, (size_t)n * RECORD, "records");
	if (!mem || !l->records || flow_table_init(&l->table, mem, n, n))
		bench_die("no memory for a table of %u", n);
	for (uint32_t i = 0; i < n; i++) {
		*record(l, i) = tuple(i);
		if (flow_table_insert(&l->table, flow_hash(&l->key, record(l, i)),
				      flow_entry(FLOW_CONN, i)))
			bench_die("the table of %u is full at %u", n, i);
	}
}

/* As the engine does it: a pass for the hashes, one for the buckets, one for second buckets, one for the records. */
static unsigned int lookup_burst(const struct lookup *l, const struct flow_tuple *tuples)
{
	struct flow_cursor cursor[BENCH_BURST];
	uint32_t entry[BENCH_BURST];
	uint64_t hash[BENCH_BURST];
	unsigned int found = 0, late[BENCH_BURST], k = 0;

	for (unsigned int i = 0; i < BENCH_BURST; i++) {
		hash[i] = flow_hash(&l->key, &tuples[i]);
		flow_table_prefetch(&l->table, hash[i]);
	}
	for (unsigned int i = 0; i < BENCH_BURST; i++) {
		if (unlikely(!flow_table_begin(&l->table, flow_table_line(&l->table, hash[i]), hash[i],
					       &cursor[i], &entry[i]))) {
			late[k++] = i;
			continue;
		}
		if (entry[i] != FLOW_NONE)
			prefetch(record(l, flow_entry_index(entry[i])));
		if (unlikely(cursor[i].mask))
			prefetch(record(l, flow_entry_index(flow_table_peek(&l->table, &cursor[i]))));
	}
	for (unsigned int j = 0; j < k; j++) {
		entry[late[j]] = flow_table_next(&l->table, &cursor[late[j]]);
		if (entry[late[j]] != FLOW_NONE)
			prefetch(record(l, flow_entry_index(entry[late[j]])));
	}
	for (unsigned int i = 0; i < BENCH_BURST; i++) {
		while (entry[i] != FLOW_NONE &&
		       !flow_tuple_equal(record(l, flow_entry_index(entry[i])), &tuples[i]))
			entry[i] = flow_table_next(&l->table, &cursor[i]);
		found += entry[i] != FLOW_NONE;
	}
	return found;
}

void noport_lookup(struct noport *np, const char *name, uint32_t n)
{
	const unsigned int bursts = np->opt.instructions ? 32 : 2048;
	struct flow_tuple tuples[BENCH_BURST];
	struct bench_series s = {0};
	uint64_t seed = 88172645463325252ull;
	struct lookup l;

	lookup_init(&l, n);
	for (unsigned int r = 0; r < np->opt.runs; r++) {
		uint64_t cycles = 0;

		for (unsigned int b = 0; b < bursts; b++) {
			uint64_t start;

			for (unsigned int i = 0; i < BENCH_BURST; i++)
				tuples[i] = tuple((uint32_t)(bench_random(&seed) % n));
			start = rte_rdtsc();
			if (lookup_burst(&l, tuples) != BENCH_BURST)
				bench_die("a connection of %u was not found", n);
			cycles += rte_rdtsc() - start;
		}
		bench_add(&s, (double)cycles / ((double)bursts * BENCH_BURST));
	}
	worker_memory_free(&l.memory);
	bench_print(name, &s, "");
}
