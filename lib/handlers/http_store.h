/*
 * The files of a directory, read into memory when the listener is set up. They are not mapped: a mapped
 * file that somebody cuts short takes the server down (SIGBUS). So what is served is what was there then,
 * whole, until the next reload.
 */
#ifndef HANDLERS_HTTP_STORE_H
#define HANDLERS_HTTP_STORE_H

#include "http_reply.h"

struct http_store {
	char *memory;  /* one range for all bodies, read only */
	uint64_t size, used;
	struct http_file **files;
	uint32_t n_files;
	struct http_key *keys; /* not sorted */
	uint32_t n_keys;
	uint64_t skipped; /* links, names with a dot in front, what is no file */
};

/*
 * Read all regular files under s->root. Returns NULL and says why if one cannot be read, or they need
 * more than s->root_memory.
 */
struct http_store *http_store_load(const struct http_settings *s, char *err, size_t errlen);
void http_store_free(struct http_store *store);

/* Add a key; the path is copied. False: no memory. */
bool http_store_add(struct http_store *store, const char *path, enum http_what kind,
		    const struct http_file *file);

/* The media type that a name's suffix stands for. */
const char *http_type_of(const char *name);

/* Read exactly len bytes; a file that shrinks meanwhile is an error (EIO). */
bool http_read_all(int fd, char *to, size_t len);

#endif
