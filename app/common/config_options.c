/*
 * The option tables of the server itself, and help and reference over everybody's.
 */
#include "base/compiler.h"
#include "base/units.h"
#include "config.h"
#include "ctl/help.h"
#include "pier/registry.h"
#include "tcp/chaos.h"

static const char *const idle_words[] = {"poll", "sleep", NULL};
static const char *const placement_words[] = {"auto", "list", NULL};
static const char *const huge_words[] = {"auto", "yes", "no", NULL};
static const char *const announce_words[] = {"no", "yes", "probe", NULL};
static const char *const neighbor_words[] = {"resolve", "reflect", NULL};

#define AT(field) offsetof(struct server_options, field)
static const struct option server_options[] = {
	{"idle", OPTION_ENUM, AT(idle), .names = idle_words, .def = "poll",
	 .help = "what a worker with nothing to do does; poll takes the whole core"},
	{"workers", OPTION_U32, AT(workers), 0, 64, .def = "0",
	 .help = "CPUs that serve, a worker each; 0 is one for each of [eal] lcores, or of EAL's own; "
		 "the limits below are for all of them together"},
	{"placement", OPTION_ENUM, AT(placement), .names = placement_words, .def = "auto",
	 .help = "which CPU each worker has: auto chooses by the NUMA nodes of CPUs and ports, one "
		 "hyperthread a core first; list takes [eal] lcores in their order"},
	{"drain", OPTION_DURATION, AT(drain), 0, 3600 * US_PER_SEC, .def = "5s",
	 .help = "when stopping, time for open connections to end before they are reset"},
	{"reset-time", OPTION_DURATION, AT(reset_time), 0, 3600 * US_PER_SEC, .def = "1m",
	 .help = "when connections are left after drain, time for their resets to leave, as fast as the ports take "
		 "them; three seconds in which no port takes any end it too; who was not told is counted"},
	{"stats-at-exit", OPTION_BOOL, AT(stats_at_exit), .def = "no",
	 .help = "print every counter that is not zero when the server ends"},
	{"max-connections", OPTION_U32, AT(max_connections), 0, CONNECTIONS_MAX, .def = "100000",
	 .help = "connections at a time; 0 is as many as fit into connection-memory"},
	{"connection-memory", OPTION_SIZE, AT(connection_memory), 0, UINT64_MAX, .def = "0",
	 .help = "with max-connections = 0: what records, tables, timers and memory may take together, of "
		 "all workers; 0 is nine tenths of what the machine has free"},
	{"max-half-open", OPTION_U32, AT(max_half_open), 1, 100000000, .def = "16384",
	 .help = "connections whose handshake is not complete, at a time"},
	{"max-time-wait", OPTION_U32, AT(max_time_wait), 1, CONNECTIONS_MAX, .def = "262144",
	 .help = "connections in TIME-WAIT at a time; the oldest makes room for a new one"},
	{"max-orphans", OPTION_U32, AT(max_orphans), 0, CONNECTIONS_MAX, .def = "16384",
	 .help = "closed connections whose last data the peer has not acknowledged, at a time; beyond it "
		 "the oldest is reset; 0: no limit"},
	{"max-next-hops", OPTION_U32, AT(max_next_hops), 1, 1000000, .def = "4096",
	 .help = "neighbours and paths known at a time; each worker knows them all"},
	{"memory", OPTION_SIZE, AT(memory), MIB, UINT64_MAX, .def = "64m",
	 .help = "for connections at work: queues, data out of order, sent and not acknowledged"},
	{"prefault", OPTION_BOOL, AT(prefault), .def = "no",
	 .help = "take all that memory, and that of connections, from the system at the start: that "
		 "takes a second or more for a gigabyte, and then no packet waits for a page"},
	{"reassembly-memory", OPTION_SIZE, AT(reassembly_memory), 64 * KIB, GIB, .def = "1m",
	 .help = "for fragments of datagrams"},
	{"mbufs", OPTION_U32, AT(mbufs), 0, 100000000, .def = "0",
	 .help = "packet buffers; 0 is as many as ports and workers need"},
	{"rst-rate", OPTION_U32, AT(rst_rate), 1, 100000000, .def = "1000",
	 .help = "RSTs a second to segments of no connection"},
	{"icmp-rate", OPTION_U32, AT(icmp_rate), 1, 100000000, .def = "100",
	 .help = "ICMP messages a second"},
};
#undef AT

const struct option_table server_option_table = {
	"server",
	"The server as a whole",
	server_options,
	ARRAY_SIZE(server_options),
	sizeof(struct server_options),
};

#define AT(field) offsetof(struct eal_options, field)
static const struct option eal_options[] = {
	{"lcores", OPTION_STRING, AT(lcores),
	 .help = "CPUs to run on, such as 0-3,8; without it, as many as there are workers, of those "
		 "allowed"},
	{"memory", OPTION_SIZE, AT(memory), 16 * MIB, 1024 * GIB, .def = "256m",
	 .help = "memory that EAL takes at start, for packet buffers and devices"},
	{"huge", OPTION_ENUM, AT(huge), .names = huge_words, .def = "auto",
	 .help = "whether that memory is huge pages; auto: if enough of them are free"},
	{"file-prefix", OPTION_STRING, AT(file_prefix), .def = "pier",
	 .help = "EAL's name for this process; two at a time need two names"},
	{"log-level", OPTION_STRING, AT(log_level),
	 .help = "EAL's --log-level, such as pmd.net.tap:debug"},
	{"extra", OPTION_LIST, AT(extra), .help = "further arguments for EAL, separated by blanks"},
};
#undef AT

const struct option_table eal_option_table = {
	"eal",
	"DPDK's environment; ignored if EAL options stand before -- on the command line",
	eal_options,
	ARRAY_SIZE(eal_options),
	sizeof(struct eal_options),
};

#define AT(field) offsetof(struct port_options, field)
static const struct option port_options[] = {
	{"address", OPTION_LIST, AT(address),
	 .help = "addresses with prefix length, such as 198.18.0.2/24, fd00:18::2/64 or "
		 "198.18.0.2-198.18.0.9/24, separated by commas; with one of IPv6 the port has a link-local "
		 "address, too, made of its MAC address unless one is given"},
	{"gateway", OPTION_LIST, AT(gateway),
	 .help = "next hop to everything outside the port's networks; one of each family, separated by commas"},
	{"neighbor", OPTION_ENUM, AT(neighbor), .names = neighbor_words, .def = "resolve",
	 .help = "where answers go: resolve asks by ARP or, of IPv6, neighbour discovery; reflect takes the MAC "
		 "address the connection came from"},
	{"announce", OPTION_ENUM, AT(announce), .names = announce_words, .def = "yes",
	 .help = "announce the addresses at start, by gratuitous ARP (RFC 5227) or neighbour advertisements (RFC 4861). "
		 "One of IPv6 is used when within a second no other host claims it (RFC 4862), but at once with no, and its "
		 "multicast group is reported then only to routers and switches that ask (MLD); "
		 "probe: ask of those of IPv4, too, for 6 s, and do not use those that have an owner"},
};
#undef AT

const struct option_table app_port_option_table = {
	"port",
	"[port N], N from 0: a port and its addresses",
	port_options,
	ARRAY_SIZE(port_options),
	sizeof(struct port_options),
};

static const char *const proxy_protocol_words[] = {"off", "accept", "require", NULL};

#define AT(field) offsetof(struct listen_options, field)
static const struct option listen_options[] = {
	{"handler", OPTION_STRING, AT(handler), .help = "who serves the connections"},
	{"plugin", OPTION_STRING, AT(plugin),
	 .help = "shared object to load the handler from; handler need not be given then"},
	{"backlog", OPTION_U32, AT(backlog), 0, 100000000, .def = "0",
	 .help = "connections of this listener whose handshake is not complete, or for which there is no "
		 "room yet; 0 is no limit but max-half-open"},
	{"proxy-protocol", OPTION_ENUM, AT(proxy_protocol), .names = proxy_protocol_words, .def = "off",
	 .help = "a header of the PROXY protocol, version 1 or 2, before the bytes of a connection, which "
		 "says whose it is; accept: there may be one; require: without one it is reset"},
	{"proxy-protocol-timeout", OPTION_DURATION, AT(proxy_protocol_timeout), 0, 3600 * US_PER_SEC,
	 .def = "3s",
	 .help = "for that header to come whole; then accept does without it; 0: for ever"},
};
#undef AT

const struct option_table listen_option_table = {
	"listen",
	"[listen PORT], or [ADDRESS:]PORT[-PORT]: a listener. It also takes the keys of [tcp], for "
	"its connections, and those of its handler",
	listen_options,
	ARRAY_SIZE(listen_options),
	sizeof(struct listen_options),
};

static unsigned int all_tables(const struct option_table *tables[HANDLER_MAX + 7])
{
	const struct pier_handler *h;
	unsigned int n = 0;

	tables[n++] = &server_option_table;
	tables[n++] = &eal_option_table;
	tables[n++] = &app_port_option_table;
	tables[n++] = &port_option_table;
	tables[n++] = &tcp_option_table;
	tables[n++] = &listen_option_table; /* the next are of [listen], too */
	tables[n++] = &chaos_option_table;
	for (unsigned int i = 0; (h = handler_at(i)); i++)
		if (h->options)
			tables[n++] = h->options;
	return n;
}

void pier_config_help(FILE *to)
{
	const struct option_table *tables[HANDLER_MAX + 7];
	const struct pier_handler *h;

	ctl_help(to, tables, all_tables(tables));
	fputs("\nHandlers\n", to);
	for (unsigned int i = 0; (h = handler_at(i)); i++)
		fprintf(to, "  %-21s %s\n", h->name, h->summary);
}

void pier_config_reference(FILE *to)
{
	const struct option_table *tables[HANDLER_MAX + 7];
	const struct pier_handler *h;

	ctl_reference(to, tables, all_tables(tables));
	fputs("\n### Handlers\n\n| Name | What it does |\n|---|---|\n", to);
	for (unsigned int i = 0; (h = handler_at(i)); i++)
		fprintf(to, "| `%s` | %s |\n", h->name, h->summary);
}
