/*
 * Runs a fuzz target over a folder of inputs, once each: the corpus as a test, in any build and
 * without libFuzzer. Fails if an input does (it aborts, its name printed before), or if there are
 * none.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static bool replay(const char *dir, const char *name)
{
	char path[4096];
	uint8_t *data;
	size_t len;
	FILE *file;
	long end;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "rb");
	if (!file || fseek(file, 0, SEEK_END) || (end = ftell(file)) < 0) {
		perror(path);
		return false;
	}
	rewind(file);
	data = malloc((size_t)end + 1);
	len = data ? fread(data, 1, (size_t)end, file) : 0;
	fclose(file);
	printf("%s\n", path);
	fflush(stdout);
	if (data && len == (size_t)end)
		LLVMFuzzerTestOneInput(data, len);
	free(data);
	return len == (size_t)end;
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	unsigned int done = 0, failed = 0;
	struct dirent *entry;

	if (!dir) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (replay(argv[1], entry->d_name))
			done++;
		else
			failed++;
	}
	closedir(dir);
	printf("%u inputs replayed, %u not readable\n", done, failed);
	return done && !failed ? 0 : 1;
}
