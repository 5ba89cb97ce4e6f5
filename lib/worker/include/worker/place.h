/*
 * Placement: which CPU each worker runs on, on which NUMA node its memory lies, and who gets which of
 * a port's queues.
 *
 * place_plan is pure, so that machines which nobody here has can be tried: it takes what the machine
 * is, and gives what to do. place_read reads this machine. Control thread.
 *
 * The rules, in this order: a worker sits on a node of the ports, shared out by how many ports a node
 * has; then on the nearest one; a core is used once before its hyperthreads are; low CPU numbers
 * first. Memory is the CPU's node's, or where that has none the nearest one's. A port's queues go to
 * the workers nearest to it, those with the fewest queues so far first among equals.
 */
#ifndef PIER_WORKER_PLACE_H
#define PIER_WORKER_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "worker/team.h"

#define PLACE_NODES_MAX 64
#define PLACE_CPUS_MAX	1024
#define PLACE_PORTS_MAX 16
#define PLACE_LOCAL	10 /* distance of a node to itself, as ACPI has it */

struct place_cpu {
	uint16_t id;
	uint16_t core; /* the same for the hyperthreads of one core, and for nobody else */
	int16_t node;
};

struct place_machine {
	unsigned int n_nodes, n_cpus;
	uint8_t distance[PLACE_NODES_MAX][PLACE_NODES_MAX];
	bool memory[PLACE_NODES_MAX]; /* the node has some */
	struct place_cpu cpu[PLACE_CPUS_MAX]; /* those to choose from; list: in this order */
};

struct place_port {
	int node;	     /* -1: nowhere in particular */
	unsigned int queues; /* 0: one a worker */
};

struct place_request {
	unsigned int workers; /* 1 to WORKERS_MAX */
	bool list;	      /* worker i on cpu[i], as the user says */
	const struct place_port *ports;
	unsigned int n_ports; /* up to PLACE_PORTS_MAX */
};

struct place_worker {
	uint16_t cpu, core;
	int cpu_node;
	int node; /* of its memory */
};

struct place_plan {
	unsigned int n, n_ports;
	struct place_worker worker[WORKERS_MAX];
	uint16_t owner[PLACE_PORTS_MAX][WORKERS_MAX]; /* workers in the order of a port's queues */
	int port_node[PLACE_PORTS_MAX];
	unsigned int port_queues[PLACE_PORTS_MAX];
};

/* False with the reason in err: there are not enough CPUs. */
bool place_plan(const struct place_machine *m, const struct place_request *r,
		struct place_plan *out, char *err, size_t errlen);

/*
 * A sentence for each thing that costs: a worker whose port, or whose memory, is on another node,
 * with the distance; two workers on one core. Returns how many.
 */
unsigned int place_warn(const struct place_machine *m, const struct place_plan *p, FILE *f);

/* One line a worker. */
void place_print(const struct place_plan *p, FILE *f);

/* This machine, with the n CPUs of ids to choose from. */
void place_read(struct place_machine *m, const unsigned int *ids, unsigned int n);

/* The CPUs this process may run on: into ids, up to max; returns how many. */
unsigned int place_allowed(unsigned int *ids, unsigned int max);

/* Whether this machine has the CPU, online. */
bool place_has_cpu(unsigned int id);

/* The NUMA node of a PCI device ("0000:03:00.0" or "03:00.0"), -1 if it has none or is none. */
int place_pci_node(const char *device);

/* The fact of one CPU of this machine. */
struct place_cpu place_read_cpu(unsigned int id);

/*
 * Have the pages from start on lie on node, moved if they have been touched: for memory outside of
 * huge pages. node -1, or a machine without NUMA: nothing is done. Only whole pages.
 */
void place_memory(void *start, size_t bytes, int node);

#endif
