/*
 * The options of a [port N] section.
 */
#include "port/port.h"

#define O(k, t, f, lo, hi, n, d, h)                                                                \
	{                                                                                          \
		k, OPTION_##t, offsetof(struct port_config, f), lo, hi, n, d, h                    \
	}

static const char *const offload[] = {"auto", "off", NULL};

static const char *const steering[] = {"auto", "rss", "arrival", "software", NULL};

static const struct option options[] = {
	O("device", STRING, device, 0, 0, NULL, NULL,
	  "DPDK port id, device name or PCI address; or a virtual device to be created, with its "
	  "arguments, such as net_tap0,iface=pier0"),
	O("ring-pair", STRING, ring_pair, 0, 0, NULL, NULL,
	  "NAME: create two ports in memory, NAMEa and NAMEb, connected to each other; device says "
	  "which of them this is, NAMEa if it says nothing"),
	O("mtu", U32, mtu, 0, 9600, NULL, "0", "MTU, 576 at least, with IPv6 1280; 0 leaves it as the device has it"),
	O("rx-desc", U32, rx_desc, 32, 32768, NULL, "1024", "receive descriptors a queue"),
	O("tx-desc", U32, tx_desc, 32, 32768, NULL, "1024", "transmit descriptors a queue"),
	O("queues", U32, queues, 0, PORT_QUEUES_MAX, NULL, "0",
	  "queues in each direction; 0 is one for each worker, but one alone for memif, whose peer has to "
	  "have as many"),
	O("steering", ENUM, steering, 0, 0, steering, "auto",
	  "how packets come to the worker that owns their flow: hashed by the port, owned by the "
	  "queue they arrive on, or computed here; auto takes what the port does reliably"),
	O("opens", BOOL, opens, 0, 0, NULL, "no",
	  "handlers open connections from here: the queue of arrival does not own them"),
	O("checksum-offload", ENUM, checksum, 0, 0, offload, "auto",
	  "let the port verify and fill in checksums where it has hardware for it"),
	O("tso", ENUM, tso, 0, 0, offload, "auto",
	  "let the port cut what is more than a segment, where it can and fills in checksums"),
	O("mac", STRING, mac, 0, 0, NULL, NULL,
	  "MAC address to answer to, instead of the port's own"),
};

const struct option_table port_option_table = {
	.section = "port",
	.help = "a network port",
	.options = options,
	.n = ARRAY_SIZE(options),
	.size = sizeof(struct port_config),
};
