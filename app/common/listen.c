/*
 * Listeners: each is known to every worker, and each worker has a version of its own of it.
 */
#include <stdlib.h>
#include <string.h>

#include "server.h"

/* The place of an address among those of the engine. */
static uint32_t local_index(const struct server *s, const struct listen_spec *spec)
{
	for (unsigned int i = 0; !listen_spec_any(spec) && i < s->n_addresses; i++)
		if (address_equal(s->addresses[i].addr, spec->addr))
			return i;
	return LISTENER_ANY;
}

void server_listener_fill(const struct server *s, const struct pier_listener *from,
			  struct listener *l)
{
	*l = (struct listener){
		.handler = pier_listener_handler(from),
		.settings = pier_listener_settings(from),
		.tcp = from->tcp,
		.local = local_index(s, &from->spec),
		.port_lo = from->spec.first,
		.port_hi = from->spec.last,
		.backlog = from->options.backlog,
		.chaos = from->chaos.kinds ? &from->chaos : NULL,
	};
	if (l->chaos)
		engine_misbehave(l);
	listener_prepare(l);
}

static bool listen_on(struct server *s, const struct pier_listener *from, struct listener *l)
{
	int *versions = &s->versions[s->n_listeners * s->plan.workers];
	char text[LISTEN_SPEC_LEN];

	server_listener_fill(s, from, l);
	for (unsigned int w = 0; w < s->n_workers; w++) {
		struct worker_msg m = {.op = WORKER_OP_LISTEN, .listener = l};

		if (!worker_request(s->workers[w], &m) || m.version < 0) {
			fprintf(stderr, "%s: too many listeners\n", PROGRAM);
			return false;
		}
		versions[w] = m.version;
	}
	s->n_listeners++;
	printf("listen %s: %s, %u bytes of a connection are its own\n",
	       listen_spec_format(&from->spec, text, sizeof(text)), from->handler->name,
	       l->handler->ctx_size);
	return true;
}

bool server_listen(struct server *s)
{
	const struct pier_config *c = s->config;

	s->serving = s->config;
	s->listeners = calloc(c->n_listeners + 1, sizeof(*s->listeners));
	s->versions = calloc((size_t)c->n_listeners * s->plan.workers + 1, sizeof(*s->versions));
	if (!s->listeners || !s->versions)
		abort();
	for (unsigned int i = 0; i < c->n_listeners; i++)
		if (!listen_on(s, &c->listeners[i], &s->listeners[i]))
			return false;
	return true;
}
