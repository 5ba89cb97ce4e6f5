/*
 * The files that EAL leaves behind: its runtime folder, and in hugetlbfs the pages it mapped.
 */
#include <dirent.h>
#include <mntent.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

/* Remove the files in a folder whose names start with prefix ("": all). */
static void remove_files(const char *folder, const char *prefix)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !strncmp(entry->d_name, prefix, strlen(prefix)))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

static void remove_pages(const char *prefix)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	char name[128];
	struct mntent *m;

	snprintf(name, sizeof(name), "%smap_", prefix);
	while (f && (m = getmntent(f)))
		if (!strcmp(m->mnt_type, "hugetlbfs"))
			remove_files(m->mnt_dir, name);
	if (f)
		endmntent(f);
}

void server_files_remove(const struct pier_config *c, const struct pier_eal_argv *eal,
			 const char *runtime_dir)
{
	if (eal->huge && c->eal.file_prefix)
		remove_pages(c->eal.file_prefix);
	remove_files(runtime_dir, "");
	rmdir(runtime_dir);
}
