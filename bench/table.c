/*
 * The connection table beside DPDK's rte_hash, at 1 thousand to 100 million connections, in one run.
 *
 * Both are asked for the same tuples, in random order, 32 at a time, and both have ended when the
 * record's first line, which is what a packet needs, is in the cache and known to be the right one:
 *   ours       flow_hash, prefetch, look up, compare with the tuple in the record: three passes
 *   rte_hash   rte_hash_lookup_bulk_data, which compares with a copy of the key in the hash, and a
 *              prefetch and a read of the record; "bare" is without the last two
 * rte_hash gets what is fastest for it: a key of 16 bytes, IPv4 only, and CRC, which is not keyed: any
 * client could make all its connections collide. Ours are 24 bytes, IPv6 alike, with a keyed hash.
 *
 * Records are 64 bytes apart, so that all fit in memory. Both tables lie in pages of the same kind:
 * rte_hash's come from a heap that is made of worker_alloc's memory.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>

#include "base/units.h"
#include "flow/table.h"
#include "flow/tuple.h"
#include "kit.h"
#include "peer.h"
#include "server.h"
#include "wire/be.h"
#include "worker/memory.h"

#define RECORD	   CACHE_LINE
#define HEAP	   "hash"
#define HEAP_ENTRY 52 /* bytes of rte_hash for a connection: key store, bucket slot, ring of free slots */
#define HEAP_MORE  (32 * MIB)
#define EAL_MIB	   64
#define BURSTS	   1024
#define CHANGES	   4096

struct key4 {
	uint32_t saddr, daddr;
	uint16_t sport, dport;
	uint32_t spare;
};

static_assert(sizeof(struct key4) == 16, "what rte_hash compares fastest");

struct sides {
	uint32_t n;
	struct flow_key key;
	struct flow_table table;
	struct rte_hash *hash;
	struct worker_memory memory;
	uint8_t *records;
	void *heap;
	size_t heap_bytes;
	uint64_t seed;
};

enum figure { OURS, RTE, RTE_BARE, OURS_MISS, RTE_MISS, OURS_CHANGE, RTE_CHANGE, FIGURES };

static const char *const names[] = {"ours", "rte_hash", "rte_hash_bare", "ours_absent",
				    "rte_hash_absent", "ours_change", "rte_hash_change"};

static struct flow_tuple *record(const struct sides *s, uint32_t i)
{
	return (struct flow_tuple *)(s->records + (size_t)i * RECORD);
}

static struct flow_tuple tuple(uint32_t i)
{
	struct flow_tuple t = {.remote_port = be16((uint16_t)(PEER_PORT_LOW + i % PEER_PORTS)),
			       .local_port = BE16(SERVER_PORT)};

	flow_addr_v4(t.remote, be32(PEER_CLIENTS + i / PEER_PORTS));
	return t;
}

static struct key4 key4(uint32_t i)
{
	return (struct key4){.saddr = be32(PEER_CLIENTS + i / PEER_PORTS), .daddr = be32(PEER_SERVER),
			     .sport = be16((uint16_t)(PEER_PORT_LOW + i % PEER_PORTS)),
			     .dport = BE16(SERVER_PORT)};
}

static int make_heap(struct sides *s)
{
	s->heap_bytes = ((uint64_t)s->n * HEAP_ENTRY + HEAP_MORE) / (2 * MIB) * (2 * MIB);
	s->heap = worker_alloc(&s->memory, s->heap_bytes, HEAP);
	if (!s->heap || rte_malloc_heap_create(HEAP) ||
	    rte_malloc_heap_memory_add(HEAP, s->heap, s->heap_bytes, NULL, 0, 2 * MIB))
		bench_die("no heap of %zu bytes: %s", s->heap_bytes, rte_strerror(rte_errno));
	return rte_malloc_heap_get_socket(HEAP);
}

static void fill(struct sides *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct key4 k = key4(i);

		*record(s, i) = tuple(i);
		if (flow_table_insert(&s->table, flow_hash(&s->key, record(s, i)),
				      flow_entry(FLOW_CONN, i)))
			bench_die("the table of %u is full at %u", s->n, i);
		if (rte_hash_add_key_data(s->hash, &k, record(s, i)))
			bench_die("rte_hash of %u is full at %u", s->n, i);
	}
}

static void make(struct sides *s, uint32_t n)
{
	struct rte_hash_parameters p = {.name = "bench", .entries = n, .key_len = sizeof(struct key4),
					.hash_func = rte_hash_crc, .hash_func_init_val = 1};
	void *mem;

	*s = (struct sides){.n = n, .memory.node = -1, .seed = 88172645463325252ull};
	for (unsigned int i = 0; i < ARRAY_SIZE(s->key.k); i++)
		s->key.k[i] = 0x9e3779b97f4a7c15ull * (i + 1);
	mem = worker_alloc(&s->memory, flow_table_bytes(n), "table");
	s->records = worker_alloc(&s->memory, (size_t)n * RECORD, "records");
	if (!mem || !s->records || flow_table_init(&s->table, mem, n, n))
		bench_die("no memory for a table of %u", n);
	p.socket_id = make_heap(s);
	s->hash = rte_hash_create(&p);
	if (!s->hash)
		bench_die("no rte_hash of %u: %s", n, rte_strerror(rte_errno));
	fill(s);
}

static void unmake(struct sides *s)
{
	rte_hash_free(s->hash);
	if (rte_malloc_heap_memory_remove(HEAP, s->heap, s->heap_bytes) || rte_malloc_heap_destroy(HEAP))
		bench_die("the heap stays: %s", rte_strerror(rte_errno));
	worker_memory_free(&s->memory);
}

static unsigned int ours(const struct sides *s, const struct flow_tuple *tuples)
{
	struct flow_cursor cursor[BENCH_BURST];
	uint32_t entry[BENCH_BURST];
	uint64_t hash[BENCH_BURST];
	unsigned int found = 0, late[BENCH_BURST], k = 0;

	for (unsigned int i = 0; i < BENCH_BURST; i++) {
		hash[i] = flow_hash(&s->key, &tuples[i]);
		flow_table_prefetch(&s->table, hash[i]);
	}
	for (unsigned int i = 0; i < BENCH_BURST; i++) {
		if (unlikely(!flow_table_begin(&s->table, flow_table_line(&s->table, hash[i]), hash[i],
					       &cursor[i], &entry[i]))) {
			late[k++] = i;
			continue;
		}
		if (entry[i] != FLOW_NONE)
			prefetch(record(s, flow_entry_index(entry[i])));
		if (unlikely(cursor[i].mask))
			prefetch(record(s, flow_entry_index(flow_table_peek(&s->table, &cursor[i]))));
	}
	for (unsigned int j = 0; j < k; j++) {
		entry[late[j]] = flow_table_next(&s->table, &cursor[late[j]]);
		if (entry[late[j]] != FLOW_NONE)
			prefetch(record(s, flow_entry_index(entry[late[j]])));
	}
	for (unsigned int i = 0; i < BENCH_BURST; i++) {
		while (entry[i] != FLOW_NONE &&
		       !flow_tuple_equal(record(s, flow_entry_index(entry[i])), &tuples[i]))
			entry[i] = flow_table_next(&s->table, &cursor[i]);
		found += entry[i] != FLOW_NONE;
	}
	return found;
}

/* touch: read the records too, which is what they were looked up for. */
static unsigned int theirs(const struct sides *s, const struct key4 *keys, bool touch)
{
	const void *at[BENCH_BURST];
	void *data[BENCH_BURST];
	uint64_t hits = 0, sum = 0;

	for (unsigned int i = 0; i < BENCH_BURST; i++)
		at[i] = &keys[i];
	rte_hash_lookup_bulk_data(s->hash, at, BENCH_BURST, &hits, data);
	if (!touch)
		return (unsigned int)__builtin_popcountll(hits);
	for (uint64_t m = hits; m; m &= m - 1)
		prefetch(data[__builtin_ctzll(m)]);
	for (uint64_t m = hits; m; m &= m - 1)
		sum += ((const struct flow_tuple *)data[__builtin_ctzll(m)])->local_port;
	return sum == (uint64_t)__builtin_popcountll(hits) * BE16(SERVER_PORT) ?
		(unsigned int)__builtin_popcountll(hits) : 0;
}

/* Cycles for each of BURSTS bursts' tuples; from: of those that are there, or n: of others. */
static double lookups(struct sides *s, enum figure f, uint32_t from)
{
	struct flow_tuple tuples[BENCH_BURST];
	struct key4 keys[BENCH_BURST];
	uint64_t cycles = 0;

	for (unsigned int b = 0; b < BURSTS; b++) {
		unsigned int found;
		uint64_t start;

		for (unsigned int i = 0; i < BENCH_BURST; i++) {
			const uint32_t c = from + (uint32_t)(bench_random(&s->seed) % s->n);

			tuples[i] = tuple(c);
			keys[i] = key4(c);
		}
		start = rte_rdtsc();
		found = f == OURS || f == OURS_MISS ? ours(s, tuples) :
						      theirs(s, keys, f != RTE_BARE);
		cycles += rte_rdtsc() - start;
		if (found != (from ? 0 : BENCH_BURST))
			bench_die("%s: %u of %u found", names[f], found, BENCH_BURST);
	}
	return (double)cycles / ((double)BURSTS * BENCH_BURST);
}

/* Cycles to remove one connection and to add it again. */
static double changes(struct sides *s, enum figure f)
{
	uint64_t cycles = 0;
	bool ok = true;

	for (unsigned int k = 0; k < CHANGES; k++) {
		const uint32_t i = (uint32_t)(bench_random(&s->seed) % s->n);
		const struct flow_tuple t = tuple(i);
		const struct key4 key = key4(i);
		const uint64_t start = rte_rdtsc();

		if (f == OURS_CHANGE) {
			const uint64_t hash = flow_hash(&s->key, &t);

			ok &= flow_table_remove(&s->table, hash, flow_entry(FLOW_CONN, i));
			ok &= !flow_table_insert(&s->table, hash, flow_entry(FLOW_CONN, i));
		} else {
			ok &= rte_hash_del_key(s->hash, &key) >= 0;
			ok &= !rte_hash_add_key_data(s->hash, &key, record(s, i));
		}
		cycles += rte_rdtsc() - start;
	}
	if (!ok)
		bench_die("%s: a connection was not there", names[f]);
	return (double)cycles / CHANGES;
}

static void measure(uint32_t n, unsigned int runs)
{
	struct bench_series series[FIGURES] = {{0}};
	struct rte_malloc_socket_stats heap;
	struct sides s;

	make(&s, n);
	for (unsigned int r = 0; r < runs; r++)
		for (enum figure f = 0; f < FIGURES; f++)
			bench_add(&series[f], f >= OURS_CHANGE ? changes(&s, f) :
					      lookups(&s, f, f >= OURS_MISS ? n : 0));
	rte_malloc_get_socket_stats(rte_malloc_heap_get_socket(HEAP), &heap);
	printf("  \"%u\": {\"bytes\": %.2f, \"rte_hash_bytes\": %.2f,\n", n,
	       (double)flow_table_bytes(n) / n, (double)heap.heap_allocsz_bytes / n);
	for (enum figure f = 0; f < FIGURES; f++)
		bench_print(names[f], &series[f], f == FIGURES - 1 ? "}," : ",");
	fflush(stdout);
	unmake(&s);
}

/* "1k", "10m" */
static uint32_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	n *= *end == 'k' ? 1000 : *end == 'm' ? 1000000 : 1;
	if (end == text || n == 0 || n > 100000000)
		bench_die("%s: expected a number of connections, as 1k or 10m, up to 100m", text);
	return (uint32_t)n;
}

int main(int argc, char **argv)
{
	static const char *const all[] = {"1k", "1m", "10m", "100m", NULL};
	static struct bench_options o;
	const char *const *sizes;
	bool huge;

	o.cores = 1;
	bench_options(&o, argc, argv);
	sizes = o.names[0] ? o.names : all;
	huge = bench_eal(&o, EAL_MIB);
	printf("{\n");
	for (unsigned int i = 0; sizes[i]; i++)
		measure(number(sizes[i]), o.runs);
	printf("  \"tsc_hz\": %lu, \"packets_in_huge_pages\": %s\n}\n", rte_get_tsc_hz(),
	       huge ? "true" : "false");
	return rte_eal_cleanup() ? 1 : 0;
}
