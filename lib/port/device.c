/*
 * Devices by name: finding one that EAL has, creating a virtual one, a pair of ring ports connected
 * to each other, and undoing that.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include <rte_alarm.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ring.h>

#include "port/poller.h"
#include "room.h"

bool port_fail(char *err, size_t errlen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return false;
}

/* The rings of one direction of a pair are called NAME_FROM_QUEUE, FROM being the sender's letter.
 */
static void ring_name(char *buf, size_t len, const char *pair, char from, uint8_t q)
{
	snprintf(buf, len, "%.*s_%c_%u", PAIR_NAME_MAX, pair, from, q);
}

static void ring_port_name(char *buf, size_t len, const char *pair, char end)
{
	snprintf(buf, len, "net_ring_%.*s%c", PAIR_NAME_MAX, pair, end);
}

/* Free a direction's rings and the packets in them. */
static void rings_free(const char *pair, char from)
{
	for (unsigned int q = 0; q < PORT_QUEUES_MAX; q++) {
		char name[RTE_RING_NAMESIZE];
		struct rte_mbuf *m;
		struct rte_ring *r;

		ring_name(name, sizeof(name), pair, from, q);
		r = rte_ring_lookup(name);
		if (!r)
			break;
		while (rte_ring_dequeue(r, (void **)&m) == 0)
			rte_pktmbuf_free(m);
		rte_ring_free(r);
	}
}

static bool rings_create(const char *pair, char from, unsigned int queues, uint32_t desc,
			 struct rte_ring **out)
{
	for (unsigned int q = 0; q < queues; q++) {
		char name[RTE_RING_NAMESIZE];

		ring_name(name, sizeof(name), pair, from, q);
		out[q] = rte_ring_create(name, desc, SOCKET_ID_ANY,
					 RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
		if (!out[q])
			return false;
	}
	return true;
}

static bool ring_pair_create(const struct port_config *cfg, unsigned int queues, char *err,
			     size_t errlen)
{
	struct rte_ring *a[PORT_QUEUES_MAX], *b[PORT_QUEUES_MAX];
	char name[RTE_ETH_NAME_MAX_LEN];
	uint16_t id;

	if (rings_create(cfg->ring_pair, 'a', queues, cfg->rx_desc, a) &&
	    rings_create(cfg->ring_pair, 'b', queues, cfg->rx_desc, b)) {
		snprintf(name, sizeof(name), "%.*sa", PAIR_NAME_MAX, cfg->ring_pair);
		if (rte_eth_from_rings(name, b, queues, a, queues, SOCKET_ID_ANY) >= 0) {
			snprintf(name, sizeof(name), "%.*sb", PAIR_NAME_MAX, cfg->ring_pair);
			if (rte_eth_from_rings(name, a, queues, b, queues, SOCKET_ID_ANY) >= 0)
				return true;
			ring_port_name(name, sizeof(name), cfg->ring_pair, 'a');
			if (rte_eth_dev_get_port_by_name(name, &id) == 0)
				rte_eth_dev_close(id);
			rte_eal_hotplug_remove("vdev", name);
		}
	}
	rings_free(cfg->ring_pair, 'a');
	rings_free(cfg->ring_pair, 'b');
	return port_fail(err, errlen, "ring-pair = %s: cannot create rings and ports (%s)",
			 cfg->ring_pair, rte_strerror(rte_errno));
}

static bool ring_pair_get(const struct port_config *cfg, unsigned int queues, struct port *p,
			  char *err, size_t errlen)
{
	const char *pair = cfg->ring_pair;
	const char end = cfg->device ? cfg->device[strlen(cfg->device) - 1] : 'a';

	ring_port_name(p->name, sizeof(p->name), pair, end);
	snprintf(p->ring_pair, sizeof(p->ring_pair), "%s", pair);
	if (rte_eth_dev_get_port_by_name(p->name, &p->id) == 0)
		return true;
	if (!ring_pair_create(cfg, queues, err, errlen))
		return false;
	return rte_eth_dev_get_port_by_name(p->name, &p->id) == 0 ||
	       port_fail(err, errlen, "ring-pair = %s: the port did not appear", pair);
}

static bool is_vdev(const char *name)
{
	return starts_with(name, "net_") || starts_with(name, "eth_") ||
	       starts_with(name, "virtio_user");
}

static bool device_by_id(const char *device, struct port *p, char *err, size_t errlen)
{
	const unsigned long id = strtoul(device, NULL, 10);

	if (id >= RTE_MAX_ETHPORTS || !rte_eth_dev_is_valid_port(id))
		return port_fail(err, errlen,
				 "device = %s: there are %u ports; give EAL the device "
				 "(-a, --vdev)",
				 device, rte_eth_dev_count_total());
	p->id = id;
	return rte_eth_dev_get_name_by_port(p->id, p->name) == 0 ||
	       port_fail(err, errlen, "device = %s: has no name", device);
}

static bool device_create(const char *device, struct port *p, char *err, size_t errlen)
{
	const char *comma = strchr(device, ',');
	int rc;

	if (!port_preflight(device, err, errlen))
		return false;
	device_clear(device);
	if (is_vdev(p->name))
		rc = rte_eal_hotplug_add("vdev", p->name, comma ? comma + 1 : "");
	else
		rc = rte_dev_probe(device);
	if (rc)
		return port_fail(err, errlen,
				 "device = %s: no such device, or its driver refused it: see the "
				 "messages above",
				 device);
	p->created = true;
	return rte_eth_dev_get_port_by_name(p->name, &p->id) == 0 ||
	       port_fail(err, errlen,
			 "device = %s: it is there, but not as an Ethernet port; is it "
			 "bound to vfio-pci?",
			 device);
}

static bool device_find(const struct port_config *cfg, unsigned int queues, struct port *p,
			char *err, size_t errlen)
{
	const char *d = cfg->device;

	if (cfg->ring_pair)
		return ring_pair_get(cfg, queues, p, err, errlen);
	if (!d)
		return port_fail(err, errlen, "neither device nor ring-pair is given");
	if (d[strspn(d, "0123456789")] == '\0')
		return device_by_id(d, p, err, errlen);
	snprintf(p->name, sizeof(p->name), "%.*s", (int)strcspn(d, ","), d);
	if (rte_eth_dev_get_port_by_name(p->name, &p->id))
		return device_create(d, p, err, errlen);
	if (strchr(d, ','))
		return port_fail(err, errlen,
				 "device = %s: %s exists, so the arguments would have no "
				 "effect: give the name alone",
				 d, p->name);
	return true;
}

bool device_get(const struct port_config *cfg, unsigned int queues, struct port *p, char *err,
		size_t errlen)
{
	struct rte_eth_dev_owner owner = {.name = "pier"};

	if (!device_find(cfg, queues, p, err, errlen)) {
		if (p->created)
			rte_eal_hotplug_remove("vdev", p->name);
		return false;
	}
	if (rte_eth_dev_owner_new(&owner.id) || rte_eth_dev_owner_set(p->id, &owner))
		return port_fail(err, errlen,
				 "%s is in use already, by another section or another "
				 "device",
				 p->name);
	return true;
}

/*
 * A pair's rings go with its second end: until then the other end may still hold packets. An end
 * that nobody opened goes with this one.
 */
static void ring_pair_put(struct port *p)
{
	const char end = p->name[strlen(p->name) - 1];
	char other[RTE_ETH_NAME_MAX_LEN];
	struct rte_eth_dev_owner owner;
	uint16_t id;

	rte_eal_hotplug_remove("vdev", p->name);
	ring_port_name(other, sizeof(other), p->ring_pair, end == 'a' ? 'b' : 'a');
	if (rte_eth_dev_get_port_by_name(other, &id) == 0) {
		if (rte_eth_dev_owner_get(id, &owner) || owner.id != RTE_ETH_DEV_NO_OWNER)
			return;
		rte_eth_dev_close(id);
		rte_eal_hotplug_remove("vdev", other);
	}
	rings_free(p->ring_pair, 'a');
	rings_free(p->ring_pair, 'b');
}

struct closing {
	uint16_t id;
	sem_t done;
};

static void stop_and_close(void *arg)
{
	struct closing *c = arg;

	rte_eth_dev_stop(c->id);
	rte_eth_dev_close(c->id);
	sem_post(&c->done);
}

/*
 * net_memif gives a link's memory back in the interrupt thread when the other end leaves, and when it is stopped:
 * at the same time it would do so twice. One thread does one after the other.
 */
static void device_close(const struct port *p)
{
	struct closing c = {.id = p->id};

	sem_init(&c.done, 0, 0);
	port_poller_end(); /* that thread waits for those who poll */
	if (strcmp(p->driver, "net_memif") || rte_eal_alarm_set(1, stop_and_close, &c))
		stop_and_close(&c);
	while (sem_wait(&c.done)) /* a signal */
		;
	sem_destroy(&c.done);
}

void device_put(struct port *p)
{
	device_close(p);
	if (p->ring_pair[0])
		ring_pair_put(p);
	else if (p->created && is_vdev(p->name))
		rte_eal_hotplug_remove("vdev", p->name);
}
