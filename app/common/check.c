/*
 * What can be known to be wrong before EAL is started, each with its fix.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "server.h"

/* EAL's own needs beside the pools: rings, ports, the worker. */
#define EAL_OVERHEAD (16 * MIB)

bool server_refuse(const struct server *s, FILE *err, const char *section, const char *key, const char *fmt,
		   ...)
{
	const struct config_section *at = config_find(&s->config->text, section, NULL);
	struct config_errors place = {0};
	va_list ap;

	if (at)
		config_error(&place, at, key, "%s", "");
	else
		snprintf(place.text[0], CONFIG_ERROR_LEN, "[%s]: %s: ", section, key);
	va_start(ap, fmt);
	fputs(place.text[0], err);
	vfprintf(err, fmt, ap);
	fputc('\n', err);
	va_end(ap);
	return false;
}

/* A PCI device has to be there and bound to a driver that lets DPDK have it. */
static bool check_pci(const char *device, char *err, size_t errlen)
{
	static const char *const usable[] = {"vfio-pci", "uio_pci_generic", "igb_uio",
					     "mlx4_core", "mlx5_core", "mana"};
	char path[160], link[256], full[32];
	const char *driver;
	ssize_t n;

	snprintf(full, sizeof(full), "%s%s", strlen(device) < 12 ? "0000:" : "", device);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", full);
	if (access(path, F_OK)) {
		snprintf(err, errlen, "%s: no such PCI device: see dpdk-devbind.py --status",
			 device);
		return false;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", full);
	n = readlink(path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = '\0';
	driver = strrchr(link, '/') ? strrchr(link, '/') + 1 : "no driver";
	for (size_t i = 0; i < ARRAY_SIZE(usable); i++)
		if (!strcmp(driver, usable[i]))
			return true;
	snprintf(err, errlen, "%s is bound to %s: dpdk-devbind.py -b vfio-pci %s", device, driver,
		 device);
	return false;
}

static bool is_pci(const char *device)
{
	return strspn(device, "0123456789abcdefABCDEF") == 4
		       ? device[4] == ':'
		       : strlen(device) == 7 && device[2] == ':' && device[5] == '.';
}

static bool check_port(const struct server *s, const struct pier_port *p, FILE *err)
{
	const char *device = p->device.device, *extra = s->config->eal.extra;
	char why[512];

	if (!device || p->device.ring_pair)
		return true;
	/* A name alone may be that of a device that EAL is told to make. */
	if (!strchr(device, ',') && (!s->eal->made || (extra && strstr(extra, device))))
		return true;
	if (is_pci(device) ? check_pci(device, why, sizeof(why))
			   : port_preflight(device, why, sizeof(why)))
		return true;
	fprintf(err, "[port %u]: device: %s\n", p->number, why);
	return false;
}

static bool read_u64(const char *path, uint64_t *value)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fscanf(f, "%" SCNu64, value) == 1;

	if (f)
		fclose(f);
	return ok;
}

static unsigned long long mib(uint64_t bytes)
{
	return (bytes + MIB - 1) / MIB;
}

/* huge = yes: enough pages of 2 MB or 1 GB have to be free, on each node that has workers. */
static bool check_huge(const struct server *s, FILE *err)
{
	const struct contract_memory *all = &s->supply.all;
	const uint64_t memory = s->config->eal.memory, free_bytes = all->huge + all->giant;
	uint64_t total = 0;
	unsigned int node;

	if (s->config->eal.huge != PIER_HUGE_YES || !s->eal->made)
		return true;
	read_u64("/proc/sys/vm/nr_hugepages", &total);
	if (free_bytes < memory) {
		fprintf(err,
			"[eal]: huge: %llu MiB of huge pages are free, memory is %llu MiB: "
			"sysctl vm.nr_hugepages=%llu, or huge = auto\n",
			mib(free_bytes), mib(memory), mib(memory - free_bytes) / 2 + total + 1);
		return false;
	}
	if (contract_huge_fits(&s->supply, &s->place, &s->plan.eal, &node))
		return true;
	return server_refuse(
		s, err, "eal", "huge",
		"%llu MiB of huge pages are free on node %u, memory asks for %llu MiB for each worker: more pages in "
		"/sys/devices/system/node/node%u/hugepages, or huge = auto",
		mib(s->supply.node[node].huge + s->supply.node[node].giant), node, mib(s->plan.eal.each), node);
}

/* What EAL was given on the command line is its own business: it says so itself if it is short. */
static bool check_eal_memory(const struct server *s, FILE *err)
{
	const uint64_t need = s->plan.eal_bytes + EAL_OVERHEAD, memory = s->config->eal.memory;

	if (!s->eal->made || need <= memory)
		return true;
	return server_refuse(s, err, "eal", "memory",
			     "%llu MiB are too few for %u mbufs for each of %u workers: memory = %llum, or a "
			     "smaller mbufs in [server]",
			     mib(memory), s->plan.pools.n_data, s->plan.workers, mib(need));
}

/* max-connections = 0 and no room for one beside what else was asked for. */
static bool starved(const struct server *s, FILE *err)
{
	const struct server_plan *plan = &s->plan;
	struct engine_contract need;

	engine_size(&plan->engine, &need);
	return server_refuse(
		s, err, "server", "connection-memory",
		"%llu MiB%s leave room for no connection: %u worker%s with the other limits need %llu MiB with one "
		"each: connection-memory = %llum or more, or a smaller memory, max-time-wait or max-half-open",
		mib(plan->share * plan->workers), s->config->server.connection_memory ? "" : " that are free",
		plan->workers, plan->workers == 1 ? "" : "s", mib(need.total * plan->workers),
		mib(need.total * plan->workers));
}

bool server_check_contract(const struct server *s, FILE *err)
{
	const uint64_t available = s->supply.all.pages ? s->supply.all.pages + s->supply.all.huge : 0;
	const struct server_plan *plan = &s->plan;
	char why[640];

	if (plan->starved)
		return starved(s, err);
	if (s->eal->made && !s->eal->huge && available && s->config->eal.memory > available)
		return server_refuse(s, err, "eal", "memory",
				     "%llu MiB are asked for, %llu MiB are available: memory = %llum is enough",
				     mib(s->config->eal.memory), mib(available), mib(plan->eal_bytes + EAL_OVERHEAD));
	if (contract_fits(&s->supply, &s->place, &plan->engine, &plan->eal, why, sizeof(why)))
		return true;
	return server_refuse(s, err, "server", "max-connections", "%s", why);
}

/* Where EAL has its own options the places are not known yet. */
static void print_contract(const struct server *s, FILE *out)
{
	struct engine_config engine = s->plan.engine;

	for (unsigned int w = 0; w < s->plan.workers; w++) {
		engine.worker = (uint16_t)w;
		contract_print(out, &engine, &s->plan.pools, s->place.worker[w].node);
	}
	if (!s->eal->made)
		return;
	contract_print_nodes(out, &s->supply, &s->place, &engine, &s->plan.eal);
	place_print(&s->place, out);
	place_warn(&s->machine, &s->place, out);
}

bool server_check(const struct server *s, FILE *out, FILE *err)
{
	const struct pier_config *c = s->config;
	bool ok = true;

	for (unsigned int i = 0; i < c->n_ports; i++)
		ok &= check_port(s, &c->ports[i], err);
	ok &= check_huge(s, err);
	ok &= check_eal_memory(s, err);
	ok &= server_check_contract(s, err);
	if (ok && out)
		print_contract(s, out);
	return ok;
}
