/*
 * See http_kit.h.
 */
#include "http_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "handlers/handlers.h"

bool http_has(const struct response *r, const char *line)
{
	char *head = strndup(r->head, r->head_len), want[200];
	bool found;

	snprintf(want, sizeof(want), "\r\n%s\r\n", line);
	found = strstr(head, want);
	free(head);
	return found;
}

const char *http_value(const struct response *r, const char *name)
{
	static char text[200];
	char *head = strndup(r->head, r->head_len), want[100], *at;

	snprintf(want, sizeof(want), "\r\n%s: ", name);
	at = strstr(head, want);
	if (at)
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(at + strlen(want), "\r"),
			 at + strlen(want));
	free(head);
	return at ? text : NULL;
}

struct response http_next(const char **at, bool head_only)
{
	struct response r = { .head = *at };
	const char *end = strstr(*at, "\r\n\r\n");

	assert_non_null(end);
	r.head_len = (size_t)(end + 4 - *at);
	assert_int_equal(sscanf(*at, "HTTP/1.1 %d ", &r.status), 1);
	r.body = end + 4;
	if (!head_only && http_value(&r, "Content-Length"))
		r.body_len = strtoul(http_value(&r, "Content-Length"), NULL, 10);
	*at = r.body + r.body_len;
	return r;
}

void http_say(struct fake_host *f, const char *text)
{
	fake_input(f, text, strlen(text));
	fake_run(f);
}

struct response http_ask(struct fake_host **f, const char *config, const char *request)
{
	struct response r;
	const char *at;

	*f = fake_new(&handler_http, config);
	http_say(*f, request);
	at = (*f)->out;
	r = http_next(&at, !strncmp(request, "HEAD", 4));
	assert_ptr_equal(at, (*f)->out + (*f)->out_len);
	return r;
}

void http_mask_dates(char *out)
{
	for (char *at = out; (at = strstr(at, "\r\nDate: ")); at += 8)
		memset(at + 8, '*', 29);
}
