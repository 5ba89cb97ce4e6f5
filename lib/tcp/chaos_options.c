/*
 * The keys of misbehaviour. A value is what the fault needs, the share of connections that it hits, or
 * both: "64k", "10%", "64k 10%". "no" is what stands there if nothing does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/units.h"
#include "tcp/chaos.h"
#include "wire/icmp.h"

struct kind {
	const char *key;
	enum chaos_form form;
	uint64_t min, max;
	const char *def;
};

static const struct kind kinds[CHAOS_KINDS_N] = {
#define X(NAME, key, form, lo, hi, def, help) {key, CHAOS_##form, lo, hi, def},
	CHAOS_KINDS(X)
#undef X
};

static const struct option options[] = {
#define X(NAME, key, form, lo, hi, def, help)                                                      \
	{key, OPTION_STRING, offsetof(struct chaos_text, value[CHAOS_##NAME]), 0, 0, NULL, NULL,   \
	 help "; the value, a share of connections, or both; a share alone means " def},
	CHAOS_KINDS(X)
#undef X
	{"chaos-seed", OPTION_U64, offsetof(struct chaos_text, seed), 0, 0, NULL, "1",
	 "which connections the chaos-... keys hit: the same seed, addresses and ports have the same fate"},
};

const struct option_table chaos_option_table = {
	.section = "listen",
	.help = "Misbehaviour on purpose, beside any handler. A value is what the key needs, the share of "
		"connections it hits, such as 10%, or both; without a share it hits all",
	.options = options,
	.n = ARRAY_SIZE(options),
	.size = sizeof(struct chaos_text),
};

static const struct {
	const char *word;
	uint64_t how;
} ways[] = {
	{"rst", CHAOS_RST},
	{"drop", CHAOS_DROP},
	{"icmp-net", CHAOS_ICMP + ICMP_UNREACH_NET},
	{"icmp-host", CHAOS_ICMP + ICMP_UNREACH_HOST},
	{"icmp-proto", CHAOS_ICMP + ICMP_UNREACH_PROTO},
	{"icmp-port", CHAOS_ICMP + ICMP_UNREACH_PORT},
	{"icmp-admin", CHAOS_ICMP + ICMP_UNREACH_ADMIN},
};

static bool parse_how(const char *text, struct chaos_fault *out, char *err, size_t errlen)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (!strcmp(ways[i].word, text)) {
			out->value = ways[i].how;
			return true;
		}
	snprintf(err, errlen, "expected rst, drop, icmp-net, icmp-host, icmp-proto, icmp-port or icmp-admin");
	return false;
}

static bool parse_number(enum option_type type, uint64_t min, uint64_t max, const char *text,
			 uint64_t *out, char *err, size_t errlen)
{
	const struct option o = {.type = type, .min = min, .max = max};

	return option_parse(&o, out, text, err, errlen);
}

static bool parse_pace(char *text, struct chaos_fault *out, char *err, size_t errlen)
{
	char *slash = strchr(text, '/');
	char why[96];

	if (slash) {
		*slash = '\0';
		if (parse_number(OPTION_SIZE, 1, GIB, text, &out->value, why, sizeof(why)) &&
		    parse_number(OPTION_DURATION, US_PER_MS, 3600 * US_PER_SEC, slash + 1, &out->per,
				 why, sizeof(why)))
			return true;
	}
	snprintf(err, errlen, "expected octets, from 1, and a duration from 1ms to 1h, such as 1/1s");
	return false;
}

static bool parse_value(const struct kind *k, char *text, struct chaos_fault *out, char *err,
			size_t errlen)
{
	switch (k->form) {
	case CHAOS_HOW:
		return parse_how(text, out, err, errlen);
	case CHAOS_OCTETS:
		return parse_number(OPTION_SIZE, k->min, k->max, text, &out->value, err, errlen);
	case CHAOS_TIME:
		if (!strcmp(k->def, "inf") && !strcmp(text, "inf")) {
			out->value = DURATION_INF;
			return true;
		}
		return parse_number(OPTION_DURATION, k->min, k->max, text, &out->value, err, errlen);
	case CHAOS_NTH:
		return parse_number(OPTION_U64, k->min, k->max, text, &out->value, err, errlen);
	case CHAOS_PACE:
		return parse_pace(text, out, err, errlen);
	case CHAOS_YES:
		break;
	}
	snprintf(err, errlen, "expected yes, no, or a share such as 10%%");
	return false;
}

/* "10%", "0.01%": of a million. */
static bool parse_share(const char *text, uint32_t *out, char *err, size_t errlen)
{
	char *end;
	double percent = strtod(text, &end);

	if (end != text && !strcmp(end, "%") && text[0] >= '0' && text[0] <= '9' && percent <= 100) {
		*out = (uint32_t)(percent * (CHAOS_MILLION / 100.0) + 0.5);
		return true;
	}
	snprintf(err, errlen, "expected a share from 0%% to 100%%, such as 10%%");
	return false;
}

static bool is_share(const char *word)
{
	return word[strlen(word) - 1] == '%';
}

static bool is_word(const char *word, const char *a, const char *b, const char *c)
{
	return !strcmp(word, a) || !strcmp(word, b) || !strcmp(word, c);
}

static bool parse_fault(const struct kind *k, char *text, struct chaos_fault *out, char *err,
			size_t errlen)
{
	char *rest, *first = strtok_r(text, " \t", &rest), *second = strtok_r(NULL, " \t", &rest);
	char def[8];

	if (!first || (!second && is_word(first, "no", "off", "false")))
		return true;
	out->share = CHAOS_MILLION;
	if (!second && is_share(first)) {
		second = first;
		first = NULL;
	} else if (is_word(first, "yes", "on", "true")) {
		first = NULL;
	}
	if (second && !parse_share(second, &out->share, err, errlen))
		return false;
	if (strtok_r(NULL, " \t", &rest)) {
		snprintf(err, errlen, "expected a value, a share such as 10%%, or both, in this order");
		return false;
	}
	snprintf(def, sizeof(def), "%s", k->def);
	return (!first && k->form == CHAOS_YES) ||
	       parse_value(k, first ? first : def, out, err, errlen);
}

bool chaos_parse(const struct chaos_text *text, struct chaos *out, const char **key, char *err,
		 size_t errlen)
{
	*out = (struct chaos){.seed = text->seed};
	for (unsigned int i = 0; i < CHAOS_KINDS_N; i++) {
		struct chaos_fault *f = &out->fault[i];
		char copy[128];

		if (!text->value[i])
			continue;
		*key = kinds[i].key;
		snprintf(copy, sizeof(copy), "%s", text->value[i]);
		if (!parse_fault(&kinds[i], copy, f, err, errlen))
			return false;
		if (f->share)
			out->kinds |= 1u << i;
	}
	return true;
}
