/*
 * [listen X]: what it listens on, its handler, and three tables of keys.
 */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "config_room.h"
#include "handlers/proxy_front.h"
#include "pier/registry.h"

/* "echo, discard or http", for messages. */
static void handler_names(char *buf, size_t len)
{
	const struct pier_handler *h;
	size_t used = 0;

	*buf = '\0';
	for (unsigned int i = 0; (h = handler_at(i)) && used < len; i++)
		used += (size_t)snprintf(buf + used, len - used, "%s%s",
					 !i		     ? ""
					 : handler_at(i + 1) ? ", "
							     : " or ",
					 h->name);
}

static bool load_plugin(struct pier_listener *l, const char *path, const char *name,
			struct config_errors *errors)
{
	char err[CONFIG_ERROR_LEN / 2];

	if (!plugin_open(&l->plugin, path, err, sizeof(err))) {
		config_error(errors, l->section, "plugin", "%s", err);
		return false;
	}
	l->handler = &l->plugin.handler;
	if (handler_find(l->handler->name)) {
		config_error(errors, l->section, "plugin", "%s: its handler's name, %s, is that of a handler of "
			     "pier's own: expected another", path, l->handler->name);
		return false;
	}
	if (!name || !strcmp(name, l->handler->name))
		return true;
	config_error(errors, l->section, "handler", "expected %s, which is the plugin's, not \"%s\"",
		     l->handler->name, name);
	return false;
}

static bool find_handler(struct pier_listener *l, struct config_errors *errors)
{
	const char *name = config_value(l->section, "handler");
	const char *plugin = config_value(l->section, "plugin");
	char names[CONFIG_ERROR_LEN / 2];

	if (plugin && *plugin)
		return load_plugin(l, plugin, name, errors);
	l->handler = name ? handler_find(name) : NULL;
	if (l->handler)
		return true;
	handler_names(names, sizeof(names));
	if (name)
		config_error(errors, l->section, "handler", "expected %s, not \"%s\"", names, name);
	else
		config_error(errors, l->section, "handler", "is missing; expected %s", names);
	return false;
}

static void apply_tables(struct pier_config *c, struct pier_listener *l,
			 struct config_errors *errors)
{
	const struct option_table *tables[] = {&listen_option_table, &tcp_option_table,
					       &chaos_option_table, l->handler->options};
	const struct config_section *tcp = config_find(&c->text, "tcp", NULL);
	void *bases[] = {&l->options, &l->tcp, &l->chaos_text, NULL};
	char err[CONFIG_ERROR_LEN / 2];
	const char *key;

	option_copy(&tcp_option_table, &l->tcp, &c->tcp);
	if (!tcp || !config_value(tcp, "nagle"))
		l->tcp.nagle = l->handler->nagle;
	if (l->handler->options) {
		l->settings = calloc(1, l->handler->options->size);
		if (!l->settings)
			abort();
		option_defaults(l->handler->options, l->settings);
		bases[3] = l->settings;
	}
	config_apply(l->section, tables, bases, l->handler->options ? 4 : 3, errors);
	if (config_value(l->section, "local-port-low") || config_value(l->section, "local-port-high"))
		config_check_tcp(l->section, &l->tcp, errors);
	if (!chaos_parse(&l->chaos_text, &l->chaos, &key, err, sizeof(err)))
		config_error(errors, l->section, key, "%s", err);
	if (config_value(l->section, "msl"))
		config_error(errors, l->section, "msl",
			     "TIME-WAIT lasts as long for all listeners: set it in [tcp]");
}

void config_take_listener(struct pier_config *c, const struct config_section *s,
			  struct config_errors *errors)
{
	struct pier_listener *l = &c->listeners[c->n_listeners++];
	char err[CONFIG_ERROR_LEN / 2];

	l->section = s;
	option_defaults(&listen_option_table, &l->options);
	option_defaults(&chaos_option_table, &l->chaos_text);
	if (!listen_spec_parse(s->argument, &l->spec, err, sizeof(err)))
		config_error(errors, s, NULL, "%s", err);
	if (find_handler(l, errors))
		apply_tables(c, l, errors);
}

static bool is_local(const struct pier_config *c, const uint8_t addr[16])
{
	for (unsigned int i = 0; i < c->n_ports; i++)
		for (unsigned int j = 0; j < c->ports[i].n_addresses; j++)
			if (address_equal(c->ports[i].addresses[j].addr, addr))
				return true;
	return false;
}

void config_need_listener(const struct pier_config *c, struct config_errors *errors)
{
	if (!c->n_listeners)
		config_error(errors, NULL, NULL,
			     "no listener: expected a section such as [listen 80]");
}

void config_check_listeners(const struct pier_config *c, struct config_errors *errors)
{
	char text[ADDRESS_TEXT], where[32];

	for (const struct pier_listener *b = c->listeners; b < c->listeners + c->n_listeners; b++) {
		if (!b->spec.first)
			continue; /* was refused */
		if (!listen_spec_any(&b->spec) && !is_local(c, b->spec.addr))
			config_error(errors, b->section, NULL, "%s is no address of any [port]",
				     address_format(b->spec.addr, text));
		for (const struct pier_listener *a = c->listeners; a < b; a++)
			if (listen_spec_overlap(&a->spec, &b->spec))
				config_error(errors, b->section, NULL,
					     "overlaps with [listen %s] at %s",
					     a->section->argument,
					     config_place(a->section, where, sizeof(where)));
	}
}

/* The listener of that address and port; NULL: there is none. */
static const struct pier_listener *listener_at(const struct pier_config *c, const uint8_t addr[16],
						 uint16_t port)
{
	const struct pier_listener *any = NULL;

	for (unsigned int i = 0; i < c->n_listeners; i++) {
		const struct listen_spec *s = &c->listeners[i].spec;

		if (port < s->first || port > s->last)
			continue;
		if (address_equal(s->addr, addr))
			return &c->listeners[i];
		any = listen_spec_any(s) ? &c->listeners[i] : any;
	}
	return any;
}

/* What is opened to an address of pier's own goes nowhere, or round and round, on whichever worker. */
static void check_target(const struct pier_config *c, const struct pier_listener *l,
			 const struct pier_target *to, struct config_errors *errors)
{
	const enum address_kind kind = address_kind(to->addr);
	char text[ADDRESS_TEXT], whole[ADDRESS_PORT_TEXT];
	const struct pier_listener *there;

	address_format(to->addr, text);
	if (kind != ADDRESS_UNICAST && kind != ADDRESS_LINK_LOCAL) {
		config_error(errors, l->section, to->key,
			     "expected a unicast address of another host, not %s", text);
		return;
	}
	if (!pier_config_reaches(c, to->addr)) {
		config_error(errors, l->section, to->key,
			     "expected an address that a port reaches: %s is in none of their networks, and "
			     "there is no gateway", text);
		return;
	}
	if (!is_local(c, to->addr))
		return;
	there = listener_at(c, to->addr, to->port);
	if (there == l)
		config_error(errors, l->section, to->key,
			     "expected another host: %s is this listener itself, a loop",
			     address_port_format(to->addr, to->port, whole));
	else
		config_error(errors, l->section, to->key,
			     "expected another host: %s is pier's own address%s%s%s", text,
			     there ? ", [listen " : "", there ? there->section->argument : "",
			     there ? "]" : "");
}

static void check_targets(const struct pier_config *c, const struct pier_listener *l,
			  struct config_errors *errors)
{
	struct pier_target to;

	for (unsigned int i = 0; l->handler->target && l->handler->target(l->settings, i, &to); i++)
		check_target(c, l, &to, errors);
}

/* The handler's key that a message of its setup begins with, as KEY: or KEY "VALUE; NULL: none. */
static const struct option *key_of(const struct pier_handler *h, const char *err)
{
	const struct option_table *t = h->options;

	for (size_t i = 0; t && i < t->n; i++) {
		const size_t len = strlen(t->options[i].key);

		if (!strncmp(err, t->options[i].key, len) &&
		    (!strncmp(err + len, ": ", 2) || !strncmp(err + len, " \"", 2)))
			return &t->options[i];
	}
	return NULL;
}

/* Setup failed: at the key that it names, in the line whose value it quotes. */
static void setup_error(const struct pier_listener *l, const char *err, struct config_errors *errors)
{
	const struct option *o = key_of(l->handler, err);
	const char *text, *from, *to;
	char part[CONFIG_ERROR_LEN / 2] = "";

	if (!o) {
		config_error(errors, l->section, NULL, "%s: %s", l->handler->name, err);
		return;
	}
	text = err + strlen(o->key);
	text += *text == ':' ? 2 : 1;
	from = strchr(text, '"');
	to = strrchr(text, '"');
	if (from && to > from)
		snprintf(part, sizeof(part), "%.*s", (int)(to - from - 1), from + 1);
	config_error_in(errors, l->section, o->key, part, text);
}

void config_set_up_listeners(struct pier_config *c, struct config_errors *errors)
{
	char err[CONFIG_ERROR_LEN / 2] = "";

	for (struct pier_listener *l = c->listeners; l < c->listeners + c->n_listeners; l++) {
		if (l->handler->setup && !l->handler->setup(l->settings, err, sizeof(err)))
			setup_error(l, err, errors);
		else
			l->set_up = true;
		if (!l->set_up)
			continue;
		check_targets(c, l, errors);
		if (l->options.proxy_protocol == PROXY_FRONT_OFF)
			continue;
		l->front = proxy_front_new(l->handler, l->settings, l->options.proxy_protocol,
					   l->options.proxy_protocol_timeout);
		if (!l->front)
			abort();
	}
}

const struct pier_handler *pier_listener_handler(const struct pier_listener *l)
{
	return l->front ? proxy_front_handler(l->front) : l->handler;
}

void *pier_listener_settings(const struct pier_listener *l)
{
	return l->front ? l->front : l->settings;
}

void config_free_listener(struct pier_listener *l)
{
	proxy_front_free(l->front);
	option_free(&listen_option_table, &l->options);
	option_free(&tcp_option_table, &l->tcp);
	option_free(&chaos_option_table, &l->chaos_text);
	if (l->set_up && l->handler->teardown)
		l->handler->teardown(l->settings);
	if (l->settings)
		option_free(l->handler->options, l->settings);
	free(l->settings);
	plugin_close(&l->plugin);
}
