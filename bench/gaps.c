/*
 * Gaps: seldom found, so what is done then may take a microsecond.
 */
#include "gaps.h"

#include <string.h>
#include <time.h>

#define LIMIT_NS   10000 /* a gap, and a multiple of what a burst takes */
#define PACKET_NS  1000	 /* more for each packet, where a link or a client touches its bytes */
#define REFRESH_NS 5000000

static uint64_t ns_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Nanoseconds since this was last asked in which the thread had no CPU. */
static int64_t off_cpu(struct gaps *g)
{
	const uint64_t cpu = ns_of(CLOCK_THREAD_CPUTIME_ID), wall = ns_of(CLOCK_MONOTONIC_RAW);
	const int64_t lost = (int64_t)(wall - g->wall) - (int64_t)(cpu - g->cpu);

	g->wall = wall;
	g->cpu = cpu;
	return lost;
}

void gaps_refresh(struct gaps *g, uint64_t now)
{
	off_cpu(g);
	g->refresh_at = now + g->refresh;
}

void gaps_start(struct gaps *g, bool copies)
{
	const double per_ns = (double)rte_get_tsc_hz() / 1e9;

	memset(g, 0, sizeof(*g));
	g->limit = (uint64_t)(LIMIT_NS * per_ns);
	g->per_packet = copies ? (uint64_t)(PACKET_NS * per_ns) : 0;
	g->refresh = (uint64_t)(REFRESH_NS * per_ns);
	g->mark = rte_rdtsc();
	gaps_refresh(g, g->mark);
}

void gaps_long(struct gaps *g, uint64_t now, bool waiting)
{
	const bool taken = off_cpu(g) >= LIMIT_NS;

	g->refresh_at = now + g->refresh;
	g->long_waits += waiting;
	g->long_works += !waiting;
	g->off_cpu += taken;
	if (!waiting && !taken)
		g->longest_work = max_of(g->longest_work, now - g->mark);
	else if (g->n < GAPS_MAX)
		g->gap[g->n++] = (struct gap){g->mark, now};
	else
		g->dropped++;
}

void gaps_print(const char *name, const struct gaps *g)
{
	const double hz = (double)rte_get_tsc_hz();
	uint64_t sum = 0, longest = 0;

	for (unsigned int i = 0; i < g->n; i++) {
		sum += g->gap[i].to - g->gap[i].from;
		longest = max_of(longest, g->gap[i].to - g->gap[i].from);
	}
	printf("  \"%s\": {\"gaps\": %u, \"dropped\": %lu, \"gap_s\": %.6f, \"longest_us\": %.1f, "
	       "\"waited_s\": %.4f, \"long_waits\": %lu, \"worked_s\": %.4f, \"long_works\": %lu, "
	       "\"off_cpu\": %lu, \"longest_work_us\": %.1f},\n",
	       name, g->n, g->dropped, (double)sum / hz, (double)longest * 1e6 / hz,
	       (double)g->waited / hz, g->long_waits, (double)g->worked / hz, g->long_works,
	       g->off_cpu, (double)g->longest_work * 1e6 / hz);
}

void gaps_write(const struct gaps *g, const char *path)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(g, sizeof(*g), 1, f) != 1 || fclose(f))
		bench_die("%s cannot be written", path);
}

void gaps_read(struct gaps *g, const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f || fread(g, sizeof(*g), 1, f) != 1 || g->n > GAPS_MAX)
		bench_die("%s: the server left no gaps", path);
	fclose(f);
}

void gaps_mark(const struct gaps *g, uint64_t start, uint64_t window, uint8_t *marked, size_t n)
{
	for (unsigned int i = 0; i < g->n; i++) {
		const uint64_t from = g->gap[i].from - window / 4, to = g->gap[i].to;
		const uint64_t end = to + GAPS_RECOVERY * (to - g->gap[i].from);

		if (end < start)
			continue;
		for (size_t w = from > start ? (from - start) / window : 0; w < n; w++) {
			if (start + w * window > end)
				break;
			marked[w] = 1;
		}
	}
}
