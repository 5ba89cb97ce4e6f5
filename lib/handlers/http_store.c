/*
 * See http_store.h.
 *
 * The memory is reserved at once, as much as it may become, and what is not used is given back: so files
 * are read one after another and no file's size is believed twice. It is of huge pages where the system
 * gives some, and read only when all is in. Nothing but plain files is opened, and no link followed but
 * the directory itself.
 */
#include "http_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 32
#define ALIGN     64 /* of a body */
#define PATH_LEN  2048

struct walk {
	const struct http_settings *set;
	struct http_store *store;
	char *err;
	size_t errlen;
	size_t len;          /* of path */
	unsigned int depth;
	char path[PATH_LEN]; /* below the root */
};

const char *http_type_of(const char *name)
{
	static const char *const types[][2] = {
		{ "html", "text/html" }, { "htm", "text/html" }, { "css", "text/css" },
		{ "js", "text/javascript" }, { "mjs", "text/javascript" },
		{ "json", "application/json" }, { "map", "application/json" },
		{ "xml", "application/xml" }, { "txt", "text/plain" }, { "md", "text/markdown" },
		{ "csv", "text/csv" }, { "ini", "text/plain" }, { "log", "text/plain" },
		{ "png", "image/png" }, { "jpg", "image/jpeg" }, { "jpeg", "image/jpeg" },
		{ "gif", "image/gif" }, { "webp", "image/webp" }, { "avif", "image/avif" },
		{ "svg", "image/svg+xml" }, { "ico", "image/vnd.microsoft.icon" },
		{ "woff", "font/woff" }, { "woff2", "font/woff2" }, { "ttf", "font/ttf" },
		{ "mp3", "audio/mpeg" }, { "ogg", "audio/ogg" }, { "wav", "audio/wav" },
		{ "mp4", "video/mp4" }, { "webm", "video/webm" }, { "m3u8", "application/vnd.apple.mpegurl" },
		{ "ts", "video/mp2t" }, { "m4s", "video/iso.segment" }, { "mpd", "application/dash+xml" },
		{ "pdf", "application/pdf" }, { "wasm", "application/wasm" },
		{ "zip", "application/zip" }, { "gz", "application/gzip" },
		{ "tar", "application/x-tar" },
	};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++) {
		if (!strcasecmp(dot + 1, types[i][0]))
			return types[i][1];
	}
	return "application/octet-stream";
}

bool http_store_add(struct http_store *store, const char *path, enum http_what kind,
		    const struct http_file *file)
{
	struct http_key *k;

	if (!(store->n_keys & (store->n_keys - 1))) {
		k = realloc(store->keys, (store->n_keys ? 2 * store->n_keys : 1) * sizeof(*k));
		if (!k)
			return false;
		store->keys = k;
	}
	k = &store->keys[store->n_keys];
	*k = (struct http_key){ .path = strdup(path), .len = (uint16_t)strlen(path),
				.kind = (uint8_t)kind, .valid = file ? &file->valid : NULL,
				.file = file };
	if (!k->path)
		return false;
	store->n_keys++;
	return true;
}

static struct http_file *add_file(struct http_store *store)
{
	struct http_file *f = calloc(1, sizeof(*f)), **more;

	if (!f)
		return NULL;
	if (!(store->n_files & (store->n_files - 1))) {
		more = realloc(store->files, (store->n_files ? 2 * store->n_files : 1) * sizeof(*more));
		if (!more) {
			free(f);
			return NULL;
		}
		store->files = more;
	}
	store->files[store->n_files++] = f;
	return f;
}

static bool failed(struct walk *w, const char *why)
{
	snprintf(w->err, w->errlen, "root: cannot read %s%s%s: %s", w->set->root, w->len ? "/" : "", w->path,
		 why);
	return false;
}

static bool too_much(struct walk *w, uint64_t need)
{
	snprintf(w->err, w->errlen,
		 "root-memory: %s needs %llu bytes up to %s, and more than %llu are not allowed",
		 w->set->root, (unsigned long long)need, w->path,
		 (unsigned long long)w->set->root_memory);
	return false;
}

/* The path, or a directory's one, as a target: what is not unreserved is percent-encoded. */
static bool encode(const char *path, char *to, size_t len)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
	size_t at = 0;

	for (; *path; path++) {
		if (at + 4 > len)
			return false;
		if (strchr(plain, *path))
			to[at++] = *path;
		else
			at += (size_t)snprintf(to + at, len - at, "%%%02X", (unsigned char)*path);
	}
	to[at] = 0;
	return true;
}

/* A directory with an index: its path with a slash is the index, without it moves there. */
static bool add_index(struct walk *w, const struct http_file *index)
{
	char dir[PATH_LEN], place[HTTP_HEAD_MAX / 2], field[HTTP_HEAD_MAX];
	size_t len = w->len - strlen("index.html");
	struct http_file *moved;

	memcpy(dir, w->path, len);
	dir[len] = 0;
	if (!http_store_add(w->store, dir, HTTP_FILE, index))
		return failed(w, strerror(ENOMEM));
	if (!len || !encode(dir, place, sizeof(place)))
		return true; /* too long for a field: only the path with the slash is there */
	dir[len - 1] = 0;
	snprintf(field, sizeof(field), "Location: /%s\r\n", place);
	moved = add_file(w->store);
	if (!moved || !http_file_replies(w->set, moved, 301, field) ||
	    !http_store_add(w->store, dir, HTTP_MOVED, moved))
		return failed(w, strerror(ENOMEM));
	return true;
}

static bool load_file(struct walk *w, int fd, const struct stat *st, const char *name)
{
	struct http_store *store = w->store;
	uint64_t size = (uint64_t)st->st_size, need = store->used + size;
	struct http_file *f;

	if (size > store->size - store->used)
		return too_much(w, need);
	f = add_file(store);
	if (!f)
		return failed(w, strerror(ENOMEM));
	if (!http_read_all(fd, store->memory + store->used, size))
		return failed(w, strerror(errno));
	f->body = store->memory + store->used;
	f->len = size;
	f->type = http_type_of(name);
	store->used = (need + ALIGN - 1) / ALIGN * ALIGN;
	if (store->used > store->size)
		store->used = store->size;
	http_file_validate(f, st->st_mtime);
	if (!http_file_replies(w->set, f, 200, "") || !http_store_add(store, w->path, HTTP_FILE, f))
		return failed(w, strerror(ENOMEM));
	return strcmp(name, "index.html") || add_index(w, f);
}

static bool load_directory(struct walk *w, int fd);

/* Open what may be opened. Gives the descriptor away. */
static bool load_one(struct walk *w, int dir, const char *name)
{
	struct stat st;
	bool ok = true;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(w, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		w->store->skipped++;
		return true;
	}
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		ok = failed(w, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		return load_directory(w, fd);
	else if (S_ISREG(st.st_mode))
		ok = load_file(w, fd, &st, name);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* One name in the directory, whose path is w->path up to len. */
static bool load_entry(struct walk *w, int dir, const char *name)
{
	const size_t len = w->len, n = strlen(name);
	bool ok;

	if (*name == '.') {
		w->store->skipped += strcmp(name, ".") && strcmp(name, "..");
		return true;
	}
	if (len + n + 2 > sizeof(w->path))
		return failed(w, strerror(ENAMETOOLONG));
	if (len)
		w->path[w->len++] = '/';
	memcpy(w->path + w->len, name, n + 1);
	w->len += n;
	ok = load_one(w, dir, name);
	if (ok) { /* a failure's message has been written */
		w->len = len;
		w->path[len] = 0;
	}
	return ok;
}

static bool load_directory(struct walk *w, int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	bool ok = true;

	if (!d) {
		close(fd);
		return failed(w, strerror(errno));
	}
	if (++w->depth > DEPTH_MAX)
		ok = failed(w, "too many directories in each other");
	errno = 0;
	while (ok && (e = readdir(d)))
		ok = load_entry(w, dirfd(d), e->d_name);
	w->depth--;
	closedir(d);
	return ok;
}

/* Keep of the reserved memory what is used. */
static bool seal(struct http_store *store)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t keep = (store->used + page - 1) / page * page;

	if (keep < store->size)
		munmap(store->memory + keep, store->size - keep);
	store->size = keep;
	if (!keep)
		store->memory = NULL;
	return !keep || !mprotect(store->memory, keep, PROT_READ);
}

static bool reserve(struct http_store *store, uint64_t size)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	size = size / page * page;
	store->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (store->memory == MAP_FAILED) {
		store->memory = NULL;
		return false;
	}
	store->size = size;
	madvise(store->memory, size, MADV_HUGEPAGE); /* a wish */
	return true;
}

struct http_store *http_store_load(const struct http_settings *s, char *err, size_t errlen)
{
	struct http_store *store = calloc(1, sizeof(*store));
	struct walk *w = calloc(1, sizeof(*w));
	bool ok = false;
	int fd;

	if (store && w && reserve(store, s->root_memory)) {
		*w = (struct walk){ .set = s, .store = store, .err = err, .errlen = errlen };
		fd = open(s->root, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
		ok = fd < 0 ? failed(w, strerror(errno)) : load_directory(w, fd);
		if (ok && !seal(store))
			ok = failed(w, strerror(errno));
	} else {
		snprintf(err, errlen, "root-memory: no address space for %llu bytes",
			 (unsigned long long)s->root_memory);
	}
	free(w);
	if (ok)
		return store;
	http_store_free(store);
	return NULL;
}

void http_store_free(struct http_store *store)
{
	if (!store)
		return;
	for (uint32_t i = 0; i < store->n_keys; i++)
		free((char *)(uintptr_t)store->keys[i].path);
	for (uint32_t i = 0; i < store->n_files; i++) {
		http_file_free(store->files[i]);
		free(store->files[i]);
	}
	if (store->memory)
		munmap(store->memory, store->size);
	free(store->keys);
	free(store->files);
	free(store);
}
