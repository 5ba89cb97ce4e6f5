/*
 * The table of [load].
 */
#include "options.h"

#include "base/compiler.h"
#include "base/units.h"

const char *const load_mode_words[] = {"http", "short", "echo", "rr", "up", "down", "both", "hold",
				       NULL};
static const char *const close_words[] = {"server", "client", "reset", NULL};

#define FOREVER (30 * 86400 * US_PER_SEC)

#define AT(field) offsetof(struct load_options, field)
static const struct option options[] = {
	{"mode", OPTION_ENUM, AT(mode), .names = load_mode_words, .def = "http",
	 .help = "what connections do, see the table of modes"},
	{"target", OPTION_STRING, AT(target),
	 .help = "servers: ADDRESS[-ADDRESS][:PORT[-PORT]], separated by commas, IPv6 with a port in brackets as in "
		 "[fd00:18::2]:80; each is asked from addresses of its family; without a port 80, or "
		 "the mode's (echo and both 7, up 9, down 19)"},
	{"connections", OPTION_COUNT, AT(connections), 0, 100000000, .def = "0",
	 .help = "connections at a time; 0: 100, or in mode short with cps as many as come in a second"},
	{"cps", OPTION_COUNT, AT(cps), 0, 1000000000, .def = "0",
	 .help = "connections a second, each at its time whether earlier ones are served or not; 0: as "
		 "fast as it goes"},
	{"rps", OPTION_COUNT, AT(rps), 0, 1000000000, .def = "0",
	 .help = "requests a second, over all connections, each at its time; 0: as fast as it goes, "
		 "the next one when an answer is there"},
	{"ramp", OPTION_DURATION, AT(ramp), 0, FOREVER, .def = "0",
	 .help = "time in which the rate, or without one the number of connections, grows from nothing"},
	{"warmup", OPTION_DURATION, AT(warmup), 0, FOREVER, .def = "0",
	 .help = "time after the ramp that does not count"},
	{"duration", OPTION_DURATION, AT(duration), US_PER_MS, FOREVER, .def = "10s",
	 .help = "time that counts"},
	{"timeout", OPTION_DURATION, AT(timeout), US_PER_MS, FOREVER, .def = "5s",
	 .help = "a connection that is not established, or on which nothing moves while something is awaited, for so "
		 "long is given up"},
	{"depth", OPTION_U32, AT(depth), 1, 1024, .def = "1",
	 .help = "requests under way on a connection (pipelining); http, echo, rr"},
	{"requests", OPTION_COUNT, AT(requests), 0, 1000000000, .def = "0",
	 .help = "requests of a connection before it is closed and another opened; 0: no limit; http, "
		 "echo, rr"},
	{"size", OPTION_SIZE, AT(size), 1, 16 * MIB, .def = "64",
	 .help = "bytes of a message; echo, rr"},
	{"response-size", OPTION_SIZE, AT(response_size), 1, GIB, .def = "64",
	 .help = "bytes that answer a message; rr"},
	{"bytes", OPTION_SIZE, AT(bytes), 0, UINT64_MAX, .def = "0",
	 .help = "bytes of a connection before it is closed and another opened; 0: no limit; up, down, "
		 "both"},
	{"path", OPTION_STRING, AT(path), .def = "/", .help = "what is asked for; http, short"},
	{"host", OPTION_STRING, AT(host), .help = "the Host field; without it the first address"},
	{"header", OPTION_LIST, AT(header), .help = "a further field of requests, NAME: VALUE"},
	{"status", OPTION_U32, AT(status), 0, 599, .def = "0",
	 .help = "the status that is right; 0: 200 to 299; http, short"},
	{"close", OPTION_ENUM, AT(close), .names = close_words, .def = "server",
	 .help = "who ends a connection of mode short: the server, asked by Connection: close; the client "
		 "by FIN or by RST"},
	{"verify", OPTION_BOOL, AT(verify), .def = "no",
	 .help = "compare every byte that comes back with what was sent; echo, both"},
	{"expect", OPTION_LIST, AT(expect),
	 .help = "METRIC OPERATOR VALUE that has to hold, such as errors=0 or complete.p99<5ms; else the "
		 "exit code is 1"},
	{"json", OPTION_STRING, AT(json),
	 .help = "write the result to this file as JSON; -: to stdout, and the rest to stderr"},
	{"quiet", OPTION_BOOL, AT(quiet), .def = "no", .help = "no line each second"},
};
#undef AT

const struct option_table load_option_table = {
	"load",
	"What pier-load does; each key is an option of its command line, too (--connections 100)",
	options,
	ARRAY_SIZE(options),
	sizeof(struct load_options),
};
