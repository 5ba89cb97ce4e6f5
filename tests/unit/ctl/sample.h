/*
 * Option tables as rooms have them, for the tests of whatever works over tables.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "base/compiler.h"
#include "base/units.h"
#include "ctl/config.h"

struct sample_tcp {
	uint64_t min_rto, idle;
	uint32_t ports;
	bool sack;
};

struct sample_listen {
	char *handler, *address;
	uint64_t body;
	uint32_t idle_mode;
};

static const char *const sample_modes[] = {"poll", "sleep", NULL};

static const struct option sample_tcp_options[] = {
	{"min-rto", OPTION_DURATION, offsetof(struct sample_tcp, min_rto), 5 * US_PER_MS,
	 US_PER_SEC, .def = "200ms", .help = "smallest retransmission timeout"},
	{"idle", OPTION_DURATION, offsetof(struct sample_tcp, idle), .def = "inf",
	 .help = "close after this silence"},
	{"ports", OPTION_U32, offsetof(struct sample_tcp, ports), .help = "ports | in use"},
	{"sack", OPTION_BOOL, offsetof(struct sample_tcp, sack), .def = "yes", .help = "offer SACK"},
};
static const struct option_table sample_tcp = {
	"tcp", "Every connection", sample_tcp_options, ARRAY_SIZE(sample_tcp_options),
	sizeof(struct sample_tcp),
};

static const struct option sample_listen_options[] = {
	{"handler", OPTION_STRING, offsetof(struct sample_listen, handler), .help = "who serves"},
	{"address", OPTION_LIST, offsetof(struct sample_listen, address), .def = "a",
	 .help = "some addresses"},
	{"body-size", OPTION_SIZE, offsetof(struct sample_listen, body), 1, MIB, .def = "1k",
	 .help = "bytes of the body"},
	{"mode", OPTION_ENUM, offsetof(struct sample_listen, idle_mode), .names = sample_modes,
	 .help = "what to do"},
};
static const struct option_table sample_listen = {
	"listen", "A listener", sample_listen_options, ARRAY_SIZE(sample_listen_options),
	sizeof(struct sample_listen),
};

static const struct config_kind sample_kinds[] = {
	{"tcp", NULL}, {"listen", "PORT"}, {"server", NULL},
};

#endif
