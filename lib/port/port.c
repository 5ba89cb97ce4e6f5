/*
 * A port's life: find, plan, configure, start; link and sleep; close.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ether.h>

#include "base/siphash.h"
#include "room.h"

/* An address nobody else has, the same at each start: locally administered, from the name. */
static void mac_from_name(const char *name, uint8_t mac[6])
{
	static const struct sip_key key = {{0x70696572, 0x6d6163}};
	const uint64_t h = siphash13(&key, name, strlen(name));

	memcpy(mac, &h, 6);
	mac[0] = (mac[0] & 0xfc) | 0x02;
}

bool port_mac_parse(const char *text, uint8_t mac[6])
{
	struct rte_ether_addr addr;

	if (rte_ether_unformat_addr(text, &addr) || !rte_is_valid_assigned_ether_addr(&addr))
		return false;
	memcpy(mac, &addr, 6);
	return true;
}

/*
 * The address to answer to. net_tap reports, and gives to the kernel's end, one and the same
 * address, whether mac= is among its arguments or not; the two ends of a wire need one each, and a
 * TAP hands over every frame, so pier's is derived from the kernel's and the device never hears of
 * it. A ring has none at all.
 */
static bool choose_mac(struct port *p, const struct port_config *cfg, char *err, size_t errlen)
{
	struct rte_ether_addr mac;

	if (cfg->mac) {
		if (!port_mac_parse(cfg->mac, mac.addr_bytes))
			return port_fail(err, errlen,
					 "mac = %s: expected a unicast address such as "
					 "02:00:00:00:00:01",
					 cfg->mac);
		memcpy(p->cap.mac, &mac, 6);
		return p->plan.notes & 1u << PORT_NOTE_MAC_SHARED ||
		       rte_eth_dev_default_mac_addr_set(p->id, &mac) == 0 ||
		       rte_eth_promiscuous_enable(p->id) == 0 ||
		       port_fail(err, errlen,
				 "mac = %s: the device neither sets it nor listens to "
				 "all addresses",
				 cfg->mac);
	}
	if (rte_eth_macaddr_get(p->id, &mac) || rte_is_zero_ether_addr(&mac)) {
		mac_from_name(p->name, p->cap.mac);
		p->plan.notes |= 1u << PORT_NOTE_MAC_MADE_UP;
		return true;
	}
	memcpy(p->cap.mac, &mac, 6);
	if (p->plan.notes & 1u << PORT_NOTE_MAC_SHARED) {
		p->cap.mac[0] = (p->cap.mac[0] & 0xfc) | 0x02;
		p->cap.mac[5] ^= 0x01;
	}
	return true;
}

static bool configure(struct port *p, const struct rte_eth_dev_info *info, bool intr, char *err,
		      size_t errlen)
{
	const struct port_plan *pl = &p->plan;
	struct rte_eth_conf conf = {
		.rxmode.offloads = pl->rx_offloads,
		.txmode.offloads = pl->tx_offloads,
		.intr_conf.rxq = intr,
	};
	uint16_t mtu = 0;
	int rc;

	/* Where the port does not hash, the worker does, with a key of the same kind. */
	if (!port_key_draw(p->rss_key, sizeof(p->rss_key)))
		return port_fail(err, errlen, "%s: no random key for RSS", p->name);
	if (pl->rss_hf) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		if (!port_rss(info, pl->rss_hf, p->rss_key, &conf.rx_adv_conf.rss_conf))
			return port_fail(err, errlen, "%s: no random key for RSS", p->name);
		p->reta_size = info->reta_size;
	}
	/* Left at 0, configuring would set 1500 whatever the device has. */
	rte_eth_dev_get_mtu(p->id, &mtu);
	conf.rxmode.mtu = pl->mtu ? pl->mtu : mtu;
	rc = rte_eth_dev_configure(p->id, pl->queues, pl->queues, &conf);
	if (rc)
		return port_fail(err, errlen, "%s: cannot configure %u queues (%s)", p->name,
				 pl->queues, rte_strerror(-rc));
	if (pl->mtu) {
		rc = rte_eth_dev_set_mtu(p->id, pl->mtu);
		if (rc && rc != -ENOTSUP)
			return port_fail(err, errlen, "%s: cannot set mtu %u (%s)", p->name,
					 pl->mtu, rte_strerror(-rc));
	}
	return true;
}

/* A port's queues, and whose mbufs each receives into. */
struct queue_pools {
	const struct port_pools *const *of;
	unsigned int n;
};

static bool setup_queues(struct port *p, const struct rte_eth_dev_info *info,
			 const struct queue_pools *pools, char *err, size_t errlen)
{
	struct rte_eth_rxconf rx = info->default_rxconf;
	struct rte_eth_txconf tx = info->default_txconf;
	int rc = 0;

	rx.offloads = p->plan.rx_offloads;
	tx.offloads = p->plan.tx_offloads;
	for (uint16_t q = 0; q < p->plan.queues && rc == 0; q++)
		rc = rte_eth_rx_queue_setup(p->id, q, p->plan.rx_desc, p->node, &rx,
					    pools->of[q % pools->n]->data);
	for (uint16_t q = 0; q < p->plan.queues && rc == 0; q++)
		rc = rte_eth_tx_queue_setup(p->id, q, p->plan.tx_desc, p->node, &tx);
	return rc == 0 || port_fail(err, errlen,
				    "%s: cannot set up queues of %u and %u descriptors "
				    "(%s)",
				    p->name, p->plan.rx_desc, p->plan.tx_desc, rte_strerror(-rc));
}

static bool start(struct port *p, const struct rte_eth_dev_info *info, bool intr,
		  const struct queue_pools *pools, char *err, size_t errlen)
{
	int rc;

	if (!configure(p, info, intr, err, errlen) || !setup_queues(p, info, pools, err, errlen))
		return false;
	rc = rte_eth_dev_start(p->id);
	return rc == 0 ||
	       port_fail(err, errlen, "%s: cannot start (%s)", p->name, rte_strerror(-rc));
}

/* Interrupts are a wish: a device that does not start with them starts without. */
static bool start_either_way(struct port *p, const struct rte_eth_dev_info *info, bool want_intr,
			     const struct queue_pools *pools, char *err, size_t errlen)
{
	if (want_intr && start(p, info, true, pools, err, errlen)) {
		p->rx_intr = true;
		for (uint16_t q = 0; q < p->plan.queues; q++)
			p->rx_intr &= port_rx_fd(p, q) >= 0;
		return true;
	}
	return start(p, info, false, pools, err, errlen);
}

/* Without scattering into several mbufs, a frame has to fit into one. */
static bool check_room(struct port *p, const struct queue_pools *pools, char *err,
		       size_t errlen)
{
	const uint32_t frame = p->cap.mtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
	const uint32_t room = rte_pktmbuf_data_room_size(pools->of[0]->data) - RTE_PKTMBUF_HEADROOM;

	p->mtu_max = (uint16_t)min_of(room - RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN,
				      (uint32_t)UINT16_MAX);
	if (frame <= room)
		return true;
	return port_fail(err, errlen,
			 "%s: a frame of mtu %u does not fit into mbufs of %u bytes: set "
			 "mtu in its section",
			 p->name, p->cap.mtu, room);
}

static void fill_cap(struct port *p)
{
	const struct port_plan *pl = &p->plan;

	p->cap.id = p->id;
	p->cap.copy_below = PKT_COPY_BELOW;
	p->cap.tx_mode = pl->tx_mode;
	p->cap.flags = (pl->tx_ip_csum ? PKT_TX_IP_CSUM : 0) |
		       (pl->tx_tcp_csum ? PKT_TX_TCP_CSUM : 0) |
		       (pl->multi_seg ? PKT_TX_MULTI_SEG : 0) | (pl->tso_mbufs ? PKT_TX_TSO : 0);
	p->cap.tso_mbufs = pl->tso_mbufs;
	if (rte_eth_dev_get_mtu(p->id, &p->cap.mtu))
		p->cap.mtu = pl->mtu ? pl->mtu : RTE_ETHER_MTU;
}

static bool open_device(struct port *p, const struct port_config *cfg, unsigned int workers,
			bool want_intr, const struct queue_pools *pools, char *err, size_t errlen)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(p->id, &info);

	if (rc)
		return port_fail(err, errlen, "%s: says nothing of itself (%s)", p->name,
				 rte_strerror(-rc));
	snprintf(p->driver, sizeof(p->driver), "%s", info.driver_name ? info.driver_name : "?");
	p->node = rte_eth_dev_socket_id(p->id);
	if (!port_plan(&info, p->driver, cfg, workers, &p->plan, err, errlen) ||
	    !start_either_way(p, &info, want_intr, pools, err, errlen))
		return false;
	fill_cap(p);
	if (!choose_mac(p, cfg, err, errlen) || !check_room(p, pools, err, errlen))
		return false;
	port_link_poll(p);
	return true;
}

bool port_open_pools(const struct port_config *cfg, unsigned int workers, bool want_intr,
		     const struct port_pools *const *pools_of, unsigned int n_pools,
		     struct port *out, char *err, size_t errlen)
{
	const struct queue_pools pools = {pools_of, n_pools};
	char why[256];
	const char *wrong = port_config_wrong(cfg, why, sizeof(why));

	memset(out, 0, sizeof(*out));
	if (wrong)
		return port_fail(err, errlen, "%s: %s", wrong, why);
	if (!device_get(cfg, cfg->queues ? cfg->queues : workers, out, err, errlen))
		return false;
	if (open_device(out, cfg, workers, want_intr, &pools, err, errlen))
		return true;
	device_put(out);
	return false;
}

bool port_open(const struct port_config *cfg, unsigned int workers, bool want_intr,
	       const struct port_pools *pools, struct port *out, char *err, size_t errlen)
{
	return port_open_pools(cfg, workers, want_intr, &pools, 1, out, err, errlen);
}

void port_take_groups(const struct port *p)
{
	if (rte_eth_allmulticast_enable(p->id))
		rte_eth_promiscuous_enable(p->id);
}

void port_close(struct port *p)
{
	device_put(p);
}

void port_link_poll(struct port *p)
{
	struct rte_eth_link link;
	uint16_t mtu;
	bool up;

	/* The line is read by all workers: it is written when there is something new. */
	if (rte_eth_link_get_nowait(p->id, &link) == 0) {
		up = link.link_status == RTE_ETH_LINK_UP;
		if (up != port_link_up(p))
			__atomic_store_n(&p->up, up, __ATOMIC_RELAXED);
	}
	if (rte_eth_dev_get_mtu(p->id, &mtu) == 0) {
		mtu = min_of(mtu, p->mtu_max);
		if (mtu != port_mtu(p))
			__atomic_store_n(&p->cap.mtu, mtu, __ATOMIC_RELAXED);
	}
}

int port_rx_fd(const struct port *p, uint16_t queue)
{
	return p->rx_intr ? rte_eth_dev_rx_intr_ctl_q_get_fd(p->id, queue) : -1;
}

void port_rx_arm(const struct port *p, uint16_t queue, bool on)
{
	if (on)
		rte_eth_dev_rx_intr_enable(p->id, queue);
	else
		rte_eth_dev_rx_intr_disable(p->id, queue);
}

void port_block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (int s = SIGRTMIN; s <= SIGRTMAX; s++)
		sigaddset(&set, s);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}
