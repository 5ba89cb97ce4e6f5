/*
 * What can be known to be wrong with a device before EAL has it: what a section says of it, and what virtual
 * devices do wrong without a word, or with one that names no fix.
 *
 * A socket in the file system stays when the process that listened on it was killed, and the next one could not
 * listen there: device_clear() removes it.
 */
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "room.h"

#define SO_LISTENING 0x10000 /* __SO_ACCEPTCON, in the flags of /proc/net/unix */

enum socket_state {
	SOCKET_NONE,	 /* nothing there */
	SOCKET_OTHER,	 /* something that is no socket */
	SOCKET_STALE,	 /* a socket that nobody listens on */
	SOCKET_LISTENED,
};

/* Value of key in "name,key=value,...": copied to buf; false if the key is not there. */
static bool device_arg(const char *device, const char *key, char *buf, size_t len)
{
	const size_t klen = strlen(key);

	for (const char *p = strchr(device, ','); p; p = strchr(p, ',')) {
		p++;
		if (strncmp(p, key, klen) || p[klen] != '=')
			continue;
		p += klen + 1;
		snprintf(buf, len, "%.*s", (int)strcspn(p, ","), p);
		return true;
	}
	return false;
}

static bool arg_is(const char *device, const char *key, const char *value)
{
	char text[16];

	return device_arg(device, key, text, sizeof(text)) && !strcmp(text, value);
}

/* ---- sockets ---- */

/* The inode of the socket that listens under name in this network namespace, 0: none. An abstract one has an @ before it. */
static unsigned long listener(const char *name)
{
	FILE *f = fopen("/proc/net/unix", "re");
	unsigned long inode, found = 0;
	char line[512], path[256];
	unsigned int flags;

	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %*s %*s %x %*s %*s %lu %255[^\n]", &flags, &inode, path) == 3 &&
		    flags & SO_LISTENING && !strcmp(path, name))
			found = inode;
	if (f)
		fclose(f);
	return found;
}

/* This process listens there. */
static bool is_ours(const char *name)
{
	const unsigned long inode = listener(name);
	DIR *dir = inode ? opendir("/proc/self/fd") : NULL;
	char want[32], link[32];
	struct dirent *entry;
	bool found = false;

	snprintf(want, sizeof(want), "socket:[%lu]", inode);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		link[max_of(n, (ssize_t)0)] = '\0';
		found = !strcmp(link, want);
	}
	if (dir)
		closedir(dir);
	return found;
}

/*
 * Nobody is there for certain only where the kernel refuses. A datagram socket is of another type than any device's: who
 * listens hears nothing of the attempt, and a memif's server would not get over a client that leaves at once.
 */
static bool refuses(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool refused;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	refused = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) && errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return refused;
}

static enum socket_state socket_state(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return SOCKET_NONE;
	if (!S_ISSOCK(st.st_mode))
		return SOCKET_OTHER;
	return refuses(path) ? SOCKET_STALE : SOCKET_LISTENED;
}

/* A path where the device makes a socket of its own: in a folder that is there, and nobody's. */
static bool can_listen(const char *key, const char *path, char *err, size_t errlen)
{
	char folder[256];
	char *slash;

	if (path[0] != '/')
		return port_fail(err, errlen, "%s=%s: must be an absolute path", key, path);
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return port_fail(err, errlen, "%s=%s: a socket's path has at most %zu characters", key, path,
				 sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	slash[slash == folder] = '\0';
	if (access(folder, R_OK | W_OK | X_OK))
		return port_fail(err, errlen, "%s: folder %s: %s: mkdir -p %s, or choose another", key, folder,
				 strerror(errno), folder);
	switch (socket_state(path)) {
	case SOCKET_OTHER:
		return port_fail(err, errlen, "%s=%s: it is there, and no socket: remove it, or choose another", key,
				 path);
	case SOCKET_LISTENED:
		return port_fail(err, errlen, "%s=%s: another process listens on it: stop that one, or choose another",
				 key, path);
	case SOCKET_NONE:
	case SOCKET_STALE: /* removed at start */
		break;
	}
	return true;
}

/* A path where somebody else has to listen before. */
static bool can_connect(const char *key, const char *path, char *err, size_t errlen)
{
	switch (socket_state(path)) {
	case SOCKET_NONE:
	case SOCKET_STALE:
		return port_fail(err, errlen, "%s=%s: nobody listens there: start the other side first", key, path);
	case SOCKET_OTHER:
	case SOCKET_LISTENED:
		break;
	}
	return true;
}

/* By its name of today, or that of before. */
static bool is_memif_server(const char *device)
{
	return arg_is(device, "role", "server") || arg_is(device, "role", "master");
}

/* The socket that the device makes, if it makes one in the file system; NULL: it does not. */
static const char *own_socket(const char *device, char *path, size_t len, const char **key)
{
	if (starts_with(device, "net_memif") && is_memif_server(device) &&
	    arg_is(device, "socket-abstract", "no")) {
		*key = "socket";
	} else if ((starts_with(device, "net_vhost") || starts_with(device, "eth_vhost")) &&
		   !arg_is(device, "client", "1")) {
		*key = "iface";
	} else {
		return NULL;
	}
	return device_arg(device, *key, path, len) ? path : NULL;
}

void device_clear(const char *device)
{
	char path[256];
	const char *key;

	if (own_socket(device, path, sizeof(path), &key) && socket_state(path) == SOCKET_STALE)
		unlink(path);
}

/* ---- devices ---- */

static bool preflight_tap(const char *device, char *err, size_t errlen)
{
	char iface[64];

	if (access("/dev/net/tun", R_OK | W_OK))
		return port_fail(err, errlen,
				 "cannot open /dev/net/tun (%s): modprobe tun; in a "
				 "container, --device /dev/net/tun",
				 strerror(errno));
	if (!device_arg(device, "iface", iface, sizeof(iface)))
		return true;
	if (strlen(iface) >= IFNAMSIZ)
		return port_fail(err, errlen, "iface=%s: at most %d characters", iface,
				 IFNAMSIZ - 1);
	if (if_nametoindex(iface))
		return port_fail(err, errlen,
				 "iface=%s: the interface exists, and joining it would "
				 "share its packets with who made it: choose another name, or "
				 "ip link delete %s",
				 iface, iface);
	return true;
}

/*
 * The client's end of a memif, which the driver's defaults make it, starts only where there is a server. Servers of one
 * process may share a socket: they differ by id.
 */
static bool preflight_memif(const char *device, char *err, size_t errlen)
{
	char path[256] = "/run/memif.sock", name[258];
	const bool server = is_memif_server(device), abstract = !arg_is(device, "socket-abstract", "no");

	device_arg(device, "socket", path, sizeof(path));
	snprintf(name, sizeof(name), "%s%s", abstract ? "@" : "", path);
	if (server && is_ours(name))
		return true;
	if (!abstract)
		return server ? can_listen("socket", path, err, errlen)
			      : can_connect("socket", path, err, errlen);
	if (server != (listener(name) != 0))
		return true;
	if (server)
		return port_fail(err, errlen, "socket=%s, an abstract one: another process listens on it: stop that one, "
				 "or choose another", path);
	return port_fail(err, errlen, "socket=%s, an abstract one: nobody listens there: start the other side first, or "
			 "be the server with role=server",
			 path);
}

static bool preflight_vhost(const char *device, char *err, size_t errlen)
{
	char path[256];

	if (!device_arg(device, "iface", path, sizeof(path)))
		return port_fail(err, errlen, "expected iface=PATH, the socket's");
	return arg_is(device, "client", "1") || can_listen("iface", path, err, errlen);
}

/* A path under /dev is the kernel's vhost-net. */
static bool preflight_virtio_user(const char *device, char *err, size_t errlen)
{
	char path[256];

	if (!device_arg(device, "path", path, sizeof(path)))
		return port_fail(err, errlen, "expected path=PATH, the vhost-user backend's socket");
	if (starts_with(path, "/dev/"))
		return !access(path, R_OK | W_OK) ||
		       port_fail(err, errlen, "path=%s: %s: modprobe vhost-net", path, strerror(errno));
	return arg_is(device, "server", "1") || can_connect("path", path, err, errlen);
}

static bool preflight_af_packet(const char *device, char *err, size_t errlen)
{
	char iface[64];

	if (!device_arg(device, "iface", iface, sizeof(iface)))
		return port_fail(err, errlen, "expected iface=NAME, an interface of the kernel's");
	return if_nametoindex(iface) ||
	       port_fail(err, errlen, "iface=%s: there is no such interface: ip link shows which there are", iface);
}

static bool preflight_pcap(const char *device, char *err, size_t errlen)
{
	char path[256];

	if (!device_arg(device, "rx_pcap", path, sizeof(path)) || !access(path, R_OK))
		return true;
	return port_fail(err, errlen, "rx_pcap=%s: %s", path, strerror(errno));
}

/* A name that is neither a virtual device's nor a bus address may be the kernel's. */
static bool preflight_name(const char *device, char *err, size_t errlen)
{
	if (strpbrk(device, ":,=") || strlen(device) >= IFNAMSIZ || !if_nametoindex(device))
		return true;
	return port_fail(err, errlen,
			 "%s is an interface of the kernel's: net_af_packet0,iface=%s shares it; to have the NIC alone, "
			 "bind it to vfio-pci and give its PCI address",
			 device, device);
}

bool port_preflight(const char *device, char *err, size_t errlen)
{
	static const struct {
		const char *driver;
		bool (*check)(const char *device, char *err, size_t errlen);
	} known[] = {
		{"net_tap", preflight_tap},
		{"net_memif", preflight_memif},
		{"net_vhost", preflight_vhost},
		{"eth_vhost", preflight_vhost},
		{"net_virtio_user", preflight_virtio_user},
		{"virtio_user", preflight_virtio_user},
		{"net_af_packet", preflight_af_packet},
		{"eth_af_packet", preflight_af_packet},
		{"net_pcap", preflight_pcap},
		{"eth_pcap", preflight_pcap},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (starts_with(device, known[i].driver))
			return known[i].check(device, err, errlen);
	return preflight_name(device, err, errlen);
}

const char *port_config_wrong(const struct port_config *cfg, char *err, size_t errlen)
{
	const char *pair = cfg->ring_pair, *device = cfg->device;
	const size_t len = pair ? strlen(pair) : 0;

	if (cfg->mtu && cfg->mtu < 576) {
		snprintf(err, errlen, "IPv4 hosts take 576 at least: expected 0, or a number from 576 to 9600");
		return "mtu";
	}
	if (pair && (!len || len > PAIR_NAME_MAX)) {
		snprintf(err, errlen, "expected a name of at most %d characters", PAIR_NAME_MAX);
		return "ring-pair";
	}
	if (pair && device &&
	    (strncmp(device, pair, len) || (strcmp(device + len, "a") && strcmp(device + len, "b")))) {
		snprintf(err, errlen, "with ring-pair = %s it is %sa or %sb", pair, pair, pair);
		return "device";
	}
	return NULL;
}
