/*
 * How far two CPUs are from each other: what it takes a cache line to go from one to the other and back, in
 * nanoseconds. A virtual machine's CPUs may run under one cache of the host or under two, and move while they are
 * measured; all that one of them reads after the other wrote it costs several times as much then, and most over a
 * link between them is just that. bench/run asks before and after each sample.
 */
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PARTS  21   /* the median of them counts */
#define ROUNDS 1000 /* each */

static alignas(128) atomic_ulong line;
static int far_cpu;

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned int)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("sched_setaffinity");
		exit(1);
	}
}

/* Odd values come from the near side, the far side makes them even. */
static void *answer(void *arg)
{
	pin(far_cpu);
	for (unsigned long i = 1; i < 2ul * PARTS * ROUNDS; i += 2) {
		while (atomic_load_explicit(&line, memory_order_acquire) != i)
			;
		atomic_store_explicit(&line, i + 1, memory_order_release);
	}
	return NULL;
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double ask(unsigned long from)
{
	const double start = now_ns();

	for (unsigned long i = from + 1; i < from + 2ul * ROUNDS; i += 2) {
		atomic_store_explicit(&line, i, memory_order_release);
		while (atomic_load_explicit(&line, memory_order_acquire) != i + 1)
			;
	}
	return (now_ns() - start) / ROUNDS;
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double ns[PARTS];
	pthread_t other;

	if (argc != 3) {
		fprintf(stderr, "usage: bench_line CPU CPU\n");
		return 2;
	}
	pin(atoi(argv[1]));
	far_cpu = atoi(argv[2]);
	if (pthread_create(&other, NULL, answer, NULL))
		return 1;
	for (unsigned int i = 0; i < PARTS; i++)
		ns[i] = ask(2ul * i * ROUNDS);
	pthread_join(other, NULL);
	qsort(ns, PARTS, sizeof(ns[0]), ascending);
	printf("%.1f\n", ns[PARTS / 2]);
	return 0;
}
