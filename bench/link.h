/*
 * bench_link: a server and a client over a link, in one process (a pair of rings) or in two (memif).
 */
#ifndef BENCH_LINK_H
#define BENCH_LINK_H

#include "gaps.h"
#include "kit.h"
#include "peer.h"
#include "port/port.h"

#define LINK_SAMPLES 4096
#define LINK_FLIGHT  512

enum serve { SERVE_ECHO, SERVE_HTTP, SERVE_SHORT, SERVE_DISCARD, SERVE_CHARGEN, SERVE_MACSWAP,
	     SERVE_5TSWAP };

struct link_options {
	bool ring;               /* both ends here */
	const char *memif;       /* socket */
	bool client;             /* of a memif; else the server */
	enum serve serve;
	enum peer_kind kind;
	unsigned int connections, flight, window;
	unsigned int room;       /* connections that the server has room for */
	unsigned int body, message;
	bool plain, tolerant;
	bool linger;             /* the client stays until its standard input ends */
	double seconds, warm;
	double rate;             /* units a second, open loop; 0: closed loop */
	double work;             /* nanoseconds that the handler takes besides, each time it has data */
	unsigned int work_every; /* or each so many times */
	const char *gaps;        /* open loop over a memif: file in which the server leaves its gaps */
};

/*
 * What the server's CPU did up to time t: enough to tell later what a part of the run cost. Time is
 * CLOCK_MONOTONIC in seconds, the same in all processes.
 */
struct link_sample {
	double t;
	uint64_t busy; /* cycles of turns that moved packets */
	uint64_t rx, tx;
};

struct link_server {
	const struct link_options *opt;
	const struct port_pools *pools;
	struct port *port;
	int stop; /* atomic */
	struct link_sample samples[LINK_SAMPLES];
	unsigned int n_samples;
	void *own; /* of the pier that serves; NULL where packets are swapped */
	double waited, ran; /* seconds without a CPU, of those that the loop took */
	struct gaps *gaps; /* open loop only: noting them costs a little */
};

double link_now(void);

/* Make what serves. Main thread, before link_serve. */
void link_server_init(struct link_server *s);

/* The loop: until stop; an lcore function. */
int link_serve(void *server);

/* After the loop: print "samples" and "counters" as members of a JSON object, and free. */
void link_server_print(struct link_server *s);

/* Whether gaps are noted. */
static inline bool link_gaps(const struct link_options *o)
{
	return o->rate > 0 && (o->ring || o->gaps);
}

/*
 * Run the client on this thread, and print its figures as members of a JSON object. When it has
 * measured, and its packets are back, it calls measured(), after which the server's gaps are there:
 * in *server, or, if that is NULL, in the file.
 */
void link_client(const struct link_options *o, struct port *port, const struct port_pools *pools,
		 const struct gaps *server, void (*measured)(const struct link_options *o));

#endif
