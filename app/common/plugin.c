/*
 * Handlers from shared objects.
 *
 * dlopen knows a file that it has loaded by its name and gives the old one again, also where another
 * file has taken the name. So the file is opened first and loaded by its descriptor, which is kept: its
 * name is another each time, and dlopen then tells files apart by what they are.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "config_room.h"
#include "pier/registry.h"

#define ENTRY "pier_plugin"

static bool load(struct pier_plugin *p, const char *path, char *err, size_t errlen)
{
	const struct pier_handler *(*entry)(void);
	const struct pier_handler *h;
	const char *wrong, *why;
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", p->fd);
	p->object = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!p->object) {
		why = dlerror();
		if (!strncmp(why, name, strlen(name)) && !strncmp(why + strlen(name), ": ", 2))
			why += strlen(name) + 2; /* the user knows it by path */
		snprintf(err, errlen, "%s: %s", path, why);
		return false;
	}
	/* ISO C has no conversion from an object's address to a function's; POSIX has. */
	*(void **)&entry = dlsym(p->object, ENTRY);
	h = entry ? entry() : NULL;
	wrong = h ? handler_adopt(h, &p->handler)
		  : "no handler in it: expected PIER_PLUGIN(HANDLER) of pier/handler.h";
	if (wrong)
		snprintf(err, errlen, "%s: %s", path, wrong);
	return !wrong;
}

bool plugin_open(struct pier_plugin *p, const char *path, char *err, size_t errlen)
{
	*p = (struct pier_plugin){.fd = open(path, O_RDONLY | O_CLOEXEC)};
	if (p->fd < 0) {
		snprintf(err, errlen, "cannot open %s: %s", path, strerror(errno));
		return false;
	}
	if (load(p, path, err, errlen))
		return true;
	if (p->object)
		dlclose(p->object);
	close(p->fd);
	p->object = NULL;
	return false;
}

void plugin_close(struct pier_plugin *p)
{
	if (!p->object)
		return;
	dlclose(p->object);
	close(p->fd);
	p->object = NULL;
}
