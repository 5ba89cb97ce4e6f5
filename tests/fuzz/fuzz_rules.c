/*
 * Rule files. What is taken is written out again as a rule file, which has to be taken as the same
 * rules; what is refused names a line and a column that exist.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "match/rules.h"

static const char letters[] = "ismVHL8WPCQ";
static const unsigned int flags[] = {1, 2, 4, 16, 8, 256, 32, 64, 128, 512, 1024};

static void write_rule(FILE *f, const struct match_rule *u)
{
	const char *comma = "{";

	fprintf(f, "%u:/%s/", u->id, u->expr);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (u->flags & flags[i])
			fputc(letters[i], f);
	for (unsigned int bit = 0; bit < 5; bit++) {
		static const char *const names[] = {"min_offset", "max_offset", "min_length",
						    "edit_distance", "hamming_distance"};
		const uint64_t v[] = {u->min_offset, u->max_offset, u->min_length, u->edit_distance,
				      u->hamming_distance};

		if (!(u->bounds >> bit & 1))
			continue;
		fprintf(f, "%s%s=%llu", comma, names[bit], (unsigned long long)v[bit]);
		comma = ",";
	}
	fputs(*comma == ',' ? "}\n" : "\n", f);
}

static void compare(const struct match_rules *a, const struct match_rules *b)
{
	CHECK(a->n == b->n);
	for (uint32_t i = 0; i < a->n; i++) {
		const struct match_rule *x = &a->rule[i], *y = &b->rule[i];

		CHECK(!strcmp(x->expr, y->expr));
		CHECK(x->id == y->id && x->flags == y->flags && x->bounds == y->bounds);
		CHECK(x->min_offset == y->min_offset && x->max_offset == y->max_offset);
		CHECK(x->min_length == y->min_length && x->edit_distance == y->edit_distance);
		CHECK(x->hamming_distance == y->hamming_distance);
		CHECK(match_rules_find(a, x->id) == i);
	}
}

/* The line and column of an error lie in the text, one past its end at most. */
static void check_place(const char *err, const char *text, size_t len)
{
	unsigned int line, column, lines = 1;
	const char *at = text, *next;

	CHECK(!strncmp(err, "f:", 2));
	if (sscanf(err, "f:%u:%u: ", &line, &column) != 2)
		return; /* of the whole file: there is no rule */
	for (; lines < line; lines++, at = next + 1) {
		next = memchr(at, '\n', (size_t)(text + len - at));
		CHECK(next);
	}
	next = memchr(at, '\n', (size_t)(text + len - at));
	CHECK(column >= 1 && column <= (size_t)((next ? next : text + len) - at) + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[300] = "", *text = malloc(size + 1), *again = NULL;
	struct match_rules r, second;
	size_t len;
	FILE *f;

	CHECK(text);
	memcpy(text, data, size);
	if (!match_rules_parse(&r, text, size, "f", err, sizeof(err))) {
		check_place(err, text, size);
		free(text);
		return 0;
	}
	f = open_memstream(&again, &len);
	CHECK(f);
	for (uint32_t i = 0; i < r.n; i++)
		write_rule(f, &r.rule[i]);
	fclose(f);
	CHECK(match_rules_parse(&second, again, len, "f", err, sizeof(err)));
	compare(&r, &second);
	match_rules_free(&second);
	match_rules_free(&r);
	free(again);
	free(text);
	return 0;
}
