/*
 * A change of configuration while serving.
 *
 * Each listener of the new configuration takes the place of the one on the same address and ports in
 * one step, so that no SYN is refused between them. What was replaced stays, handler, rules, plugin and
 * all, until its last connection is over.
 */
#include <stdlib.h>
#include <string.h>

#include "server.h"

static bool same_spec(const struct listen_spec *a, const struct listen_spec *b)
{
	return address_equal(a->addr, b->addr) && a->first == b->first && a->last == b->last;
}

/* ---- what a reload does not change ---- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_section(const struct config_section *a, const struct config_section *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned int i = 0; i < a->n; i++)
		if (!same_text(a->keys[i].key, b->keys[i].key) ||
		    !same_text(a->keys[i].value, b->keys[i].value))
			return false;
	return true;
}

static bool is_for_start(const struct config_section *s)
{
	return !strcmp(s->name, "eal") || !strcmp(s->name, "server") || !strcmp(s->name, "port");
}

/* Sections of from that to has otherwise, or not at all. */
static void tell_changes(const struct config *from, const struct config *to)
{
	for (unsigned int i = 0; i < from->n; i++) {
		const struct config_section *a = &from->sections[i], *b;

		if (!is_for_start(a))
			continue;
		b = config_find(to, a->name, a->argument);
		if (!b || !same_section(a, b))
			printf("%s: reload: [%s%s%s] has changed: takes effect at the next start\n", PROGRAM,
			       a->name, a->argument ? " " : "", a->argument ? a->argument : "");
	}
}

static void tell_start_only(const struct server *s, const struct pier_config *c)
{
	struct config added = {0};

	tell_changes(&s->config->text, &c->text);
	/* Those that are new; the others were told of. */
	for (unsigned int i = 0; i < c->text.n; i++) {
		const struct config_section *b = &c->text.sections[i];

		added.sections = &c->text.sections[i];
		added.n = 1;
		if (!config_find(&s->config->text, b->name, b->argument))
			tell_changes(&added, &s->config->text);
	}
}

/* An address that pier did not start with is no address of the engine. */
static bool addresses_known(const struct server *s, const struct pier_config *c)
{
	for (unsigned int i = 0; i < c->n_listeners; i++) {
		const struct pier_listener *l = &c->listeners[i];
		bool known = listen_spec_any(&l->spec);

		for (unsigned int k = 0; k < s->n_addresses; k++)
			known |= address_equal(s->addresses[k].addr, l->spec.addr);
		if (known)
			continue;
		fprintf(stderr, "%s: reload: [listen %s]: the address is there from the next start on\n", PROGRAM,
			l->section->argument);
		return false;
	}
	return true;
}

/* ---- the change ---- */

/* The place of the serving listener with that spec, -1: none. */
static int find_serving(const struct server *s, const struct listen_spec *spec)
{
	for (unsigned int i = 0; i < s->n_listeners; i++)
		if (same_spec(&s->serving->listeners[i].spec, spec))
			return (int)i;
	return -1;
}

static bool in_config(const struct pier_config *c, const struct listen_spec *spec)
{
	for (unsigned int i = 0; i < c->n_listeners; i++)
		if (same_spec(&c->listeners[i].spec, spec))
			return true;
	return false;
}

/* The versions of a listener end on every worker. */
static void unlisten(struct server *s, const int *versions)
{
	for (unsigned int w = 0; w < s->n_workers; w++) {
		struct worker_msg m = {.op = WORKER_OP_UNLISTEN, .version = versions[w]};

		if (versions[w] >= 0)
			server_ask(s, w, &m);
	}
}

/* Ports that nobody listens on any more are free for what comes. */
static void unlisten_dropped(struct server *s, const struct pier_config *c)
{
	for (unsigned int i = 0; i < s->n_listeners; i++)
		if (!in_config(c, &s->serving->listeners[i].spec))
			unlisten(s, &s->versions[i * s->plan.workers]);
}

/* On one worker, in the place of a version if there is one. Returns the new one, or -1. */
static int install_on(struct server *s, unsigned int w, const struct listener *l, int old)
{
	struct worker_msg m = {
		.op = old >= 0 ? WORKER_OP_RELISTEN : WORKER_OP_LISTEN,
		.version = old,
		.listener = l,
	};

	return server_ask(s, w, &m) && m.version >= 0 ? m.version : -1;
}

static void install(struct server *s, const struct pier_listener *from, struct listener *l,
		    int *versions)
{
	const int at = find_serving(s, &from->spec);
	const int *old = at >= 0 ? &s->versions[(unsigned int)at * s->plan.workers] : NULL;
	bool ok = true;

	server_listener_fill(s, from, l);
	for (unsigned int w = 0; w < s->n_workers; w++) {
		versions[w] = install_on(s, w, l, old ? old[w] : -1);
		ok &= versions[w] >= 0;
	}
	if (ok)
		return;
	fprintf(stderr, "%s: reload: [listen %s]: too many listeners\n", PROGRAM, from->section->argument);
	if (old)
		unlisten(s, old);
}

static void replace(struct server *s, struct pier_config *c)
{
	struct server_old *old = calloc(1, sizeof(*old));
	struct listener *listeners = calloc(c->n_listeners + 1, sizeof(*listeners));
	int *versions = calloc((size_t)c->n_listeners * s->plan.workers + 1, sizeof(*versions));

	if (!old || !listeners || !versions)
		abort();
	unlisten_dropped(s, c);
	for (unsigned int i = 0; i < c->n_listeners; i++)
		install(s, &c->listeners[i], &listeners[i], &versions[i * s->plan.workers]);
	*old = (struct server_old){s->old, s->serving, s->listeners, s->versions, s->n_listeners};
	pthread_mutex_lock(&s->lock);
	s->old = old;
	s->serving = c;
	s->listeners = listeners;
	s->versions = versions;
	s->n_listeners = c->n_listeners;
	s->reloads++;
	pthread_mutex_unlock(&s->lock);
}

static bool load(struct server *s, struct pier_config *c)
{
	const struct server_source *from = s->source;

	if (!pier_config_load(c, from->file, from->sets, from->n, NULL, stderr))
		return false;
	tell_start_only(s, c);
	return addresses_known(s, c);
}

void server_reload(struct server *s)
{
	struct pier_config *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	if (load(s, c)) {
		replace(s, c);
		printf("%s: reloaded: %u listener%s\n", PROGRAM, c->n_listeners, c->n_listeners == 1 ? "" : "s");
		return;
	}
	pier_config_free(c);
	free(c);
	pthread_mutex_lock(&s->lock);
	s->reload_failures++;
	pthread_mutex_unlock(&s->lock);
	fprintf(stderr, "%s: reload: nothing was changed\n", PROGRAM);
}

/* ---- the end of the old ---- */

/* The first configuration is the program's own: of that the listeners alone. */
static void old_free(struct server *s, struct server_old *old)
{
	if (old->config == s->config) {
		pier_config_free_listeners(old->config);
	} else {
		pier_config_free(old->config);
		free(old->config);
	}
	free(old->listeners);
	free(old->versions);
	free(old);
}

static bool in_use(struct server *s, const struct server_old *old)
{
	for (unsigned int i = 0; i < old->n * s->plan.workers; i++) {
		struct worker_msg m = {.op = WORKER_OP_USERS, .version = old->versions[i]};

		if (old->versions[i] >= 0 &&
		    (!server_ask(s, i % s->plan.workers, &m) || m.users))
			return true;
	}
	return false;
}

bool server_reap(struct server *s)
{
	struct server_old **at = &s->old, *old;

	while ((old = *at)) {
		if (in_use(s, old)) {
			at = &old->next;
			continue;
		}
		pthread_mutex_lock(&s->lock);
		*at = old->next;
		pthread_mutex_unlock(&s->lock);
		old_free(s, old);
	}
	return s->old;
}

void server_old_free(struct server *s)
{
	struct server_old *old;

	while ((old = s->old)) {
		pthread_mutex_lock(&s->lock);
		s->old = old->next;
		pthread_mutex_unlock(&s->lock);
		old_free(s, old);
	}
	if (s->serving && s->serving != s->config) {
		pier_config_free(s->serving);
		free(s->serving);
	}
	s->serving = NULL;
}
