/*
 * INI text into a config, by libinih.
 *
 * libinih is given one line at a time: the packaged library tells its callback no line numbers,
 * cuts long lines and section names silently, and reports only the first bad line. A line on its
 * own has none of that, and no accidental continuation of the line above. Section headers are taken
 * apart here, because an argument may contain brackets: [listen [fd00:18::2]:80].
 */
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "config_build.h"

#define LINE_MAX_LEN (INI_MAX_LINE - 3) /* what libinih takes: less two line ends and the NUL */

static const char blanks[] = " \t\r\n\v\f";

struct reader {
	struct config *config;
	const struct config_kind *kinds;
	unsigned int n_kinds;
	struct config_errors *errors;
	struct config_section *section; /* NULL: none yet, or one that was refused */
	bool refused;			/* keys of a refused section are passed over */
	unsigned int line;
};

static __attribute__((format(printf, 2, 3))) void line_error(const struct reader *r,
							     const char *fmt, ...)
{
	char place[CONFIG_ERROR_LEN / 2];
	va_list ap;

	snprintf(place, sizeof(place), "%s:%u", r->config->file, r->line);
	va_start(ap, fmt);
	config_verror(r->errors, place, "", fmt, ap);
	va_end(ap);
}

/* The bracket that ends a header: nothing but a comment follows it. NULL: there is none. */
static char *header_end(char *p)
{
	while ((p = strchr(p, ']'))) {
		char *rest = p + 1 + strspn(p + 1, blanks);

		if (!*rest || *rest == ';' || *rest == '#')
			return p;
		p++;
	}
	return NULL;
}

static void read_header(struct reader *r, char *text)
{
	char *title = text + 1 + strspn(text + 1, blanks), *end = header_end(text);
	char place[CONFIG_ERROR_LEN / 2];

	r->section = NULL;
	r->refused = true;
	while (end && end > title && strchr(blanks, end[-1]))
		end--;
	if (!end || end <= title) {
		line_error(r, "expected [section] or [section argument]");
		return;
	}
	*end = '\0';
	snprintf(place, sizeof(place), "%s:%u", r->config->file, r->line);
	r->section = config_section_add(r->config, title, r->line, place, r->kinds, r->n_kinds,
					r->errors);
	r->refused = !r->section;
}

static int take_key(void *user, const char *section, const char *key, const char *value)
{
	struct reader *r = user;

	if (!*key)
		line_error(r, "expected key = value");
	else if (r->section)
		config_key_add(r->section, key, value, r->line);
	else if (!r->refused)
		line_error(r, "%s: expected a [section] before the first key", key);
	return 1;
}

static void read_line(struct reader *r, char *line, size_t len)
{
	char *text = line + strspn(line, blanks);

	if (strlen(line) != len)
		line_error(r, "a NUL byte: this is not a text file");
	else if (strcspn(line, "\r\n") > LINE_MAX_LEN && *text != '#' && *text != ';')
		line_error(r, "line longer than %d characters; --set takes longer values", LINE_MAX_LEN);
	else if (*text == '[')
		read_header(r, text);
	else if (*text != '#' && *text != ';' && ini_parse_string(text, take_key, r) != 0)
		line_error(r, "expected key = value or [section]");
}

bool config_read_stream(struct config *c, FILE *stream, const char *file,
			const struct config_kind *kinds, unsigned int n,
			struct config_errors *errors)
{
	struct reader r = {.config = c, .kinds = kinds, .n_kinds = n, .errors = errors};
	unsigned int errors_before = errors->n;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	c->file = strdup(file);
	if (!c->file)
		abort();
	errno = 0;
	while ((len = getline(&line, &size, stream)) >= 0) {
		bool bom = !r.line++ && !strncmp(line, "\xef\xbb\xbf", 3);

		read_line(&r, line + (bom ? 3 : 0), (size_t)len - (bom ? 3 : 0));
	}
	if (ferror(stream))
		config_error(errors, NULL, file, "cannot read: %s", strerror(errno));
	free(line);
	return errors->n == errors_before;
}

bool config_read(struct config *c, const char *path, const struct config_kind *kinds,
		 unsigned int n, struct config_errors *errors)
{
	FILE *stream = fopen(path, "re");
	bool ok;

	if (!stream) {
		config_error(errors, NULL, path, "cannot open: %s", strerror(errno));
		return false;
	}
	ok = config_read_stream(c, stream, path, kinds, n, errors);
	fclose(stream);
	return ok;
}
