/*
 * Serialised databases on disk, a file each, named by everything that they depend on: a change of
 * rules, flags, Hyperscan or CPU is another name. A file says itself what it is and carries a sum of
 * its content, so that one that was cut or altered is taken for none and written anew.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/siphash.h"
#include "room.h"

#define MAGIC     "pier hs database 1\n"
#define IMAGE_MAX (4ull << 30)

struct head {
	char magic[24];
	char key[MATCH_KEY_LEN];
	uint64_t len, sum;
};

static const struct sip_key sum_key = {{0x70696572, 0x6d61746368}};

/* The text whose hash is the key. */
static bool describe(const struct match_rules *r, unsigned int mode, char **text, size_t *len)
{
	hs_platform_info_t platform;
	FILE *f = open_memstream(text, len);

	if (!f || hs_populate_platform(&platform) != HS_SUCCESS) {
		if (f)
			fclose(f);
		return false;
	}
	fprintf(f, MAGIC "%s %u\n%u %llx\n", hs_version(), mode, platform.tune,
		(unsigned long long)platform.cpu_features);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct match_rule *u = &r->rule[i];

		fprintf(f, "%u %u %llu %llu %llu %llu %u %u %zu:%s\n", u->id, u->flags,
			(unsigned long long)u->bounds, (unsigned long long)u->min_offset,
			(unsigned long long)u->max_offset, (unsigned long long)u->min_length,
			u->edit_distance, u->hamming_distance, strlen(u->expr), u->expr);
	}
	return fclose(f) == 0;
}

bool match_key(const struct match_rules *r, unsigned int mode, char key[MATCH_KEY_LEN + 1])
{
	static const struct sip_key halves[2] = {{{1, 2}}, {{3, 4}}};
	char *text = NULL;
	size_t len = 0;
	bool ok = describe(r, mode, &text, &len);

	if (ok)
		snprintf(key, MATCH_KEY_LEN + 1, "%016llx%016llx",
			 (unsigned long long)siphash24(&halves[0], text, len),
			 (unsigned long long)siphash24(&halves[1], text, len));
	free(text);
	return ok;
}

static char *path_of(const char *dir, const char *key, const char *end)
{
	char *path;

	if (asprintf(&path, "%s/%s%s", dir, key, end) < 0)
		abort();
	return path;
}

static void make_head(struct head *h, const char *key, const char *bytes, size_t len)
{
	*h = (struct head){.magic = MAGIC, .len = len, .sum = siphash24(&sum_key, bytes, len)};
	memcpy(h->key, key, MATCH_KEY_LEN);
}

static bool read_image(FILE *f, const char *key, struct match_image *image)
{
	struct head h, want;

	if (fread(&h, sizeof(h), 1, f) != 1 || h.len > IMAGE_MAX)
		return false;
	image->len = (size_t)h.len;
	image->bytes = malloc(image->len + 1);
	if (!image->bytes)
		return false;
	/* One byte more than there is to be: the file must end there. */
	if (fread(image->bytes, 1, image->len + 1, f) != image->len)
		return false;
	make_head(&want, key, image->bytes, image->len);
	return !memcmp(&h, &want, sizeof(h));
}

bool match_cache_load(const char *dir, const char key[MATCH_KEY_LEN + 1], struct match_image *image)
{
	char *path = path_of(dir, key, ".hsdb");
	FILE *f = fopen(path, "re");
	bool ok;

	*image = (struct match_image){0};
	ok = f && read_image(f, key, image);
	if (f)
		fclose(f);
	if (!ok) {
		free(image->bytes);
		*image = (struct match_image){0};
	}
	free(path);
	return ok;
}

static bool write_image(int fd, const char *key, const struct match_image *image)
{
	FILE *f = fdopen(fd, "we");
	struct head h;
	bool ok;

	if (!f) {
		close(fd);
		return false;
	}
	make_head(&h, key, image->bytes, image->len);
	ok = fwrite(&h, sizeof(h), 1, f) == 1 &&
	     fwrite(image->bytes, 1, image->len, f) == image->len;
	return !fclose(f) && ok;
}

bool match_cache_store(const char *dir, const char key[MATCH_KEY_LEN + 1],
		       const struct match_image *image, bool *wrong, char *why, size_t len)
{
	char *path = path_of(dir, key, ".hsdb"), *tmp = path_of(dir, key, ".XXXXXX");
	int fd;
	bool ok;

	mkdir(dir, 0700); /* if there is none; what else is wrong shows in a moment */
	fd = mkstemp(tmp);
	ok = fd >= 0 && write_image(fd, key, image) && !rename(tmp, path);
	if (!ok)
		snprintf(why, len, "the database is not kept in %s: %s", dir, strerror(errno));
	*wrong = !ok && access(dir, R_OK | W_OK | X_OK);
	if (!ok && fd >= 0)
		unlink(tmp);
	free(tmp);
	free(path);
	return ok;
}
