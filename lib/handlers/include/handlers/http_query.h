/*
 * What of a request decides its answer, beside method and version: the target, looked up among the
 * paths a site has, and the fields on ranges and conditions (RFC 9110 sections 13 and 14).
 *
 * Nothing is stored here either: the target is a range of the sorted paths that narrows with each
 * byte, percent-decoded; a field is a few numbers, or whether it agrees with the file that the target
 * named. So all of it fits into one cache line, and a request may be split anywhere.
 *
 * What a target names. Only what is in the list: "..", "//", "%2F" and the like are bytes that no
 * path there has, so there is no way to anything else. A query is ignored.
 *
 * Pure: no allocation, no clock, no globals; any thread, one at a time per struct http_query.
 */
#ifndef HANDLERS_HTTP_QUERY_H
#define HANDLERS_HTTP_QUERY_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_DELAY_MAX 3600000 /* ms */

enum http_what {
	HTTP_PLAIN,  /* the one response of a listener without a directory */
	HTTP_FILE,   /* the file of keys[lo] */
	HTTP_MOVED,  /* the same, a redirection: a directory without the slash at its end */
	HTTP_NONE,   /* names nothing */
	/* As kinds of keys these are followed by a number; HTTP_DELAY then by another path, or nothing. */
	HTTP_BYTES,
	HTTP_STATUS,
	HTTP_DELAY,
};

struct http_file; /* the caller's */

/* What conditions are compared with. */
struct http_validators {
	char etag[20];     /* without its quotes; it is a strong one */
	uint8_t etag_len;  /* 0: no entity tag, and no date */
	char modified[30]; /* Last-Modified, in words, and in Unix time */
	int64_t mtime;
};

struct http_key {
	const char *path; /* without the slash in front */
	uint16_t len;
	uint8_t kind;     /* enum http_what */
	const struct http_validators *valid; /* of an HTTP_FILE */
	const struct http_file *file;
};

/* The paths, sorted by http_key_order. */
struct http_site {
	const struct http_key *keys;
	uint32_t n;
	bool only; /* what is not among them is HTTP_NONE, or refused; else HTTP_PLAIN */
	const struct http_validators *valid; /* of what HTTP_PLAIN stands for, or NULL */
};

/* Fields, in the order of the first bits of http_query.seen. */
enum http_condition {
	HTTP_RANGE,
	HTTP_IF_RANGE,
	HTTP_IF_MATCH,
	HTTP_IF_NONE_MATCH,
	HTTP_IF_MODIFIED_SINCE,
	HTTP_IF_UNMODIFIED_SINCE,
	HTTP_CONDITIONS,
};

/* Zeroed before each request. */
struct http_query {
	uint64_t number;      /* of HTTP_BYTES and HTTP_STATUS */
	uint64_t body;        /* bytes of the request's body, announced so far */
	uint64_t first, last; /* HTTP_RANGE: inclusive, last may be UINT64_MAX; suffix: first is its length */
	uint32_t lo, hi;      /* keys that begin as the target does */
	uint32_t delay;       /* ms to wait before the answer */
	uint32_t word;        /* of a date: the month's letters */
	uint16_t status;      /* for the caller's use */
	uint16_t at;          /* bytes of the path so far */
	uint16_t year;
	uint8_t what;         /* enum http_what */
	uint8_t target;       /* state of the target */
	uint8_t digits;
	uint8_t seen;         /* 1 << enum http_condition: it was there, */
	uint8_t holds;        /* and is as it says: a usable range, a tag that agrees, not newer than that */
	bool suffix;          /* the range */
	uint8_t pos, match;   /* in the field's value */
	uint8_t form, day, hour, min, sec; /* of a date */
	bool weak;
};
static_assert(sizeof(struct http_query) <= 72, "leaves room in the handler's context");

/* Order of paths: bytes as unsigned, the shorter first; of equal ones the kind that counts first. */
int http_key_order(const void *a, const void *b);

/* The target begins: after its first slash, or with the authority of an absolute one. */
void http_target_begin(struct http_query *q, const struct http_site *s, bool absolute);
void http_target_bytes(struct http_query *q, const struct http_site *s, const uint8_t *p, size_t n);

/* Sets what, lo, number and delay. False: not a target (a bad percent-encoding, or a NUL). */
bool http_target_end(struct http_query *q, const struct http_site *s);

/* One value of a field, byte by byte; after the target. site may be NULL. */
void http_field_begin(struct http_query *q, enum http_condition field);
void http_field_byte(struct http_query *q, const struct http_site *s, enum http_condition field,
		     uint8_t c);
void http_field_end(struct http_query *q, const struct http_site *s, enum http_condition field);

static inline bool http_saw(const struct http_query *q, enum http_condition field)
{
	return q->seen >> field & 1;
}

static inline bool http_holds(const struct http_query *q, enum http_condition field)
{
	return q->holds >> field & 1;
}

#endif
