/*
 * What iperf3's client and server say to each other on the control connection, as of iperf3 3.12 to 3.19:
 * bytes that name a state, and JSON behind its length in four octets, the highest first.
 *
 *      client                              server
 *      cookie (37 octets, the last 0) ──>
 *                                     <──  PARAM_EXCHANGE
 *      parameters (JSON)              ──>
 *                                     <──  CREATE_STREAMS
 *      data connections, each begins with the cookie
 *                                     <──  TEST_START, TEST_RUNNING
 *      TEST_END                       ──>
 *                                     <──  EXCHANGE_RESULTS
 *      results (JSON)                 ──>
 *                                     <──  results (JSON), DISPLAY_RESULTS
 *      IPERF_DONE                     ──>
 *
 * Bytes in, structs out: no connection, no clock; any thread. Text that comes in is hostile: whatever it
 * is, the answer is a value or an error of iperf3's own, which its client can print.
 */
#ifndef HANDLERS_IPERF3_MSG_H
#define HANDLERS_IPERF3_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPERF3_COOKIE      37
#define IPERF3_PARALLEL    128                  /* streams of a direction */
#define IPERF3_STREAMS     (2 * IPERF3_PARALLEL) /* of a test in both directions */
#define IPERF3_PARAMS_MAX  8192u                /* octets of JSON, as iperf3 itself has it */
#define IPERF3_RESULTS_MAX (1u << 17)           /* of 256 streams and what else a client may add */

enum iperf3_state {
	IPERF3_TEST_START = 1,
	IPERF3_TEST_RUNNING = 2,
	IPERF3_TEST_END = 4,
	IPERF3_PARAM_EXCHANGE = 9,
	IPERF3_CREATE_STREAMS = 10,
	IPERF3_SERVER_TERMINATE = 11,
	IPERF3_CLIENT_TERMINATE = 12,
	IPERF3_EXCHANGE_RESULTS = 13,
	IPERF3_DISPLAY_RESULTS = 14,
	IPERF3_DONE = 16,
	IPERF3_ACCESS_DENIED = -1,
	IPERF3_SERVER_ERROR = -2, /* the error and an errno follow, four octets each */
};

/* Of iperf3's error numbers those that a server without kernel sockets has reason to send. */
enum iperf3_error {
	IPERF3_OK = 0,
	IPERF3_E_DURATION = 5,       /* test duration too long */
	IPERF3_E_STREAMS = 6,        /* number of parallel streams too large */
	IPERF3_E_BLOCK_SIZE = 7,     /* block size too large */
	IPERF3_E_BUFFER_SIZE = 8,    /* socket buffer size too large */
	IPERF3_E_MSS = 10,           /* TCP MSS too large */
	IPERF3_E_OMIT = 12,          /* bogus value for --omit */
	IPERF3_E_BURST = 15,         /* invalid burst count */
	IPERF3_E_NO_SCTP = 18,       /* no SCTP support available */
	IPERF3_E_TOS = 21,           /* bad TOS value */
	IPERF3_E_DIRECTIONS = 25,    /* cannot be both reverse and bidirectional */
	IPERF3_E_NEW_TEST = 100,     /* unable to create a new test */
	IPERF3_E_MESSAGE = 110,      /* received an unknown control message */
	IPERF3_E_RECV_PARAMS = 114,  /* unable to receive parameters from client */
	IPERF3_E_RECV_RESULTS = 117, /* unable to receive results */
	IPERF3_E_PROTOCOL = 131,     /* protocol does not exist */
	IPERF3_E_AFFINITY = 132,     /* unable to set CPU affinity */
	IPERF3_E_BUFFER_SET = 141,   /* socket buffer size not set correctly */
	IPERF3_E_IDLE = 144,         /* idle timeout for receiving data */
	IPERF3_E_ACCEPT = 204,       /* unable to accept stream connection */
	IPERF3_E_STREAM_WRITE = 205, /* unable to write to stream socket */
	IPERF3_E_STREAM_READ = 206,  /* unable to read from stream socket */
};

/*
 * What the client wants, as far as it is the server's to do. -C is not: iperf3's server, too, goes on with
 * what it has if it has not what was asked for, and its results say which.
 */
struct iperf3_params {
	bool reverse, both;     /* the server sends; both send */
	bool nodelay, repeating; /* -N; --repeating-payload */
	bool server_output;     /* --get-server-output */
	uint32_t parallel;      /* streams of a direction */
	uint32_t time_s, omit_s; /* time 0: as long as the client likes */
	uint32_t block;         /* octets of a write */
	uint32_t window;        /* octets of a socket's buffers; 0: not asked for */
	uint32_t mss;           /* what the client has set for itself; 0: nothing */
	uint32_t burst;         /* blocks at a time; 0: as many as are due */
	uint32_t tos;
	uint64_t bytes, blocks; /* end conditions that the client watches */
	uint64_t rate;          /* bit/s of a stream, the lower of -b and --fq-rate; 0: no limit */
};

/* What one side counted of a stream. */
struct iperf3_result {
	uint32_t id;
	uint64_t bytes;
	int64_t retransmits; /* -1: not known, or not its to know */
	double seconds;
};

struct iperf3_results {
	double cpu_total, cpu_user, cpu_system; /* percent of one CPU */
	bool sends;                 /* some streams were sent from here: retransmits are known */
	const char *congestion;     /* NULL: none */
	const char *output;         /* text for --get-server-output; NULL: none */
	uint32_t n;
	struct iperf3_result stream[IPERF3_STREAMS];
};

/* Read parameters. Returns IPERF3_OK or what is wrong; out is complete only then. */
enum iperf3_error iperf3_params_read(const char *text, size_t len, struct iperf3_params *out);

/* Read a client's results into out, but for congestion and output. IPERF3_OK or what is wrong. */
enum iperf3_error iperf3_results_read(const char *text, size_t len, struct iperf3_results *out);

/* Write results: JSON behind its length, *len octets in all, to be freed. NULL: no memory. */
char *iperf3_results_write(const struct iperf3_results *r, size_t *len);

/* JSON behind its length, being received. Zeroed before the first; text is freed by iperf3_frame_free. */
struct iperf3_frame {
	uint8_t head[4];
	uint32_t got; /* of head and text */
	uint32_t len; /* of text, known when head is complete */
	char *text;   /* len octets, not ended */
};

enum iperf3_frame_event {
	IPERF3_FRAME_MORE,  /* all was taken, more is to come */
	IPERF3_FRAME_WHOLE, /* text is complete */
	IPERF3_FRAME_BAD,   /* empty, longer than max, or no memory for it */
};

/* Take what belongs to the message; *used octets of data. */
enum iperf3_frame_event iperf3_frame_feed(struct iperf3_frame *f, const void *data, size_t len, uint32_t max,
					  size_t *used);
void iperf3_frame_free(struct iperf3_frame *f);

/* The id of a test's i-th stream, which begin with 1 and leave 2 out. */
static inline uint32_t iperf3_stream_id(uint32_t i)
{
	return i ? i + 2 : 1;
}

#endif
