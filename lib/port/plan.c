/*
 * The capability plan: from what a device claims and what its driver is known to do, to what it
 * will be asked to do. A claim is not believed where the driver is known to fulfil it badly; each
 * such decision is a note, and port_plan_print says it in words.
 *
 * port_plan is pure.
 */
#include <string.h>
#include <rte_version.h>

#include "room.h"

#define RX_CSUM                                                                                    \
	(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM |                            \
	 RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define TX_CSUM (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
#define TSO_MBUFS	64 /* in a packet, at most: 64 KB copied are 33 */
#define TSO_MBUFS_LEAST 4  /* below it a packet would have two segments */
#define RSS_KEY_MIN 40 /* what the addresses and ports of IPv6 take */
/*
 * Since 23.03 a chain takes a descriptor each; its mark, that another follows, stays in the ring for the packets that
 * come there later, and the receiver reads on into old ones. Up to 22.11 a frame fits into one. Seen with 25.07.
 */
#define MEMIF_CHAINS_SPOIL (RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0))
#define RSS_TCP (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)

/* What is known of drivers beyond what they say of themselves. */
static const struct driver {
	const char *name;
	enum pkt_tx_mode tx_mode;
	bool csum_emulated; /* offloads are loops in the driver */
	bool csum_unmarked; /* received packets may carry an unfinished checksum without a flag */
	bool shared_mac;    /* its MAC address is that of the kernel's end */
	bool mtu_fixed;
	bool peer_queues; /* only as many as the peer has, and it does not say how many */
	bool chains_spoil; /* what it says of chained packets does not hold */
	bool pinned; /* a flow comes on the queue that its packets are sent from */
} drivers[] = {
	{"net_tap", PKT_TX_COPIES, .csum_emulated = true, .shared_mac = true, .pinned = true},
	{"net_memif", PKT_TX_COPIES, .mtu_fixed = true, .peer_queues = true,
	 .chains_spoil = MEMIF_CHAINS_SPOIL},
	{"net_af_packet", PKT_TX_COPIES, .csum_unmarked = true},
	{"net_pcap", PKT_TX_COPIES},
	{"net_vhost", PKT_TX_COPIES},
	{"net_null", PKT_TX_COPIES},
	{"net_ring", PKT_TX_GIVES_AWAY, .mtu_fixed = true},
	/* net_af_xdp, net_virtio_user and all NICs: the default. */
	{NULL, PKT_TX_HOLDS},
};

static const struct driver *driver_find(const char *name)
{
	const struct driver *d = drivers;

	while (d->name && strcmp(d->name, name))
		d++;
	return d;
}

enum pkt_tx_mode port_tx_mode(const char *driver)
{
	return driver_find(driver)->tx_mode;
}

static void note(struct port_plan *p, enum port_note n)
{
	p->notes |= 1u << n;
}

static void plan_offloads(const struct rte_eth_dev_info *info, const struct driver *d,
			  const struct port_config *cfg, struct port_plan *p)
{
	uint64_t rx = info->rx_offload_capa & RX_CSUM;
	uint64_t tx = info->tx_offload_capa & TX_CSUM;

	if ((rx || tx) && (d->csum_emulated || cfg->checksum == PORT_OFFLOAD_OFF)) {
		note(p, d->csum_emulated ? PORT_NOTE_CSUM_EMULATED : PORT_NOTE_CSUM_CONFIG);
		rx = tx = 0;
	}
	if (d->csum_unmarked)
		note(p, PORT_NOTE_CSUM_UNMARKED);
	p->rx_csum = rx & RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	p->tx_ip_csum = tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
	p->tx_tcp_csum = tx & RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	p->multi_seg = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS && !d->chains_spoil;
	if (d->chains_spoil)
		note(p, PORT_NOTE_CHAINS_SPOIL);
	/* Never MBUF_FAST_FREE: queues keep references to what is sent. */
	p->rx_offloads = rx;
	p->tx_offloads = tx | (p->multi_seg ? RTE_ETH_TX_OFFLOAD_MULTI_SEGS : 0);
}

/*
 * Half of what the device takes in a packet: where references have run out, payload is copied, into twice as many
 * mbufs at most. And no more than a part of the ring, lest it be waited for until all of it is free.
 */
static uint16_t chain_most(const struct rte_eth_desc_lim *lim, uint16_t desc)
{
	const uint32_t device = lim->nb_seg_max ? lim->nb_seg_max / 2u : TSO_MBUFS;
	const uint32_t most = min_of(device, desc / 4u);

	return (uint16_t)min_of(most, (uint32_t)TSO_MBUFS);
}

/* After the offloads and the descriptors. */
static void plan_tso(const struct rte_eth_dev_info *info, const struct port_config *cfg,
		     struct port_plan *p)
{
	const uint16_t mbufs = chain_most(&info->tx_desc_lim, p->tx_desc);

	if (!(info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO) || cfg->tso == PORT_OFFLOAD_OFF)
		return;
	if (!p->tx_tcp_csum || !p->multi_seg || mbufs < TSO_MBUFS_LEAST) {
		note(p, PORT_NOTE_TSO_UNUSED);
		return;
	}
	p->tso_mbufs = mbufs;
	p->tx_offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
}

static uint16_t plan_desc(uint32_t want, const struct rte_eth_desc_lim *lim, struct port_plan *p)
{
	uint32_t n = want;

	if (lim->nb_align > 1)
		n = (n + lim->nb_align - 1) / lim->nb_align * lim->nb_align;
	if (lim->nb_max && n > lim->nb_max)
		n = lim->nb_max;
	if (n < lim->nb_min)
		n = lim->nb_min;
	if (n != want)
		note(p, PORT_NOTE_DESC_CUT);
	return n;
}

static void plan_queues(const struct rte_eth_dev_info *info, const struct driver *d,
			const struct port_config *cfg, unsigned int workers, struct port_plan *p)
{
	const uint32_t want = cfg->queues ? cfg->queues : d->peer_queues ? 1 : workers;
	uint32_t n = min_of(want, (uint32_t)PORT_QUEUES_MAX);

	n = min_of(n, (uint32_t)info->max_rx_queues);
	n = min_of(n, (uint32_t)info->max_tx_queues);
	if (n < want)
		note(p, PORT_NOTE_QUEUES_CUT);
	if (d->peer_queues && !cfg->queues && workers > 1)
		note(p, PORT_NOTE_QUEUES_PEER);
	p->queues = n;
	if (n < 2 || !(info->flow_type_rss_offloads & RSS_TCP))
		return;
	/* An indirection table says how many entries it has: without it, flows land anywhere. */
	if (info->reta_size == 0)
		note(p, PORT_NOTE_RSS_UNBELIEVED);
	else
		p->rss_hf = info->flow_type_rss_offloads & RSS_TCP;
}

static bool can_rss(const struct rte_eth_dev_info *info, unsigned int workers, struct port_plan *p)
{
	if (!p->rss_hf)
		return false;
	if (p->queues < workers)
		note(p, PORT_NOTE_RSS_FEW);
	else if (info->hash_key_size < RSS_KEY_MIN || info->reta_size > PORT_RETA_MAX ||
		 info->reta_size & (info->reta_size - 1))
		note(p, PORT_NOTE_RSS_UNKNOWN);
	else
		return true;
	return false;
}

static bool can_arrival(const struct driver *d, const struct port_config *cfg,
			unsigned int workers, struct port_plan *p)
{
	if (!d->pinned)
		return false;
	if (p->queues < workers)
		note(p, PORT_NOTE_PINNED_FEW);
	else if (cfg->opens)
		note(p, PORT_NOTE_PINNED_OPENS);
	else
		return true;
	return false;
}

/* The way that costs least among those that are sure. */
static void plan_steering(const struct rte_eth_dev_info *info, const struct driver *d,
			  const struct port_config *cfg, unsigned int workers, struct port_plan *p)
{
	bool rss, arrival;

	p->steering = PORT_STEER_NONE;
	if (workers < 2)
		return;
	rss = can_rss(info, workers, p);
	arrival = can_arrival(d, cfg, workers, p);
	p->steering = rss ? PORT_STEER_RSS : arrival ? PORT_STEER_ARRIVAL : PORT_STEER_SOFTWARE;
	if (cfg->steering != PORT_STEER_AUTO) {
		note(p, PORT_NOTE_STEER_CONFIG);
		if ((cfg->steering == PORT_STEER_RSS && !rss) ||
		    (cfg->steering == PORT_STEER_ARRIVAL && !arrival))
			note(p, PORT_NOTE_STEER_REFUSED);
		else
			p->steering = cfg->steering;
	}
	if (p->steering == PORT_STEER_ARRIVAL)
		note(p, PORT_NOTE_PINNED);
}

/*
 * The largest MTU; UINT16_MAX: any. A device that names none may name the longest frame that it receives, as net_tap
 * does: rte_eth_dev_configure refuses an MTU with longer ones.
 */
static uint32_t mtu_most(const struct rte_eth_dev_info *info)
{
	const uint32_t head = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
	const uint32_t most = info->max_mtu ? info->max_mtu : UINT16_MAX;

	if (most != UINT16_MAX || info->max_rx_pktlen <= head)
		return most;
	return min_of(most, info->max_rx_pktlen - head);
}

bool port_plan(const struct rte_eth_dev_info *info, const char *driver,
	       const struct port_config *cfg, unsigned int workers, struct port_plan *out,
	       char *err, size_t errlen)
{
	const struct driver *d = driver_find(driver);

	memset(out, 0, sizeof(*out));
	out->tx_mode = d->tx_mode;
	if (info->max_rx_queues == 0 || info->max_tx_queues == 0)
		return port_fail(err, errlen, "%s has no queues in both directions", driver);
	if (cfg->mtu && cfg->mtu < 576)
		return port_fail(err, errlen, "mtu %u: IPv4 hosts take 576 at least", cfg->mtu);
	if (cfg->mtu > mtu_most(info))
		return port_fail(err, errlen, "mtu %u: %s takes %u at most", cfg->mtu, driver,
				 mtu_most(info));
	out->mtu = cfg->mtu;
	plan_offloads(info, d, cfg, out);
	plan_queues(info, d, cfg, workers, out);
	plan_steering(info, d, cfg, workers, out);
	out->rx_desc = plan_desc(cfg->rx_desc, &info->rx_desc_lim, out);
	out->tx_desc = plan_desc(cfg->tx_desc, &info->tx_desc_lim, out);
	plan_tso(info, cfg, out);
	if (d->shared_mac)
		note(out, PORT_NOTE_MAC_SHARED);
	if (d->mtu_fixed && cfg->mtu)
		note(out, PORT_NOTE_MTU_FIXED);
	return true;
}

static const char *const note_text[PORT_NOTES] = {
	[PORT_NOTE_CSUM_CONFIG] = "checksum offload is there and switched off",
	[PORT_NOTE_CSUM_EMULATED] = "the driver's offloads are software: not used",
	[PORT_NOTE_CSUM_UNMARKED] = "unfinished checksums are dropped: see rx_csum_partial",
	[PORT_NOTE_TSO_UNUSED] = "TSO is there, but not checksums and chained packets with it: not used",
	[PORT_NOTE_CHAINS_SPOIL] = "the driver spoils its ring by chained packets: not used",
	[PORT_NOTE_RSS_UNBELIEVED] = "claims RSS without an indirection table: not believed",
	[PORT_NOTE_RSS_UNKNOWN] = "its RSS key or table is of no known size: not relied on",
	[PORT_NOTE_RSS_FEW] = "RSS over fewer queues than workers: not relied on",
	[PORT_NOTE_STEER_CONFIG] = "steering as configured",
	[PORT_NOTE_STEER_REFUSED] = "the steering configured is not to be had here",
	[PORT_NOTE_PINNED] = "the driver keeps a flow on the queue that answers it, so that queue owns "
			     "it; what strays is looked for",
	[PORT_NOTE_PINNED_OPENS] = "the driver keeps flows on queues, but for an idle one that was "
				   "opened here not on ours",
	[PORT_NOTE_PINNED_FEW] = "the driver keeps flows on queues, which are fewer than workers",
	[PORT_NOTE_QUEUES_PEER] = "one queue, since the peer has to have as many: queues says how many",
	[PORT_NOTE_QUEUES_CUT] = "fewer queues than asked for",
	[PORT_NOTE_DESC_CUT] = "descriptors adjusted to the device's limits",
	[PORT_NOTE_MAC_SHARED] = "the MAC address is not the device's, which the kernel's end has",
	[PORT_NOTE_MAC_MADE_UP] = "the device has no MAC address: made up",
	[PORT_NOTE_MTU_FIXED] = "the device does not set an MTU: the peer's buffers must hold it",
};

const char *port_steering_name(enum port_steering s)
{
	static const char *const steerings[] = {
		[PORT_STEER_RSS] = "by RSS, checked against what arrives",
		[PORT_STEER_ARRIVAL] = "by the queue of arrival",
		[PORT_STEER_SOFTWARE] = "in software",
		[PORT_STEER_NONE] = "not needed",
	};

	return steerings[s];
}

void port_plan_print(const struct port *p, FILE *f)
{
	static const char *const modes[] = {[PKT_TX_COPIES] = "copies",
					    [PKT_TX_HOLDS] = "holds",
					    [PKT_TX_GIVES_AWAY] = "gives away"};
	const struct port_plan *pl = &p->plan;
	const uint8_t *m = p->cap.mac;

	fprintf(f, "port %u %s (%s): mac %02x:%02x:%02x:%02x:%02x:%02x, mtu %u, ", p->id, p->name,
		p->driver, m[0], m[1], m[2], m[3], m[4], m[5], p->cap.mtu);
	fprintf(f, "%u queue%s, steering %s, checksums rx %s tx ip %s tcp %s, %s%s, tx %s buffers%s",
		pl->queues, pl->queues == 1 ? "" : "s",
		port_steering_name(pl->steering),
		pl->rx_csum ? "port" : "software", pl->tx_ip_csum ? "port" : "software",
		pl->tx_tcp_csum ? "port" : "software",
		pl->multi_seg ? "chained packets" : "linear packets",
		pl->tso_mbufs ? ", segmentation by the port" : "", modes[pl->tx_mode],
		p->rx_intr ? ", can sleep on its queues" : "");
	for (int i = 0; i < PORT_NOTES; i++)
		if (pl->notes & 1u << i)
			fprintf(f, "; %s", note_text[i]);
	fputc('\n', f);
}
