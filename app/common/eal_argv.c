/*
 * EAL's arguments from [eal].
 *
 * Huge pages are used if they are free and the configuration does not say no. Where hugetlbfs is
 * not mounted, or not for this user, EAL gets them by --in-memory, and then dpdk-dumpcap cannot attach.
 */
#include <mntent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "eal_argv.h"

static void add_text(struct pier_eal_argv *v, char *text)
{
	v->owned = reallocarray(v->owned, (size_t)v->argc + 1, sizeof(*v->owned));
	if (!text || !v->owned)
		abort();
	v->owned[v->argc++] = text;
}

static __attribute__((format(printf, 2, 3))) void add(struct pier_eal_argv *v, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	add_text(v, text);
}

/* Enough of them are free, on each node that has workers. */
static bool enough_huge(const struct eal_options *eal, const struct place_plan *place,
			const struct contract_supply *supply)
{
	const struct contract_eal all = {.each = eal->memory / place->n, .huge = true};
	unsigned int node;

	return supply->all.huge + supply->all.giant >= eal->memory &&
	       contract_huge_fits(supply, place, &all, &node);
}

/* Mounted, and this user may make files there: EAL takes whichever mount has its page size. */
static bool hugetlbfs_usable(void)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	bool found = false, usable = true;
	struct mntent *m;

	while (f && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "hugetlbfs"))
			continue;
		found = true;
		usable &= !access(m->mnt_dir, R_OK | W_OK | X_OK);
	}
	if (f)
		endmntent(f);
	return found && usable;
}

/* [domain:]bus:device.function */
static bool is_pci_address(const char *device)
{
	unsigned int domain, bus, dev, function;
	int end = -1;

	if (sscanf(device, "%4x:%2x:%2x.%1x%n", &domain, &bus, &dev, &function, &end) == 4 &&
	    end > 0 && !device[end])
		return true;
	end = -1;
	return sscanf(device, "%2x:%2x.%1x%n", &bus, &dev, &function, &end) == 3 && end > 0 &&
	       !device[end];
}

static void add_devices(struct pier_eal_argv *v, const struct pier_config *c)
{
	unsigned int pci = 0;

	for (unsigned int i = 0; i < c->n_ports; i++) {
		const char *device = c->ports[i].device.device;

		if (!device || !is_pci_address(device))
			continue;
		add(v, "-a");
		add(v, "%s", device);
		pci++;
	}
	if (!pci)
		add(v, "--no-pci");
}

/* Huge pages of each node in proportion to the workers whose memory it has. */
static void add_node_memory(struct pier_eal_argv *v, uint64_t mib, const struct place_plan *place)
{
	unsigned int on[PLACE_NODES_MAX] = {0}, nodes = 0, used = 0;
	char text[PLACE_NODES_MAX * 12] = "";
	size_t len = 0;

	for (unsigned int w = 0; w < place->n; w++) {
		const unsigned int node = (unsigned int)max_of(place->worker[w].node, 0);

		used += on[node]++ == 0;
		nodes = max_of(nodes, node + 1);
	}
	if (used < 2) {
		add(v, "-m");
		add(v, "%llu", (unsigned long long)mib);
		return;
	}
	for (unsigned int i = 0; i < nodes; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llu", i ? "," : "",
					(unsigned long long)(mib * on[i] / place->n));
	add(v, "--socket-mem=%s", text);
}

static void add_memory(struct pier_eal_argv *v, const struct eal_options *eal,
		       const struct place_plan *place, const struct contract_supply *supply)
{
	const uint64_t mib = (eal->memory + MIB - 1) / MIB;

	v->huge = eal->huge == PIER_HUGE_YES ||
		  (eal->huge == PIER_HUGE_AUTO && enough_huge(eal, place, supply));
	if (!v->huge)
		add(v, "--no-huge");
	else if (!hugetlbfs_usable())
		add(v, "--in-memory");
	if (v->huge) {
		add_node_memory(v, mib, place);
		return;
	}
	add(v, "-m");
	add(v, "%llu", (unsigned long long)mib);
}

/* The words of [eal] extra. */
static void add_extra(struct pier_eal_argv *v, const char *text)
{
	static const char blanks[] = " \t\n";

	for (text += strspn(text, blanks); *text; text += strspn(text, blanks)) {
		size_t len = strcspn(text, blanks);

		add(v, "%.*s", (int)len, text);
		text += len;
	}
}

static void add_cpus(struct pier_eal_argv *v, const struct place_plan *place)
{
	char text[WORKERS_MAX * 6] = "";
	size_t len = 0;

	for (unsigned int w = 0; w < place->n; w++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", w ? "," : "",
					place->worker[w].cpu);
	add(v, "-l");
	add(v, "%s", text);
}

static void make_from_config(struct pier_eal_argv *v, const struct pier_config *c,
			     const struct place_plan *place, const struct contract_supply *supply)
{
	const struct eal_options *eal = &c->eal;

	add_cpus(v, place);
	add_memory(v, eal, place, supply);
	if (eal->file_prefix)
		add(v, "--file-prefix=%s", eal->file_prefix);
	if (eal->log_level)
		add(v, "--log-level=%s", eal->log_level);
	add_devices(v, c);
	if (eal->extra)
		add_extra(v, eal->extra);
}

void pier_eal_argv_make(struct pier_eal_argv *out, int argc, char **argv,
			const struct pier_config *c, const struct place_plan *place,
			const struct contract_supply *supply)
{
	*out = (struct pier_eal_argv){.made = argc == 1};
	for (int i = 0; i < argc; i++)
		add(out, "%s", argv[i]);
	if (out->made)
		make_from_config(out, c, place, supply);
	out->argv = calloc((size_t)out->argc + 1, sizeof(*out->argv));
	if (!out->argv)
		abort();
	memcpy(out->argv, out->owned, (size_t)out->argc * sizeof(*out->argv));
}

void pier_eal_argv_free(struct pier_eal_argv *v)
{
	for (int i = 0; i < v->argc; i++)
		free(v->owned[i]);
	free(v->owned);
	free(v->argv);
	*v = (struct pier_eal_argv){0};
}
