/*
 * The files that EAL leaves behind: its runtime folder, and in hugetlbfs the pages it mapped.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdlib.h>
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

	snprintf(name, sizeof(name), "%.100smap_", prefix);
	while (f && (m = getmntent(f)))
		if (!strcmp(m->mnt_type, "hugetlbfs"))
			remove_files(m->mnt_dir, name);
	if (f)
		endmntent(f);
}

static void remove_folder(const char *folder)
{
	remove_files(folder, "");
	rmdir(folder);
}

/* EAL's primary process has this file locked as long as it lives, also one that another namespace of ids hides. */
static bool is_locked(const char *folder)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[640];
	bool locked;
	int fd;

	snprintf(path, sizeof(path), "%s/config", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno != ENOENT;
	locked = fcntl(fd, F_GETLK, &lock) || lock.l_type != F_UNLCK;
	close(fd);
	return locked;
}

/* name: the base, and the id of a process that there is no more. */
static bool is_dead(const char *name, const char *base)
{
	const char *id = name + strlen(base);
	char *end;
	long pid;

	if (strncmp(name, base, strlen(base)) || *id < '1' || *id > '9')
		return false;
	pid = strtol(id, &end, 10);
	return !*end && kill((pid_t)pid, 0) && errno == ESRCH;
}

/* Where EAL makes its runtime folders: it tells only once it runs, and what is left keeps pages from it. */
static void runtime_parent(char *buf, size_t len)
{
	const char *top = getenv("RUNTIME_DIRECTORY");

	if (!top)
		top = getuid() ? getenv("XDG_RUNTIME_DIR") : "/var/run";
	snprintf(buf, len, "%s/dpdk", top ? top : "/tmp");
}

bool server_files_locked(const char *prefix)
{
	char parent[256], folder[512];

	runtime_parent(parent, sizeof(parent));
	snprintf(folder, sizeof(folder), "%s/%.200s", parent, prefix);
	return is_locked(folder);
}

void server_files_remove_dead(const char *base)
{
	char parent[256], folder[512];
	struct dirent *entry;
	DIR *dir;

	runtime_parent(parent, sizeof(parent));
	dir = opendir(parent);
	while (dir && (entry = readdir(dir))) {
		snprintf(folder, sizeof(folder), "%s/%s", parent, entry->d_name);
		if (!is_dead(entry->d_name, base) || is_locked(folder))
			continue;
		remove_pages(entry->d_name);
		remove_folder(folder);
	}
	if (dir)
		closedir(dir);
}

void server_files_remove(const struct pier_config *c, const struct pier_eal_argv *eal,
			 const char *runtime_dir)
{
	if (eal->huge && c->eal.file_prefix)
		remove_pages(c->eal.file_prefix);
	remove_folder(runtime_dir);
}
