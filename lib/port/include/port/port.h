/*
 * Ports: ethdev devices found or created, asked what they can do, configured by a plan that says
 * what was decided and why, and given back.
 *
 * A port belongs to the control thread until port_open returned and again from port_close on. In
 * between a queue belongs to one worker, and only port_link_poll, by the owner of queue 0, changes
 * the struct. Errors come as a sentence in err that names the fix.
 */
#ifndef PIER_PORT_H
#define PIER_PORT_H

#include <stdio.h>

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "base/option.h"
#include "pkt/cap.h"

#define PORT_DATA_ROOM	2176 /* RTE_MBUF_DEFAULT_BUF_SIZE: headroom and a frame of MTU 1500 */
#define PORT_QUEUES_MAX 64
#define PORT_RETA_MAX	2048 /* entries of an indirection table, a power of two */

enum port_offload {
	PORT_OFFLOAD_AUTO, /* use what the device does in hardware */
	PORT_OFFLOAD_OFF,
};

/* How the packets of a flow come to the worker that owns it. */
enum port_steering {
	PORT_STEER_AUTO,     /* in a configuration only: the port's best, of the others */
	PORT_STEER_RSS,      /* the port hashes them to the owner's queue */
	PORT_STEER_ARRIVAL,  /* the port keeps a flow on a queue, and whose queue that is owns it */
	PORT_STEER_SOFTWARE, /* the owner is computed here, and packets are handed over to it */
	PORT_STEER_NONE,     /* in a plan only: there is one worker */
};

/* Section [port N]. Strings are as option.h says: owned by the struct, NULL when not given. */
struct port_config {
	char *device; /* id, device name or PCI address; or a vdev with arguments, to be created */
	char *ring_pair; /* NAME: create the connected ring ports NAMEa and NAMEb, if not there */
	uint32_t mtu;	 /* 0: as the device has it */
	uint32_t rx_desc, tx_desc;
	uint32_t queues;   /* in each direction; 0: one a worker */
	uint32_t steering; /* enum port_steering, not NONE */
	bool opens;        /* connections are opened from here, not only accepted */
	uint32_t checksum; /* enum port_offload */
	uint32_t tso;	   /* enum port_offload */
	char *mac;	   /* NULL: the device's, or one made up where it has none of its own */
};

extern const struct option_table port_option_table; /* section "port" */

/* Why the plan is not what a reader might expect of the device; a bit each in port_plan.notes. */
enum port_note {
	PORT_NOTE_CSUM_CONFIG,	  /* checksum offload there, switched off by the configuration */
	PORT_NOTE_CSUM_EMULATED,  /* the driver would compute it in software, with errors */
	PORT_NOTE_CSUM_UNMARKED,  /* the kernel's unfinished checksums arrive unmarked */
	PORT_NOTE_TSO_UNUSED,	  /* TSO is there, but not what it takes */
	PORT_NOTE_CHAINS_SPOIL,	  /* chained packets there, and sent wrongly */
	PORT_NOTE_RSS_UNBELIEVED, /* claims RSS without an indirection table */
	PORT_NOTE_RSS_UNKNOWN,	  /* has RSS, but neither takes nor tells its key */
	PORT_NOTE_RSS_FEW,	  /* has RSS, but fewer queues than there are workers */
	PORT_NOTE_STEER_CONFIG,	  /* the configuration says so */
	PORT_NOTE_STEER_REFUSED,  /* the configuration asks for what the port does not have */
	PORT_NOTE_PINNED,	  /* the driver sends a flow to the queue that it was answered from */
	PORT_NOTE_PINNED_OPENS,	  /* it does, but connections are opened from here */
	PORT_NOTE_PINNED_FEW,	  /* it does, but has fewer queues than there are workers */
	PORT_NOTE_QUEUES_CUT,	  /* fewer queues than asked for */
	PORT_NOTE_QUEUES_PEER,	  /* one queue: what the peer has not would lead nowhere */
	PORT_NOTE_DESC_CUT,	  /* descriptors moved into the device's limits */
	PORT_NOTE_MAC_SHARED,	  /* the kernel end has the device address: pier has another */
	PORT_NOTE_MAC_MADE_UP,	  /* the device has no address */
	PORT_NOTE_MTU_FIXED,	  /* the device cannot set an MTU: the peer's limit counts */
	PORT_NOTES,
};

/* What the device will be asked to do. Pure data, made by port_plan from what it says of itself. */
struct port_plan {
	uint64_t rx_offloads, tx_offloads; /* RTE_ETH_RX_OFFLOAD_*, RTE_ETH_TX_OFFLOAD_* */
	uint64_t rss_hf;		   /* RTE_ETH_RSS_*, 0: no RSS */
	enum port_steering steering;
	uint16_t queues, rx_desc, tx_desc;
	uint16_t mtu; /* 0: as it is */
	bool rx_csum, tx_ip_csum, tx_tcp_csum, multi_seg;
	uint16_t tso_mbufs; /* in a packet that the port cuts into segments; 0: it does not */
	enum pkt_tx_mode tx_mode;
	uint32_t notes; /* 1 << enum port_note */
};

/*
 * Decide. driver is the driver's name ("net_tap"), workers how many there are, and the number of queues
 * wanted where cfg->queues is 0. Returns false with the reason in err if the configuration is impossible there.
 */
bool port_plan(const struct rte_eth_dev_info *info, const char *driver,
	       const struct port_config *cfg, unsigned int workers, struct port_plan *out,
	       char *err, size_t errlen);

#define PORT_RSS_KEY_MAX 255 /* what rte_eth_dev_info.hash_key_size can say */
#define PORT_RSS_KEY_MIN 16  /* octets that meet the addresses and ports of an IPv4 tuple */
#define PORT_RSS_KEY_MIN6 40 /* the same of IPv6 */

/*
 * Whether a key of len octets, PORT_RSS_KEY_MIN or more, spreads clients that count their ports up, of IPv4 and,
 * if it is long enough, of IPv6: n bits in a row of either port, whichever they are, make each value of the
 * hash's n - PORT_KEY_SPARE lowest, for up to six of these, and so 16 ports reach both of two workers, 512 all
 * of 64. Toeplitz is linear: with other keys a client's connections can all have one worker, or an active open
 * have no local port whose answers come home.
 */
#define PORT_KEY_SPARE 3
bool port_key_spreads(const uint8_t *key, size_t len);

/*
 * Random octets, again and again until they spread, or few enough that nobody can tell. False: the
 * system gave none, or what it gives is not random.
 */
bool port_key_draw(uint8_t *key, size_t len);

/*
 * Have the device hash packets of the kinds rss_hf with a new random key of the size it takes, so that
 * nobody outside can tell which queue a tuple goes to. A device that names no size keeps its own. key
 * must live until the device was configured. False: the system gave no random octets.
 */
bool port_rss(const struct rte_eth_dev_info *info, uint64_t rss_hf, uint8_t key[PORT_RSS_KEY_MAX],
	      struct rte_eth_rss_conf *conf);

/* What transmission by this driver does to a buffer; PKT_TX_HOLDS, the careful answer, if unknown.
 */
enum pkt_tx_mode port_tx_mode(const char *driver);

/* The mbufs of one NUMA node. */
struct port_pools {
	struct rte_mempool *data;     /* received packets and packets built here */
	struct rte_mempool *indirect; /* no data room: references to payload */
};

struct port_pools_config {
	const char *name;
	unsigned int n_data, n_indirect;
	uint32_t mtu; /* the largest in use; decides the data room */
	int socket;   /* or SOCKET_ID_ANY */
};

/* Create both pools, or neither. */
bool port_pools_create(const struct port_pools_config *cfg, struct port_pools *out, char *err,
		       size_t errlen);

/* Every mbuf must be back; returns how many were not, and frees the pools all the same. */
unsigned int port_pools_destroy(struct port_pools *p);

/* mbufs that are not in the pools now. */
unsigned int port_pools_in_use(const struct port_pools *p);

/* Bytes of memory that one mbuf of the data pool takes at this MTU, and one for references. */
uint32_t port_mbuf_bytes(uint32_t mtu);
uint32_t port_ref_bytes(void);

struct port {
	struct pkt_port cap; /* what the layers below see; cap.mac is the address pier answers to */
	uint16_t id;	     /* DPDK port id */
	int node;	     /* NUMA node, SOCKET_ID_ANY if the device has none */
	char name[RTE_ETH_NAME_MAX_LEN];
	char driver[32];
	char ring_pair[32]; /* "" unless an end of a ring pair */
	struct port_plan plan;
	bool created; /* by port_open: port_close removes it */
	bool rx_intr; /* a queue's descriptor to wait on is there, see port_rx_fd */
	uint8_t rss_key[PORT_RSS_KEY_MAX]; /* what packets are hashed with, by the port or here */
	uint16_t reta_size; /* entries of the port's indirection table, 0: it has none */
	uint16_t mtu_max; /* what an mbuf has room for */
	bool up;      /* as of the last port_link_poll */
};

/*
 * What is wrong with a section as it stands, on any machine: the key, with what was expected in err; NULL:
 * nothing.
 */
const char *port_config_wrong(const struct port_config *cfg, char *err, size_t errlen);

/*
 * What goes wrong with the device that `device` describes, quietly or with a message that names no fix: a TAP
 * interface that exists (a second process would join it and take half of its packets), a socket's folder,
 * an interface or a file that is not there, a socket on which somebody listens, or nobody. A socket that a dead
 * process left is none of these: it is removed when the device is created. For a device in EAL's --vdev call it
 * before rte_eal_init. True if nothing is wrong that can be known.
 */
bool port_preflight(const char *device, char *err, size_t errlen);

/* The unicast MAC address that text says, of [port N] mac; false: it says none. */
bool port_mac_parse(const char *text, uint8_t mac[6]);

/*
 * Find or create the device, decide, configure, set up queues 0..plan.queues-1 in both directions,
 * start. want_intr: try to have descriptors to sleep on. On failure nothing is left behind and err
 * says what was expected. pools must outlive the port.
 */
bool port_open(const struct port_config *cfg, unsigned int workers, bool want_intr,
	       const struct port_pools *pools, struct port *out, char *err, size_t errlen);

/*
 * The same, where workers' mbufs lie apart: queue q receives into pools_of[q % n_pools].
 */
bool port_open_pools(const struct port_config *cfg, unsigned int workers, bool want_intr,
		     const struct port_pools *const *pools_of, unsigned int n_pools,
		     struct port *out, char *err, size_t errlen);

/*
 * Program the indirection table of a port with PORT_STEER_RSS: entry i to queue[i], of reta_size
 * entries, and read it back. False, with the reason in err: the port does not do it, and its plan
 * says PORT_STEER_SOFTWARE from now on. Control thread, before workers run.
 */
bool port_reta_set(struct port *p, const uint16_t *queue, char *err, size_t errlen);

/*
 * Take frames to all multicast groups, as IPv6 asks for its neighbours by them: by all addresses if the device cannot tell
 * groups apart; one that does neither filters nothing. Control thread.
 */
void port_take_groups(const struct port *p);

/* Stop and close; what port_open created is removed. No worker may use the port any more, nor the caller poll. */
void port_close(struct port *p);

/* "in software", in a sentence about a port. Not AUTO. */
const char *port_steering_name(enum port_steering s);

/* One line: what was decided, and why. */
void port_plan_print(const struct port *p, FILE *f);

/* The link as last polled. Any thread. */
static inline bool port_link_up(const struct port *p)
{
	return __atomic_load_n(&p->up, __ATOMIC_RELAXED);
}

/* The MTU as last polled: never more than a received frame has room for. Any thread. */
static inline uint16_t port_mtu(const struct port *p)
{
	return pkt_port_mtu(&p->cap);
}

/*
 * Ask the device for its link and its MTU, which may take a system call: some times a second, by the
 * owner of queue 0.
 */
void port_link_poll(struct port *p);

/*
 * A descriptor that polls readable when queue has received something, or -1. Use it edge-triggered:
 * nobody reads it. Some devices signal only between port_rx_arm(p, queue, true) and (.., false);
 * poll the queue once more after arming it, before sleeping.
 */
int port_rx_fd(const struct port *p, uint16_t queue);
void port_rx_arm(const struct port *p, uint16_t queue, bool on);

/*
 * net_tap announces packets by a real-time signal. Call it first in each thread that is not a
 * worker (and before creating such threads), so that the signals interrupt workers only.
 */
void port_block_signals(void);

#endif
