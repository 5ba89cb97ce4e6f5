/*
 * A rule file as a whole: lines, and rules by their id.
 */
#include "match/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "room.h"

static bool add(struct match_rules *r, const struct match_line *l, uint32_t line, uint32_t indent)
{
	struct match_rule *rule;

	if ((r->n & (r->n - 1)) == 0) {
		rule = realloc(r->rule, sizeof(*rule) * (r->n ? 2 * r->n : 1));
		if (!rule)
			return false;
		r->rule = rule;
	}
	rule = &r->rule[r->n];
	*rule = l->rule;
	rule->line = line;
	rule->expr = malloc(l->expr_len + 1);
	if (!rule->expr)
		return false;
	memcpy(rule->expr, l->text + l->rule.column - 1, l->expr_len);
	rule->expr[l->expr_len] = '\0';
	rule->column += indent;
	r->n++;
	return true;
}

static bool take_line(struct match_rules *r, const char *text, size_t len, uint32_t line, char *err,
		      size_t errlen)
{
	struct match_line l = {.text = text};
	uint32_t indent;

	while (len && strchr(" \t\r", text[len - 1]) && text[len - 1])
		len--;
	if (line == 1 && len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) { /* a byte order mark */
		l.text += 3;
		len -= 3;
	}
	while (len && (*l.text == ' ' || *l.text == '\t')) {
		l.text++;
		len--;
	}
	indent = (uint32_t)(l.text - text);
	l.len = len;
	if (!len || *l.text == '#')
		return true;
	if (!match_line_parse(&l)) {
		snprintf(err, errlen, "%s:%u:%u: %s", r->file, line, indent + l.column, l.error);
		return false;
	}
	if (r->n == MATCH_RULES_MAX) {
		snprintf(err, errlen, "%s:%u:1: more than %u rules", r->file, line,
			 MATCH_RULES_MAX);
		return false;
	}
	if (add(r, &l, line, indent))
		return true;
	snprintf(err, errlen, "%s: no memory for the rules", r->file);
	return false;
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct match_rules *r = arg;
	const uint32_t x = r->rule[*(const uint32_t *)a].id, y = r->rule[*(const uint32_t *)b].id;

	return x < y ? -1 : x > y;
}

static bool index_ids(struct match_rules *r, char *err, size_t errlen)
{
	const struct match_rule *a, *b;

	if (!r->n) {
		snprintf(err, errlen, "%s: expected a rule, ID:/REGEX/FLAGS: there is none", r->file);
		return false;
	}
	r->by_id = malloc(r->n * sizeof(*r->by_id));
	if (!r->by_id) {
		snprintf(err, errlen, "%s: no memory for the rules", r->file);
		return false;
	}
	for (uint32_t i = 0; i < r->n; i++)
		r->by_id[i] = i;
	qsort_r(r->by_id, r->n, sizeof(*r->by_id), compare, r);
	for (uint32_t i = 1; i < r->n; i++) {
		a = &r->rule[r->by_id[i - 1]];
		b = &r->rule[r->by_id[i]];
		if (a->id != b->id)
			continue;
		snprintf(err, errlen, "%s:%u:1: rule %u exists already, at line %u", r->file,
			 a->line > b->line ? a->line : b->line, a->id,
			 a->line > b->line ? b->line : a->line);
		return false;
	}
	return true;
}

bool match_rules_parse(struct match_rules *r, const char *text, size_t len, const char *file,
		       char *err, size_t errlen)
{
	const char *end = text + len, *next;
	uint32_t line = 1;
	bool ok = true;

	*r = (struct match_rules){.file = strdup(file)};
	if (!r->file)
		abort();
	for (; ok && text < end; text = next + 1, line++) {
		next = memchr(text, '\n', (size_t)(end - text));
		if (!next)
			next = end;
		ok = take_line(r, text, (size_t)(next - text), line, err, errlen);
	}
	ok = ok && index_ids(r, err, errlen);
	if (!ok)
		match_rules_free(r);
	return ok;
}

static char *read_all(FILE *f, size_t *len)
{
	char *text = malloc(4096), *more;
	size_t room = 4096;

	*len = 0;
	while (text) {
		*len += fread(text + *len, 1, room - *len, f);
		if (*len < room || room >= MATCH_FILE_MAX)
			break;
		more = realloc(text, room *= 2);
		if (!more)
			free(text);
		text = more;
	}
	return text;
}

char *match_file_read(const char *path, size_t *len, char *err, size_t errlen)
{
	FILE *f = fopen(path, "re");
	char *text = f ? read_all(f, len) : NULL;

	if (text && !ferror(f) && *len < MATCH_FILE_MAX) {
		fclose(f);
		return text;
	}
	if (!text || ferror(f))
		snprintf(err, errlen, "cannot read %s: %s", path, strerror(errno));
	else
		snprintf(err, errlen, "%s: expected less than %u bytes", path, MATCH_FILE_MAX);
	free(text);
	if (f)
		fclose(f);
	return NULL;
}

bool match_rules_load(struct match_rules *r, const char *path, char *err, size_t errlen)
{
	size_t len;
	char *text = match_file_read(path, &len, err, errlen);
	bool ok;

	*r = (struct match_rules){0};
	ok = text && match_rules_parse(r, text, len, path, err, errlen);
	free(text);
	return ok;
}

bool match_rule_looks_ahead(const struct match_rule *u)
{
	const char *p = u->expr;

	if (u->flags & HS_FLAG_COMBINATION) /* of rules that do, for all that can be seen here */
		return true;
	for (; *p; p++) {
		if (*p == '$')
			return true;
		if (*p != '\\')
			continue;
		if (!*++p)
			break;
		if (strchr("bBzZ", *p))
			return true;
	}
	return false;
}

int64_t match_rules_find(const struct match_rules *r, uint32_t id)
{
	uint32_t lo = 0, hi = r->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (r->rule[r->by_id[mid]].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == r->n || r->rule[r->by_id[lo]].id != id)
		return -1;
	return r->by_id[lo];
}

void match_rules_free(struct match_rules *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		free(r->rule[i].expr);
	free(r->rule);
	free(r->by_id);
	free(r->file);
	*r = (struct match_rules){0};
}
