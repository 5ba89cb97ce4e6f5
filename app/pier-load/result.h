/*
 * What a run came to: the numbers, their names, and who was the limit. Pure.
 */
#ifndef PIER_LOAD_RESULT_H
#define PIER_LOAD_RESULT_H

#include "stats.h"

enum load_bound {
	LOAD_BOUND_SCHEDULE, /* the rate, or of mode hold the number, that was asked for was reached */
	LOAD_BOUND_CLIENT,
	LOAD_BOUND_SERVER, /* or what is between */
	LOAD_BOUND_UNCLEAR,
	LOAD_BOUND_PORTS,   /* the client's: they were in TIME-WAIT */
	LOAD_BOUND_ERRORS,  /* most connections came to nothing */
	LOAD_BOUND_NOTHING, /* no time counted */
};

extern const char *const load_bound_words[], *const load_bound_texts[];

struct load_result {
	double seconds;             /* that counted */
	double hz;                  /* ticks a second */
	struct load_counts counted; /* in that time */
	struct load_counts total;   /* of the whole run */
	struct load_times times;
	uint64_t open;              /* connections at the end of the time that counted */
	uint64_t unfinished;
	double wanted;              /* starts a second that were asked for; 0: as fast as it goes */
	double rested;              /* share of the connections' time in which they rested, each after an error */
	bool asks;                  /* the mode is one of requests and answers */
	bool held;                  /* all connections that were to be held were there at the end, and none failed */
	bool early;                 /* was ended by a signal */
};

enum metric_kind {
	METRIC_COUNT,
	METRIC_RATE,  /* a second */
	METRIC_TIME,  /* seconds */
	METRIC_SHARE, /* 0 to 1 */
};

/* A number of a result, by name. */
struct metric {
	unsigned int id, error;
	enum metric_kind kind;
	double quantile; /* of a latency; -1: the mean */
};

/* NAME, or one of connect, first and complete and .mean .max .pNN; false: there is no such metric. */
bool metric_find(const char *name, size_t len, struct metric *m);
/* Not a number: a latency of which there is none. */
double metric_value(const struct metric *m, const struct load_result *r);
/* All names, for messages and help. */
const char *metric_names(void);

/* Share of the time in which the client was at work, 0 to 1. */
double load_busy(const struct load_result *r);
/* Packets of a burst that had any. */
double load_burst(const struct load_result *r);
enum load_bound load_bound(const struct load_result *r);

#endif
