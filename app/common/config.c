/*
 * From file and --set to the server's configuration: the sections in the order of what depends on
 * what, then what concerns several of them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "config_room.h"

#define KINDS	   5
#define PREFIX_MAX 64 /* it is part of the path of a socket, which has 107 characters */

static const struct config_kind kinds[KINDS] = {
	{"eal", NULL}, {"server", NULL}, {"tcp", NULL}, {"port", "0"}, {"listen", "80"},
};

const char *config_place(const struct config_section *s, char *buf, size_t len)
{
	if (s->line)
		snprintf(buf, len, "line %u", s->line);
	else
		snprintf(buf, len, "--set");
	return buf;
}

static void read_text(struct pier_config *c, const char *file, const char *const sets[],
		      unsigned int n, const struct pier_config_extra *extra,
		      struct config_errors *errors)
{
	struct config_kind all[KINDS + 1];
	unsigned int n_kinds = KINDS;

	memcpy(all, kinds, sizeof(kinds));
	if (extra)
		all[n_kinds++] = (struct config_kind){extra->table->section, NULL};
	if (file)
		config_read(&c->text, file, all, n_kinds, errors);
	for (unsigned int i = 0; i < n; i++)
		config_set(&c->text, sets[i], all, n_kinds, errors);
}

/* A section that exists once: defaults, then what the text says. */
static void take_single(struct pier_config *c, const struct option_table *table, void *base,
			struct config_errors *errors)
{
	const struct config_section *s = config_find(&c->text, table->section, NULL);

	option_defaults(table, base);
	if (s)
		config_apply(s, &table, &base, 1, errors);
}

/* LEVEL, PATTERN:LEVEL or REGEX,LEVEL, as EAL takes them apart; a level is a number or begins a word. */
static bool is_log_level(const char *text)
{
	static const char *const words[] = {"emergency", "alert",  "critical", "error",
					    "warning",	 "notice", "info",     "debug"};
	const char *comma = strchr(text, ','), *colon = strchr(text, ':');
	const char *level = comma ? comma + 1 : colon ? colon + 1 : text;

	if (level[0] >= '1' && level[0] <= '8' && !level[1])
		return true;
	for (unsigned int i = 0; *level && i < ARRAY_SIZE(words); i++)
		if (!strncmp(words[i], level, strlen(level)))
			return true;
	return false;
}

static void check_eal(const struct pier_config *c, struct config_errors *errors)
{
	unsigned int cpus[CPU_ID_MAX + 1];
	char err[CONFIG_ERROR_LEN / 2];

	if (c->eal.lcores &&
	    cpu_list_parse(c->eal.lcores, cpus, CPU_ID_MAX + 1, err, sizeof(err)) < 0)
		config_error(errors, config_find(&c->text, "eal", NULL), "lcores", "%s, not \"%s\"",
			     err, c->eal.lcores);
	if (c->eal.file_prefix && (!*c->eal.file_prefix || strpbrk(c->eal.file_prefix, "/%")))
		config_error(errors, config_find(&c->text, "eal", NULL), "file-prefix",
			     "expected a name without / and %%, not \"%s\"", c->eal.file_prefix);
	if (c->eal.file_prefix && strlen(c->eal.file_prefix) > PREFIX_MAX)
		config_error(errors, config_find(&c->text, "eal", NULL), "file-prefix",
			     "expected at most %d characters, for it is part of a socket's path", PREFIX_MAX);
	if (c->eal.log_level && !is_log_level(c->eal.log_level))
		config_error(errors, config_find(&c->text, "eal", NULL), "log-level",
			     "expected a number from 1 to 8 or a word such as debug, or one of them behind "
			     "PATTERN:, such as pmd.net.tap:debug, not \"%s\"", c->eal.log_level);
}

void config_check_tcp(const struct config_section *s, const struct tcp_options *o, struct config_errors *errors)
{
	if (s && o->port_low > o->port_high)
		config_error(errors, s, config_value(s, "local-port-high") ? "local-port-high" : "local-port-low",
			     "local-port-low = %u is above local-port-high = %u", o->port_low, o->port_high);
}

static void take_all(struct pier_config *c, const struct pier_config_extra *extra,
		     struct config_errors *errors)
{
	take_single(c, &eal_option_table, &c->eal, errors);
	check_eal(c, errors);
	take_single(c, &server_option_table, &c->server, errors);
	take_single(c, &tcp_option_table, &c->tcp, errors);
	config_check_tcp(config_find(&c->text, "tcp", NULL), &c->tcp, errors);
	c->ports = calloc(PIER_PORTS_MAX, sizeof(*c->ports));
	c->listeners = calloc(c->text.n + 1, sizeof(*c->listeners));
	if (!c->ports || !c->listeners)
		abort();
	for (unsigned int i = 0; i < c->text.n; i++) {
		const struct config_section *s = &c->text.sections[i];

		if (!strcmp(s->name, "port"))
			config_take_port(c, s, errors);
		else if (!strcmp(s->name, "listen"))
			config_take_listener(c, s, errors);
	}
	config_check_ports(c, errors);
	if (!extra)
		config_need_listener(c, errors);
	config_check_listeners(c, errors);
	if (!extra)
		return;
	take_single(c, extra->table, extra->base, errors);
	if (!errors->n)
		extra->take(c, extra->arg, errors);
}

bool pier_config_load(struct pier_config *c, const char *file, const char *const sets[],
		      unsigned int n, const struct pier_config_extra *extra, FILE *err)
{
	struct config_errors errors = {0};

	*c = (struct pier_config){0};
	read_text(c, file, sets, n, extra, &errors);
	if (!file || c->text.file)
		take_all(c, extra, &errors);
	if (!errors.n)
		config_set_up_listeners(c, &errors);
	config_errors_print(&errors, err);
	return !errors.n;
}

void pier_config_free_listeners(struct pier_config *c)
{
	while (c->n_listeners)
		config_free_listener(&c->listeners[--c->n_listeners]);
}

void pier_config_free(struct pier_config *c)
{
	pier_config_free_listeners(c);
	for (unsigned int i = 0; i < c->n_ports; i++)
		config_free_port(&c->ports[i]);
	free(c->listeners);
	free(c->ports);
	option_free(&server_option_table, &c->server);
	option_free(&eal_option_table, &c->eal);
	option_free(&tcp_option_table, &c->tcp);
	config_free(&c->text);
	*c = (struct pier_config){0};
}
