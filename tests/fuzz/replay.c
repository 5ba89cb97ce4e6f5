/*
 * Runs a fuzz target over inputs, files or the files of folders, once each: the corpus as a test, in any
 * build and without libFuzzer. Fails if an input does (it aborts, its name printed before), or if there
 * are none.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static bool replay(const char *path)
{
	uint8_t *data;
	size_t len;
	FILE *file;
	long end;

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

/* Counts what was replayed, and what could not be read. */
static void replay_folder(DIR *dir, const char *name, unsigned int counts[2])
{
	struct dirent *entry;
	char path[4096];

	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
		counts[!replay(path)]++;
	}
	closedir(dir);
}

int main(int argc, char **argv)
{
	unsigned int counts[2] = {0};

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE-OR-FOLDER...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);

		if (dir)
			replay_folder(dir, argv[i], counts);
		else
			counts[!replay(argv[i])]++;
	}
	printf("%u inputs replayed, %u not readable\n", counts[0], counts[1]);
	return counts[0] && !counts[1] ? 0 : 1;
}
