/*
 * See plan.h: targets, the bytes to be sent, and limits for as many connections as are asked for.
 */
#include "plan.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/compiler.h"
#include "base/units.h"

#define PATTERN	      (64 * KIB)
#define COPIES_BYTES  (256 * KIB) /* of requests in a row, at most */
#define CONNECTIONS   100         /* where nothing is said */
#define PORT_LOW      1024        /* local ports, where the configuration says nothing */
#define WORK_BYTES    1536        /* memory of a connection at work, with some to spare */

static uint16_t default_port(uint32_t mode)
{
	static const uint16_t ports[LOAD_MODES] = {
		[LOAD_HTTP] = 80, [LOAD_SHORT] = 80, [LOAD_ECHO] = 7, [LOAD_RR] = 7,
		[LOAD_UP] = 9,    [LOAD_DOWN] = 19,  [LOAD_BOTH] = 7, [LOAD_HOLD] = 80,
	};

	return ports[mode];
}

static void wrong(struct config_errors *errors, const char *key, const char *why)
{
	config_error(errors, NULL, key, "%s", why);
}

static void take_targets(struct load_plan *p, struct config_errors *errors)
{
	char err[CONFIG_ERROR_LEN / 2];
	int n;

	if (!p->o.target) {
		wrong(errors, "target", "is missing; expected a server, such as 198.18.0.2:80 or [fd00:18::2]:80");
		return;
	}
	n = targets_parse(p->o.target, default_port(p->o.mode), &p->gen.targets, err, sizeof(err));
	if (n < 0)
		wrong(errors, "target", err);
	else
		p->gen.n_targets = (uint32_t)n;
}

static bool is_own(const struct pier_config *c, const uint8_t addr[16])
{
	for (unsigned int i = 0; i < c->n_ports; i++)
		for (unsigned int j = 0; j < c->ports[i].n_addresses; j++)
			if (address_equal(c->ports[i].addresses[j].addr, addr))
				return true;
	return false;
}

/* Targets are others, of a family that we have an address of, and there is a way to them; one that is not is told of. */
static void check_targets(const struct load_plan *p, const struct pier_config *c, struct config_errors *errors)
{
	for (uint32_t t = 0; t < p->gen.n_targets; t++) {
		const struct target *to = &p->gen.targets[t];
		char text[ADDRESS_TEXT];

		address_format(to->addr, text);
		if (is_own(c, to->addr)) {
			config_error(errors, NULL, "target", "%s is pier-load's own address", text);
			return;
		}
		if (!p->gen.n_sources[to->v6]) {
			config_error(errors, NULL, "target",
				     "%s is IPv%d, and no address of [port 0] is: expected --address with one of that "
				     "family, too", text, to->v6 ? 6 : 4);
			return;
		}
		if (!pier_config_reaches(c, to->addr)) {
			config_error(errors, NULL, "target",
				     "%s is in no network of a port, and no gateway leads there: expected --gateway, or another "
				     "--address", text);
			return;
		}
	}
}

/* Our addresses by family, at the places that they have in the engine's list: that of the configuration. */
static void take_sources(struct load_plan *p, const struct pier_config *c)
{
	struct gen_plan *g = &p->gen;
	uint32_t place = 0, n = 0;

	for (unsigned int i = 0; i < c->n_ports; i++)
		n += c->ports[i].n_addresses;
	for (unsigned int family = 0; family < 2; family++) {
		g->sources[family] = calloc(n + 1, sizeof(uint32_t));
		if (!g->sources[family])
			abort();
	}
	for (unsigned int i = 0; i < c->n_ports; i++)
		for (unsigned int j = 0; j < c->ports[i].n_addresses; j++, place++) {
			const bool v6 = !address_is_v4(c->ports[i].addresses[j].addr);

			g->sources[v6][g->n_sources[v6]++] = place;
		}
}

/* The memory, in bytes, that n copies of text take. */
static char *repeat(const char *text, size_t len, size_t n)
{
	char *all = malloc(len * n + 1);

	if (!all)
		abort();
	for (size_t i = 0; i < n; i++)
		memcpy(all + i * len, text, len);
	return all;
}

static void append(char **to, const char *text)
{
	char *all = NULL;

	if (asprintf(&all, "%s%s", *to ? *to : "", text) < 0)
		abort();
	free(*to);
	*to = all;
}

static void append_fields(char **to, const char *lines)
{
	char *copy = strdup(lines), *save = NULL;

	if (!copy)
		abort();
	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		append(to, l);
		append(to, "\r\n");
	}
	free(copy);
}

static char *http_request(const struct load_plan *p)
{
	const struct load_options *o = &p->o;
	char addr[ADDRESS_PORT_TEXT], *text = NULL;

	address_host_format(p->gen.targets[0].addr, addr);
	append(&text, "GET ");
	append(&text, o->path);
	append(&text, " HTTP/1.1\r\nHost: ");
	append(&text, o->host ? o->host : addr);
	append(&text, "\r\n");
	if (o->mode == LOAD_SHORT && o->close == LOAD_CLOSE_SERVER)
		append(&text, "Connection: close\r\n");
	if (o->header)
		append_fields(&text, o->header);
	append(&text, "\r\n");
	return text;
}

/* Bytes that are told from others by their place; the same in each run. */
static char *pattern(size_t len)
{
	char *bytes = malloc(len);
	uint64_t seed = 0x9e3779b97f4a7c15ull;

	if (!bytes)
		abort();
	for (size_t i = 0; i < len; i++) {
		seed ^= seed >> 12;
		seed ^= seed << 25;
		seed ^= seed >> 27;
		bytes[i] = (char)(seed * 0x2545f4914f6cdd1dull >> 56);
	}
	return bytes;
}

static void make_request(struct load_plan *p)
{
	const bool http = p->o.mode == LOAD_HTTP || p->o.mode == LOAD_SHORT;
	struct gen_plan *g = &p->gen;
	char *one;

	if (p->o.mode == LOAD_HOLD)
		return;
	one = http ? http_request(p) : pattern(load_mode_requests(p->o.mode) ? p->o.size : PATTERN);
	g->request_len = http ? strlen(one) : load_mode_requests(p->o.mode) ? p->o.size : PATTERN;
	g->copies = load_mode_requests(p->o.mode)
			    ? min_of((size_t)p->o.depth, COPIES_BYTES / g->request_len + 1) : 2;
	g->request = repeat(one, g->request_len, g->copies);
	g->response_len = p->o.mode == LOAD_RR ? p->o.response_size : p->o.size;
	free(one);
}

static bool is_field(const char *line)
{
	const char *colon = strchr(line, ':');

	return colon && colon > line && strcspn(line, " \t") >= (size_t)(colon - line);
}

static void check_http(const struct load_options *o, struct config_errors *errors)
{
	char *copy, *save = NULL;

	if (!o->path || *o->path != '/' || strpbrk(o->path, " \t\r\n"))
		wrong(errors, "path", "expected a path such as /index.html, without blanks");
	if (o->host && strpbrk(o->host, " \t\r\n"))
		wrong(errors, "host", "expected a name such as www.example.com, without blanks");
	if (!o->header)
		return;
	copy = strdup(o->header);
	if (!copy)
		abort();
	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (!is_field(l) || strchr(l, '\r'))
			wrong(errors, "header", "expected NAME: VALUE, such as Accept: text/html");
	free(copy);
}

static const char *said(const struct pier_config *c, const char *section, const char *key)
{
	const struct config_section *s = config_find(&c->text, section, NULL);

	return s ? config_value(s, key) : NULL;
}

#define MODE(m) (1u << LOAD_##m)
#define ASKING	(MODE(HTTP) | MODE(ECHO) | MODE(RR))
#define WEB	(MODE(HTTP) | MODE(SHORT))
#define BULK	(MODE(UP) | MODE(DOWN) | MODE(BOTH))

/* The modes in which a key says something; those that are not here do in all. */
static const struct {
	const char *key;
	uint32_t modes;
	const char *text;
} uses[] = {
	{"rps", ASKING | WEB, "is for the modes http, short, echo and rr"},
	{"depth", ASKING, "is for the modes http, echo and rr"},
	{"requests", ASKING, "is for the modes http, echo and rr; a connection of mode short has one"},
	{"size", MODE(ECHO) | MODE(RR), "is for the modes echo and rr"},
	{"response-size", MODE(RR), "is for the mode rr; in mode http the path says what is answered"},
	{"bytes", BULK, "is for the modes up, down and both"},
	{"path", WEB, "is for the modes http and short"},
	{"host", WEB, "is for the modes http and short"},
	{"header", WEB, "is for the modes http and short"},
	{"status", WEB, "is for the modes http and short"},
	{"close", MODE(SHORT), "is for the mode short"},
	{"verify", MODE(ECHO) | MODE(BOTH), "is for the modes echo and both; HTTP answers are always "
					    "checked for status, form and length"},
};

/* What is said and would be of no use: not the default, which scripts may give in any mode. */
static void check_uses(const struct load_options *o, const struct pier_config *c,
		       struct config_errors *errors)
{
	for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
		const char *value = said(c, "load", uses[i].key);
		const char *def = option_find(&load_option_table, uses[i].key)->def;

		if (value && !(uses[i].modes & 1u << o->mode) && strcmp(value, def ? def : ""))
			wrong(errors, uses[i].key, uses[i].text);
	}
}

static void check_mode(const struct load_options *o, struct config_errors *errors)
{
	if (o->rps && o->cps && o->mode == LOAD_SHORT)
		wrong(errors, "rps", "in mode short a request is a connection: expected rps or cps, not both");
	if (o->status && o->status < 100)
		wrong(errors, "status", "expected 0, or 100 to 599");
	check_http(o, errors);
}

static void take_expects(struct load_plan *p, struct config_errors *errors)
{
	char err[CONFIG_ERROR_LEN - 32], *save = NULL;

	if (!p->o.expect)
		return;
	p->expects = calloc(strlen(p->o.expect) + 1, sizeof(*p->expects));
	if (!p->expects)
		abort();
	for (char *l = strtok_r(p->o.expect, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (expect_parse(l, &p->expects[p->n_expects], err, sizeof(err)))
			p->n_expects++;
		else
			wrong(errors, "expect", err);
}

/* What the configuration leaves open, as this run needs it. */
static void complete_config(struct load_plan *p, struct pier_config *c)
{
	const uint64_t n = p->o.connections;
	struct server_options *s = &c->server;

	if (!said(c, "tcp", "local-port-low"))
		c->tcp.port_low = PORT_LOW;
	if (!said(c, "tcp", "syn-r2"))
		c->tcp.syn_r2 = p->o.timeout;
	if (!said(c, "server", "max-connections"))
		s->max_connections = (uint32_t)(n + n / 2 + 4096);
	if (!said(c, "server", "memory"))
		s->memory = 64 * MIB + (p->o.mode == LOAD_HOLD ? 0 : n * WORK_BYTES);
	if (!said(c, "server", "prefault"))
		s->prefault = true;
	if (!said(c, "server", "max-orphans"))
		s->max_orphans = 0;
	if (!said(c, "server", "rst-rate"))
		s->rst_rate = 100000;
	if (!said(c, "eal", "log-level")) {
		free(c->eal.log_level);
		c->eal.log_level = strdup("lib.eal:warning"); /* what it detects is no news here */
	}
	if (!said(c, "eal", "file-prefix")) {
		free(c->eal.file_prefix);
		if (asprintf(&c->eal.file_prefix, LOAD_FILE_PREFIX "%d", (int)getpid()) < 0)
			abort();
	}
	if (!said(c, "server", "drain"))
		s->drain = US_PER_SEC;
}

/* Without a number: enough for a server that takes a second, where a rate opens them. */
static void choose_connections(struct load_options *o)
{
	if (o->connections)
		return;
	o->connections = CONNECTIONS;
	if (o->mode == LOAD_SHORT && o->cps > CONNECTIONS)
		o->connections = min_of(o->cps, (uint64_t)1000000);
}

void load_plan_make(struct load_plan *p, struct pier_config *c, struct config_errors *errors)
{
	struct gen_plan *g = &p->gen;

	check_uses(&p->o, c, errors);
	check_mode(&p->o, errors);
	take_sources(p, c);
	take_targets(p, errors);
	take_expects(p, errors);
	check_targets(p, c, errors);
	if (errors->n)
		return;
	if (p->o.mode == LOAD_SHORT && p->o.rps) {
		p->o.cps = p->o.rps;
		p->o.rps = 0;
	}
	choose_connections(&p->o);
	complete_config(p, c);
	make_request(p);
	g->o = &p->o;
	g->n_addresses = targets_addresses(g->targets, g->n_targets);
	g->requests = p->o.mode == LOAD_SHORT ? 1
		    : p->o.requests	      ? (uint32_t)p->o.requests : UINT32_MAX;
}

void load_plan_free(struct load_plan *p)
{
	free(p->gen.targets);
	free(p->gen.sources[0]);
	free(p->gen.sources[1]);
	free(p->gen.request);
	free(p->expects);
	option_free(&load_option_table, &p->o);
}
