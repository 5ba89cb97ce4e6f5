/*
 * The planner: pure, see worker/place.h.
 */
#include <stdarg.h>
#include <string.h>

#include "base/compiler.h"
#include "worker/place.h"

/* What is known of a CPU while workers are put on them. */
struct state {
	const struct place_machine *m;
	const struct place_request *r;
	bool taken[PLACE_CPUS_MAX];
	unsigned int on_node[PLACE_NODES_MAX]; /* workers */
	unsigned int ports_of[PLACE_NODES_MAX];
};

static unsigned int distance(const struct place_machine *m, int a, int b)
{
	if (a < 0 || b < 0 || a >= (int)m->n_nodes || b >= (int)m->n_nodes)
		return PLACE_LOCAL;
	return m->distance[a][b];
}

/* How far a CPU is from the nearest port; all are as near where no port is anywhere. */
static unsigned int to_ports(const struct state *s, const struct place_cpu *c)
{
	unsigned int best = UINT32_MAX;

	for (unsigned int i = 0; i < s->r->n_ports; i++)
		best = min_of(best, distance(s->m, c->node, s->r->ports[i].node));
	return best == UINT32_MAX ? PLACE_LOCAL : best;
}

/* Workers for each port of the node, in 64ths: the node with the least is next. */
static unsigned int fullness(const struct state *s, int node)
{
	if (node < 0 || !s->ports_of[node])
		return 0;
	return s->on_node[node] * 64 / s->ports_of[node];
}

static unsigned int siblings_taken(const struct state *s, const struct place_cpu *c)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->m->n_cpus; i++)
		n += s->taken[i] && s->m->cpu[i].core == c->core;
	return n;
}

/* Smaller is better: a free core beside the ports, elsewhere, then hyperthreads of taken ones. */
static uint64_t cost(const struct state *s, unsigned int i)
{
	const struct place_cpu *c = &s->m->cpu[i];

	return (uint64_t)min_of(siblings_taken(s, c), 255u) << 56 |
	       (uint64_t)min_of(to_ports(s, c), 255u) << 48 |
	       (uint64_t)min_of(fullness(s, c->node), 0xffffu) << 32 | (uint64_t)c->id;
}

static int nearest_memory(const struct place_machine *m, int node)
{
	int best = -1;

	if (node < 0 || node >= (int)m->n_nodes || m->memory[node])
		return node;
	for (int i = 0; i < (int)m->n_nodes; i++)
		if (m->memory[i] &&
		    (best < 0 || distance(m, node, i) < distance(m, node, best)))
			best = i;
	return best;
}

static void put(struct state *s, struct place_worker *w, unsigned int i)
{
	const struct place_cpu *c = &s->m->cpu[i];

	*w = (struct place_worker){.cpu = c->id, .core = c->core, .cpu_node = c->node,
				   .node = nearest_memory(s->m, c->node)};
	s->taken[i] = true;
	if (c->node >= 0)
		s->on_node[c->node]++;
}

static void put_best(struct state *s, struct place_worker *w)
{
	unsigned int best = PLACE_CPUS_MAX;

	for (unsigned int i = 0; i < s->m->n_cpus; i++)
		if (!s->taken[i] && (best == PLACE_CPUS_MAX || cost(s, i) < cost(s, best)))
			best = i;
	put(s, w, best);
}

/* The worker that gets the next queue of port p: near, with few queues, and not yet on this port. */
static uint16_t next_owner(const struct place_machine *m, const struct place_plan *out,
			   unsigned int p, const bool *has, const unsigned int *load)
{
	uint64_t best = UINT64_MAX;

	for (unsigned int w = 0; w < out->n; w++) {
		const unsigned int far = distance(m, out->worker[w].cpu_node, out->port_node[p]);
		/* Ports begin at different workers, so that queue 0 is not always the same one's. */
		const unsigned int turn = (w + out->n - p % out->n) % out->n;

		if (!has[w])
			best = min_of(best, (uint64_t)far << 48 | (uint64_t)load[w] << 32 |
						    (uint64_t)turn << 16 | w);
	}
	return (uint16_t)best;
}

static void plan_queues(const struct place_machine *m, struct place_plan *out)
{
	unsigned int load[WORKERS_MAX] = {0};

	for (unsigned int p = 0; p < out->n_ports; p++) {
		bool has[WORKERS_MAX] = {false};

		for (unsigned int q = 0; q < out->n; q++) {
			const uint16_t w = next_owner(m, out, p, has, load);

			out->owner[p][q] = w;
			has[w] = true;
			if (q < out->port_queues[p])
				load[w]++;
		}
	}
}

bool place_plan(const struct place_machine *m, const struct place_request *r,
		struct place_plan *out, char *err, size_t errlen)
{
	struct state s = {.m = m, .r = r};

	if (r->workers > m->n_cpus || r->workers > WORKERS_MAX || !r->workers) {
		snprintf(err, errlen, "%u workers need as many CPUs; there are %u to choose from",
			 r->workers, m->n_cpus);
		return false;
	}
	memset(out, 0, sizeof(*out));
	out->n = r->workers;
	out->n_ports = min_of(r->n_ports, (unsigned int)PLACE_PORTS_MAX);
	for (unsigned int p = 0; p < out->n_ports; p++) {
		const struct place_port *port = &r->ports[p];

		out->port_node[p] = port->node;
		out->port_queues[p] = port->queues ? min_of(port->queues, out->n) : out->n;
		if (port->node >= 0 && port->node < (int)m->n_nodes)
			s.ports_of[port->node]++;
	}
	for (unsigned int w = 0; w < out->n; w++) {
		if (r->list)
			put(&s, &out->worker[w], w);
		else
			put_best(&s, &out->worker[w]);
	}
	plan_queues(m, out);
	return true;
}

static void warn_port(const struct place_machine *m, const struct place_plan *p, unsigned int w,
		      unsigned int port, unsigned int *n, FILE *f)
{
	const struct place_worker *k = &p->worker[w];
	const unsigned int far = distance(m, k->cpu_node, p->port_node[port]);
	bool has = false;

	for (unsigned int q = 0; q < p->port_queues[port]; q++)
		has |= p->owner[port][q] == w;
	if (!has || far <= PLACE_LOCAL)
		return;
	fprintf(f,
		"placement: worker %u on CPU %u of node %d has a queue of port %u on node %d: what the "
		"port writes takes %u.%u times as long to read; a CPU of node %d would do better\n",
		w, k->cpu, k->cpu_node, port, p->port_node[port], far / 10, far % 10,
		p->port_node[port]);
	(*n)++;
}

unsigned int place_warn(const struct place_machine *m, const struct place_plan *p, FILE *f)
{
	unsigned int n = 0;

	for (unsigned int w = 0; w < p->n; w++) {
		const struct place_worker *k = &p->worker[w];
		const unsigned int far = distance(m, k->cpu_node, k->node);

		for (unsigned int port = 0; port < p->n_ports; port++)
			warn_port(m, p, w, port, &n, f);
		if (far > PLACE_LOCAL) {
			fprintf(f,
				"placement: worker %u on CPU %u: node %d has no memory, that of node %d "
				"takes %u.%u times as long\n",
				w, k->cpu, k->cpu_node, k->node, far / 10, far % 10);
			n++;
		}
		for (unsigned int v = 0; v < w; v++) {
			if (p->worker[v].core != k->core)
				continue;
			fprintf(f,
				"placement: workers %u and %u share a core (CPUs %u and %u): together "
				"they do little more than one\n",
				v, w, p->worker[v].cpu, k->cpu);
			n++;
		}
	}
	return n;
}

void place_print(const struct place_plan *p, FILE *f)
{
	for (unsigned int w = 0; w < p->n; w++) {
		fprintf(f, "worker %u: CPU %u, memory of node %d, queues", w, p->worker[w].cpu,
			p->worker[w].node);
		for (unsigned int port = 0; port < p->n_ports; port++)
			for (unsigned int q = 0; q < p->port_queues[port]; q++)
				if (p->owner[port][q] == w)
					fprintf(f, " %u.%u", port, q);
		fputc('\n', f);
	}
}
