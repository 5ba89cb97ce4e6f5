/*
 * Settings of the match handler: the keys, and what becomes of them at setup: the database, what each
 * rule does, and the handler behind.
 *
 * action and bound are lists of lines "RULES WHAT": RULES is * or numbers and ranges with commas
 * between; a later line overrides an earlier one. A rule that no line names is counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "match/clock.h"
#include "match_conn.h"
#include "pier/registry.h"

#define AT(field) offsetof(struct match_settings, field)

static const char *const direction_words[] = {"in", "out", "both", NULL};
static const char *const reply_words[] = {"nothing", "echo", NULL};
static const char *const rest_words[] = {"compress", "drop", "keep", NULL};
static const char *const from_words[] = {"start", "match", "open", NULL};

static const struct option options[] = {
	{"rules", OPTION_STRING, AT(rules),
	 .help = "rule file, a rule a line: ID:/REGEX/FLAGS, as Hyperscan's own tools read it"},
	{"cache", OPTION_STRING, AT(cache),
	 .help = "folder that keeps compiled rules for the next start; trusted as a program is"},
	{"action", OPTION_LIST, AT(actions),
	 .help = "what rules do besides being counted, such as \"1-5,9 close\" or \"* report\": count, "
		 "report, answer TEXT, answer @FILE, tag NAME, close, reset, then"},
	{"bound", OPTION_LIST, AT(bounds),
	 .help = "bounds of single rules, such as \"7 direction=in depth=4k max-matches=1\""},
	{"direction", OPTION_ENUM, AT(direction), .names = direction_words, .def = "in",
	 .help = "what is scanned: what comes in, what is sent, or both"},
	{"depth", OPTION_SIZE, AT(depth), .def = "0",
	 .help = "bytes of each direction that are scanned; 0: all"},
	{"max-matches", OPTION_U32, AT(max_matches), .def = "0",
	 .help = "matches on a connection after which it is scanned no more; 0: no limit"},
	{"scan-turn", OPTION_SIZE, AT(scan_turn), 1024, 1ull << 30, .def = "64k",
	 .help = "bytes that a worker scans in one turn; the rest waits for the next"},
	{"scan-time", OPTION_DURATION, AT(scan_time), 0, US_PER_SEC, .def = "500us",
	 .help = "time after which a worker's scanning waits for the next turn, whatever rules and data "
		 "cost; 0: no limit"},
	{"matches-turn", OPTION_U32, AT(matches_turn), 1, UINT32_MAX, .def = "65536",
	 .help = "matches in one turn after which a worker's scanning waits for the next turn; a "
		 "connection that has so many in one scan is scanned no more"},
	{"stream-memory", OPTION_SIZE, AT(stream_memory), .def = "64m",
	 .help = "of a worker, for the state of streams and answers that wait; a connection beyond is "
		 "not scanned; 0: no limit"},
	{"rest", OPTION_ENUM, AT(rest), .names = rest_words, .def = "compress",
	 .help = "what becomes of a stream's state when its connection rests: compressed, dropped (a "
		 "pattern that spans the pause is not found), or kept"},
	{"rest-after", OPTION_DURATION, AT(rest_after), 1000, 3600ull * 1000000, .def = "1s",
	 .help = "time without data after which a connection rests"},
	{"reply", OPTION_ENUM, AT(reply), .names = reply_words, .def = "nothing",
	 .help = "what is sent for data while no other handler serves"},
	{"then", OPTION_STRING, AT(then),
	 .help = "handler behind the rules"},
	{"then-from", OPTION_ENUM, AT(then_from), .names = from_words, .def = "start",
	 .help = "where it begins: when a rule with the action then has matched, with the stream from "
		 "its start (16k of it are kept at most) or behind the match; or as the connection opens"},
	{"then-wait", OPTION_DURATION, AT(then_wait), 1000, 3600ull * 1000000, .def = "2s",
	 .help = "with start, time for a rule to decide, until data is thrown away"},
	{"then-option", OPTION_LIST, AT(then_options),
	 .help = "a key of that handler, such as body-size=1k"},
};

const struct option_table match_options = {
	.section = "listen",
	.help = "Settings of the match handler",
	.options = options,
	.n = ARRAY_SIZE(options),
	.size = sizeof(struct match_settings),
};

/* A line of a list while it is read. */
struct line {
	struct match_settings *set;
	const char *key;
	char *text; /* the whole, for messages */
	char *at;
	char *err;
	size_t errlen;
};

static bool expected(const struct line *l, const char *what)
{
	snprintf(l->err, l->errlen, "%s \"%s\": expected %s", l->key, l->text, what);
	return false;
}

static bool number(char **at, uint32_t *value)
{
	char *start = *at;
	uint64_t v = 0;

	for (; **at >= '0' && **at <= '9' && v <= UINT32_MAX; ++*at)
		v = v * 10 + (unsigned int)(**at - '0');
	*value = (uint32_t)v;
	return *at > start && v <= UINT32_MAX;
}

/* Mark the rules of ids first to last; there has to be one. */
static bool pick_range(const struct line *l, bool *picked, uint32_t first, uint32_t last)
{
	const struct match_rules *r = &l->set->db->rules;
	char what[64];
	bool any = false;

	for (uint32_t i = 0; i < r->n; i++)
		if (r->rule[i].id >= first && r->rule[i].id <= last)
			picked[i] = any = true;
	snprintf(what, sizeof(what), "a rule of the file: there is no rule %u", first);
	return any || expected(l, what);
}

/* "*", or "1-5,9"; l->at is moved to the word behind it. */
static bool pick(struct line *l, bool *picked)
{
	uint32_t first, last;

	if (*l->at == '*') {
		memset(picked, true, l->set->db->rules.n);
		l->at++;
	} else {
		do {
			if (!number(&l->at, &first))
				return expected(l, "* or rules such as 1-5,9");
			last = first;
			if (*l->at == '-' && (l->at++, !number(&l->at, &last)))
				return expected(l, "a number after -");
			if (!pick_range(l, picked, first, last))
				return false;
		} while (*l->at == ',' && l->at++);
	}
	if (*l->at != ' ' && *l->at != '\t')
		return expected(l, "a blank after the rules");
	l->at += strspn(l->at, " \t");
	return true;
}

/* Run use for each line of a list, with the rules it picks. */
static bool each_line(struct match_settings *set, const char *key, const char *list,
		      bool (*use)(struct line *l, const bool *picked), char *err, size_t errlen)
{
	char *copy = strdup(list ? list : ""), *shown = strdup(list ? list : ""), *rest = copy;
	bool *picked = calloc(set->db->rules.n, sizeof(*picked));
	bool ok = copy && shown && picked;

	while (ok && rest && *rest) {
		struct line l = {.set = set, .key = key, .text = shown + (rest - copy), .at = rest,
				 .err = err, .errlen = errlen};

		l.text[strcspn(l.text, "\n")] = '\0';
		rest = strchr(rest, '\n');
		if (rest)
			*rest++ = '\0';
		memset(picked, 0, set->db->rules.n);
		ok = pick(&l, picked) && use(&l, picked);
	}
	free(copy);
	free(shown);
	free(picked);
	return ok;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \n \r \t \\ \0 and \xHH; in place. */
static bool unescape(struct line *l, char *text, size_t *len)
{
	static const char letters[] = "nrt\\0", bytes[] = "\n\r\t\\";
	char *to = text;

	for (const char *from = text; *from; from++) {
		const char *letter;

		if (*from != '\\') {
			*to++ = *from;
			continue;
		}
		from++;
		letter = *from ? strchr(letters, *from) : NULL;
		if (letter) {
			*to++ = bytes[letter - letters];
		} else if (*from == 'x' && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
			*to++ = (char)(hex(from[1]) << 4 | hex(from[2]));
			from += 2;
		} else {
			return expected(l, "\\n, \\r, \\t, \\\\, \\0 or \\xHH");
		}
	}
	*len = (size_t)(to - text);
	return true;
}

static bool add_body(struct line *l, char *text)
{
	struct match_settings *set = l->set;
	struct match_body *bodies, *b;
	char why[256];

	bodies = realloc(set->bodies, (set->n_bodies + 1) * sizeof(*bodies));
	if (!bodies)
		return expected(l, "less: no memory");
	set->bodies = bodies;
	b = &bodies[set->n_bodies];
	*b = (struct match_body){0};
	if (*text == '@') {
		b->text = match_file_read(text + 1, &b->len, why, sizeof(why));
		if (!b->text) {
			snprintf(l->err, l->errlen, "%s \"%s\": %s", l->key, l->text, why);
			return false;
		}
	} else {
		if (!unescape(l, text, &b->len))
			return false;
		b->text = malloc(b->len + 1);
		if (!b->text)
			return expected(l, "less: no memory");
		memcpy(b->text, text, b->len);
	}
	set->n_bodies++;
	return b->len || expected(l, "something to answer");
}

static bool find_tag(struct line *l, const char *name, uint8_t *tag)
{
	struct match_settings *set = l->set;
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

	if (!*name || name[strspn(name, letters)] || strlen(name) > 40)
		return expected(l, "a tag of letters, digits and _, 40 at most");
	for (*tag = 0; *tag < set->n_tags; ++*tag)
		if (!strcmp(set->tags[*tag], name))
			return true;
	if (set->n_tags == TAGS_MAX)
		return expected(l, "at most 64 tags");
	set->tags[set->n_tags] = strdup(name);
	return set->tags[set->n_tags++];
}

static bool use_action(struct line *l, const bool *picked)
{
	static const char *const words[] = {"count", "report", "answer", "tag", "close", "reset",
					    "then"};
	size_t len = strcspn(l->at, " \t");
	char *rest = l->at + len + strspn(l->at + len, " \t");
	struct match_rule_act a = {0};

	while (a.action < ARRAY_SIZE(words) &&
	       (strlen(words[a.action]) != len || strncmp(words[a.action], l->at, len)))
		a.action++;
	if (a.action == ARRAY_SIZE(words))
		return expected(l, "count, report, answer, tag, close, reset or then");
	if (a.action == ACT_ANSWER && !add_body(l, rest))
		return false;
	a.body = l->set->n_bodies - (a.action == ACT_ANSWER);
	if (a.action == ACT_TAG && !find_tag(l, rest, &a.tag))
		return false;
	if (*rest && a.action != ACT_ANSWER && a.action != ACT_TAG)
		return expected(l, "nothing after the action");
	if (a.action == ACT_THEN && !l->set->inner)
		return expected(l, "then = HANDLER, too");
	for (uint32_t i = 0; i < l->set->db->rules.n; i++)
		if (picked[i]) {
			l->set->act[i].action = a.action;
			l->set->act[i].tag = a.tag;
			l->set->act[i].body = a.body;
		}
	return true;
}

/* The keys of a bound line are options themselves. */
struct bounds {
	uint32_t direction, max;
	uint64_t depth;
};

static const struct option bound_options[] = {
	{"direction", OPTION_ENUM, offsetof(struct bounds, direction), .names = direction_words,
	 .def = "both"},
	{"depth", OPTION_SIZE, offsetof(struct bounds, depth), .def = "0"},
	{"max-matches", OPTION_U32, offsetof(struct bounds, max), .def = "0"},
};

static const struct option_table bound_table = {
	.options = bound_options,
	.n = ARRAY_SIZE(bound_options),
	.size = sizeof(struct bounds),
};

/* KEY=VALUE into a struct of the table; word is altered. */
static bool assign(struct line *l, const struct option_table *table, void *base, char *word)
{
	char *equals = strchr(word, '='), *end, what[256];
	const struct option *o;

	if (!equals)
		return expected(l, "KEY=VALUE");
	for (end = equals; end > word && (end[-1] == ' ' || end[-1] == '\t'); end--)
		;
	*end = '\0';
	equals += 1 + strspn(equals + 1, " \t");
	o = option_find(table, word);
	if (!o) {
		snprintf(l->err, l->errlen, "%s: no such key: %s", l->key, word);
		return false;
	}
	if (option_parse(o, base, equals, what, sizeof(what)))
		return true;
	snprintf(l->err, l->errlen, "%s: %s: %s, not \"%s\"", l->key, word, what, equals);
	return false;
}

static bool use_bound(struct line *l, const bool *picked)
{
	struct match_settings *set = l->set;
	struct bounds b;
	char *word = l->at, *next;

	option_defaults(&bound_table, &b);
	for (; *word; word = next) {
		next = word + strcspn(word, " \t");
		if (*next)
			*next++ = '\0';
		next += strspn(next, " \t");
		if (!assign(l, &bound_table, &b, word))
			return false;
	}
	for (uint32_t i = 0; i < set->db->rules.n; i++)
		if (picked[i]) {
			set->act[i].dirs = b.direction == DIR_BOTH ? 3 : (uint8_t)(1u << b.direction);
			set->act[i].depth = b.depth;
			set->act[i].max = b.max;
			set->act[i].slot = b.max ? set->n_slots++ : 0;
		}
	return true;
}

static bool set_up_inner(struct match_settings *set, char *err, size_t errlen)
{
	const struct option_table *table = set->inner->options;
	char *copy, *rest, *text, why[512];
	bool ok = true;

	set->inner_settings = table ? calloc(1, table->size) : NULL;
	if (table)
		option_defaults(table, set->inner_settings);
	copy = rest = strdup(set->then_options ? set->then_options : "");
	while (ok && rest && *rest) {
		struct line l = {.set = set, .key = "then-option", .err = err, .errlen = errlen};

		text = l.text = rest;
		rest = strchr(rest, '\n');
		if (rest)
			*rest++ = '\0';
		ok = table ? assign(&l, table, set->inner_settings, text)
			   : expected(&l, "none: the handler has no settings");
	}
	free(copy);
	if (ok && set->inner->setup && !set->inner->setup(set->inner_settings, why, sizeof(why))) {
		snprintf(err, errlen, "%s: %s", set->then_options ? "then-option" : "then", why);
		ok = false;
	}
	set->inner_set_up = ok;
	return ok;
}

static bool find_inner(struct match_settings *set, char *err, size_t errlen)
{
	if (!set->then && !set->then_options)
		return true;
	set->inner = set->then ? handler_find(set->then) : NULL;
	if (set->inner && strcmp(set->then, "match"))
		return set_up_inner(set, err, errlen);
	snprintf(err, errlen, "then: expected another handler, not \"%s\"", set->then ? set->then : "");
	set->inner = NULL;
	return false;
}

static bool open_rules(struct match_settings *set, char *err, size_t errlen)
{
	char why[512] = "expected a rule file";
	struct match_rules r;

	if (set->rules && match_rules_load(&r, set->rules, why, sizeof(why)))
		set->db = match_db_open(&r, set->cache, set->stream_memory, EXTRA_TAGS + TAGS_MAX, why,
					sizeof(why));
	if (!set->db) {
		snprintf(err, errlen, "rules: %s", why);
		return false;
	}
	if (set->db->cache_wrong) {
		snprintf(err, errlen, "cache: %s", set->db->note);
		return false;
	}
	set->scan_ticks = set->scan_time * match_ticks_per_us();
	set->act = calloc(set->db->rules.n, sizeof(*set->act));
	for (uint32_t i = 0; set->act && i < set->db->rules.n; i++)
		set->act[i] = (struct match_rule_act){
			.dirs = 3, .looks_ahead = match_rule_looks_ahead(&set->db->rules.rule[i])};
	return set->act;
}

bool match_setup(void *settings, char *err, size_t errlen)
{
	struct match_settings *set = settings;

	memset(&set->db, 0, sizeof(*set) - offsetof(struct match_settings, db));
	if (open_rules(set, err, errlen) && find_inner(set, err, errlen) &&
	    each_line(set, "action", set->actions, use_action, err, errlen) &&
	    each_line(set, "bound", set->bounds, use_bound, err, errlen))
		return true;
	match_teardown(set);
	return false;
}

void match_teardown(void *settings)
{
	struct match_settings *set = settings;

	if (set->inner_set_up && set->inner->teardown)
		set->inner->teardown(set->inner_settings);
	if (set->inner && set->inner->options && set->inner_settings)
		option_free(set->inner->options, set->inner_settings);
	free(set->inner_settings);
	for (uint32_t i = 0; i < set->n_bodies; i++)
		free(set->bodies[i].text);
	free(set->bodies);
	for (uint32_t i = 0; i < set->n_tags; i++)
		free(set->tags[i]);
	free(set->act);
	if (set->db)
		match_db_close(set->db);
	memset(&set->db, 0, sizeof(*set) - offsetof(struct match_settings, db));
}

/* Rules that have not matched are left out: there may be thousands. */
void match_stats(const void *settings, pier_stat *add, void *arg)
{
	static const char *const names[] = {"scans_stopped", "streams_skipped", "answers_overflowed",
					    "scans_deferred"};
	const struct match_settings *set = settings;
	const struct match_db *db = set->db;
	struct match_usage use;
	char name[64];
	uint64_t n;

	match_usage(db, &use);
	add(arg, "rules", db->rules.n);
	add(arg, "rules_from_cache", db->from_cache);
	add(arg, "streams_open", use.streams);
	add(arg, "stream_bytes", use.bytes);
	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++)
		add(arg, names[i], match_count(db, db->rules.n + i));
	for (uint32_t i = 0; i < set->n_tags; i++) {
		snprintf(name, sizeof(name), "tag_%s", set->tags[i]);
		add(arg, name, match_count(db, db->rules.n + EXTRA_TAGS + i));
	}
	for (uint32_t i = 0; i < db->rules.n; i++) {
		n = match_count(db, i);
		snprintf(name, sizeof(name), "rule_%u", db->rules.rule[i].id);
		if (n)
			add(arg, name, n);
	}
	if (set->inner && set->inner->stats)
		set->inner->stats(set->inner_settings, add, arg);
}
