/*
 * The programs' common ground.
 */
#include "kit.h"

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <rte_eal.h>

#include "base/units.h"

void bench_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void usage(const char *program)
{
	fprintf(stderr, "usage: %s [--quick | --instructions] [--runs N] [--body BYTES] "
		"[--message BYTES] [NAME ...]\n", program);
	exit(2);
}

static unsigned int number(const char *program, const char *text, unsigned int max)
{
	char *end;
	unsigned long v = text ? strtoul(text, &end, 10) : 0;

	if (!text || *end || !*text || v > max)
		usage(program);
	return (unsigned int)v;
}

void bench_options(struct bench_options *o, int argc, char **argv)
{
	unsigned int n = 0, runs = 0;

	o->runs = 61;
	o->body = o->message = BENCH_MESSAGE;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick")) {
			o->quick = true;
			o->runs = 31;
		} else if (!strcmp(argv[i], "--instructions")) {
			o->instructions = o->quick = true;
			o->runs = 1;
		} else if (!strcmp(argv[i], "--runs")) {
			runs = number(argv[0], argv[++i], BENCH_RUNS_MAX);
		} else if (!strcmp(argv[i], "--body")) {
			o->body = number(argv[0], argv[++i], 1u << 20);
		} else if (!strcmp(argv[i], "--message")) {
			o->message = number(argv[0], argv[++i], 1448);
		} else if (argv[i][0] != '-' && n < BENCH_NAMES_MAX) {
			o->names[n++] = argv[i];
		} else {
			usage(argv[0]);
		}
	}
	if (runs)
		o->runs = runs;
}

static uint64_t huge_pages(const char *which)
{
	unsigned long n = 0;
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s", which);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%lu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* Less those that others have reserved and not touched yet. */
static uint64_t free_huge_mib(void)
{
	const uint64_t n = huge_pages("free_hugepages"), taken = huge_pages("resv_hugepages");

	return n > taken ? (n - taken) * 2 : 0;
}

/* "0,1": the first n CPUs of this process. */
static void core_list(char *buf, size_t len, unsigned int n)
{
	cpu_set_t set;
	size_t used = 0;

	if (sched_getaffinity(0, sizeof(set), &set) || (unsigned int)CPU_COUNT(&set) < n)
		bench_die("%u CPUs are needed", n);
	for (unsigned int cpu = 0; n && cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		used += (size_t)snprintf(buf + used, len - used, "%s%u", used ? "," : "", cpu);
		n--;
	}
}

bool bench_eal(const struct bench_options *o, unsigned int memory_mib)
{
	static char cores[64], memory[16];
	static char args[][24] = {"bench",	    "--no-pci",		 "--no-shconf",
				  "--no-telemetry", "--log-level=error", "--iova-mode=va",
				  "-l",		    "",			 "-m",
				  "",		    "--no-huge"};
	const bool huge = !o->instructions && free_huge_mib() >= memory_mib; /* callgrind has no room for them */
	char *argv[ARRAY_SIZE(args) + 1] = {NULL};
	int argc = 0;

	core_list(cores, sizeof(cores), o->cores);
	snprintf(memory, sizeof(memory), "%u", memory_mib);
	if (huge)
		strcpy(args[10], "--in-memory");
	for (unsigned int i = 0; i < ARRAY_SIZE(args); i++)
		argv[argc++] = args[i];
	argv[7] = cores;
	argv[9] = memory;
	/* A poller without an end of its own would hold a CPU for ever when the driver of the bench is killed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (rte_eal_init(argc, argv) < 0)
		bench_die("EAL does not start");
	return huge;
}

int bench_end(bool memif)
{
	return !memif && rte_eal_cleanup() ? 1 : 0;
}

void bench_pools(struct port_pools *pools, unsigned int n)
{
	const struct port_pools_config cfg = {
		.name = "bench", .n_data = n, .n_indirect = 4096, .mtu = 1500, .socket = SOCKET_ID_ANY};
	char err[256];

	if (!port_pools_create(&cfg, pools, err, sizeof(err)))
		bench_die("%s", err);
}

void *bench_pages(size_t bytes)
{
	const size_t page = 2 * MIB, size = (bytes + page - 1) / page * page;
	void *p = aligned_alloc(page, size);

	if (!p)
		bench_die("no memory: %zu bytes", size);
	madvise(p, size, MADV_HUGEPAGE);
	memset(p, 0, size);
	return p;
}

double bench_waited(void)
{
	FILE *f = fopen("/proc/thread-self/schedstat", "r");
	unsigned long ran, waited = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%lu %lu", &ran, &waited) != 2)
		waited = 0;
	fclose(f);
	return (double)waited / 1e9;
}

uint64_t bench_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

void bench_add(struct bench_series *s, double v)
{
	if (s->n < BENCH_RUNS_MAX)
		s->v[s->n++] = v;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct bench_series sorted(const struct bench_series *s)
{
	struct bench_series t = *s;

	qsort(t.v, t.n, sizeof(t.v[0]), by_value);
	return t;
}

double bench_median(const struct bench_series *s)
{
	const struct bench_series t = sorted(s);

	if (t.n == 0)
		return 0;
	return t.n % 2 ? t.v[t.n / 2] : (t.v[t.n / 2 - 1] + t.v[t.n / 2]) / 2;
}

static double at(const struct bench_series *sorted_s, double part)
{
	return sorted_s->n ? sorted_s->v[(unsigned int)(part * (sorted_s->n - 1) + 0.5)] : 0;
}

void bench_print(const char *name, const struct bench_series *s, const char *end)
{
	const struct bench_series t = sorted(s);
	double sum = 0;

	for (unsigned int i = 0; i < t.n; i++)
		sum += t.v[i];
	printf("  \"%s\": {\"median\": %.5g, \"mean\": %.5g, \"min\": %.5g, \"max\": %.5g, "
	       "\"low\": %.5g, \"high\": %.5g, \"runs\": %u}%s\n",
	       name, bench_median(s), t.n ? sum / t.n : 0, at(&t, 0), at(&t, 1), at(&t, 0.1), at(&t, 0.9),
	       t.n, end);
}
