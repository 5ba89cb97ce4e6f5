/*
 * What pier-load can be told: section [load], and the same keys as options of the command line.
 */
#ifndef PIER_LOAD_OPTIONS_H
#define PIER_LOAD_OPTIONS_H

#include "base/option.h"

enum load_mode {
	LOAD_HTTP,  /* requests over connections that stay */
	LOAD_SHORT, /* a connection for each request */
	LOAD_ECHO,  /* messages that come back */
	LOAD_RR,    /* messages, answered by so many bytes */
	LOAD_UP,    /* bytes to the server */
	LOAD_DOWN,  /* bytes from it */
	LOAD_BOTH,  /* to it and back */
	LOAD_HOLD,  /* connections that do nothing */
	LOAD_MODES,
};

enum load_close {
	LOAD_CLOSE_SERVER, /* wait for the server's FIN */
	LOAD_CLOSE_CLIENT, /* send FIN first */
	LOAD_CLOSE_RESET,
};

/* Times in microseconds. */
struct load_options {
	uint32_t mode; /* enum load_mode */
	char *target;
	uint64_t connections;
	uint64_t cps, rps; /* 0: as fast as it goes */
	uint64_t ramp, warmup, duration, timeout;
	uint32_t depth;
	uint64_t requests; /* of a connection; 0: no limit */
	uint64_t size, response_size, bytes;
	char *path, *host, *header;
	uint32_t status; /* 0: any 2xx */
	uint32_t close;  /* enum load_close */
	bool verify;
	char *expect; /* lines */
	char *json;
	bool quiet;
};

extern const struct option_table load_option_table;
extern const char *const load_mode_words[];

/* Whether the mode sends messages that are answered one by one. */
static inline bool load_mode_requests(uint32_t mode)
{
	return mode <= LOAD_RR;
}

#endif
