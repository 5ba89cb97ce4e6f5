/*
 * pier's handler API: what a program must offer to serve a TCP port of pier, and what it may call.
 *
 * A handler is a table of callbacks. pier calls them on the worker that owns the connection, one at
 * a time, never from inside TCP's packet processing: after a burst of packets went through TCP,
 * every connection with news has its callbacks run once. A callback runs to completion and must not
 * block, sleep or loop for long: while it runs, nothing else happens on that core.
 *
 *      open ──> data, writable, timer, eof (in any order, any number of times; eof once) ──> close
 *
 * Every open is followed by exactly one close, whatever happens in between; the connection's
 * context lives from the one to the other. A connection that the handler asked for (pier_connect) is
 * the handler's from that call on, context included: it hears open when the connection is
 * established, and close exactly once, with or without an open before it. Until open only timer is
 * called besides; what is sent waits. Inside any callback, any call below is allowed,
 * pier_close and pier_abort included: close is then called after the callback returned.
 *
 * Back-pressure in: data() returns how many bytes it took. The rest stays in pier, the receive
 * window closes behind it, and data() is called again with it when more arrives, after writable(),
 * or when the handler calls pier_resume.
 * Back-pressure out: pier_send* return how many bytes they took, which may be fewer than asked, or
 * none. writable() is called once there is room again.
 *
 * What a callback may take: a turn of the loop serves every connection with news, some tens of them, and
 * their packets wait for it. Microseconds are well; a millisecond is long and counted (handler_1ms in the
 * statistics; handler_ticks is the time of all callbacks). What takes longer is done in parts, with
 * pier_resume, pier_want_writable or pier_set_timer between them.
 * What it may touch: its context, its connection, settings to read, memory of its own. Connections of
 * one listener are spread over cores: what they share is written by several threads. setup and teardown
 * run on the control thread, also while older versions of the listener serve. stats runs on a third.
 *
 * Nothing in this file is a type of DPDK. Sizes are bytes, times microseconds. Unless a comment
 * says otherwise, functions are called from inside a callback, on its thread only.
 */
#ifndef PIER_HANDLER_H
#define PIER_HANDLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of this header. A handler built against another major version is refused. */
#define PIER_HANDLER_ABI 3

#define PIER_BUFFER_MIN 2048 /* the least of pier_set_buffers */
#define PIER_MSS_MIN    64   /* the least of pier_set_mss */

struct option_table; /* base/option.h, installed beside this file */
struct pier_conn;

/* Takes one statistic: a name of letters, digits and '_', 60 characters at most, and its value. */
typedef void pier_stat(void *arg, const char *name, uint64_t value);

/*
 * A run of received bytes. data is valid until the callback returns, unless the handler holds owner
 * (pier_hold). owner is opaque; NULL for bytes that outlive the connection.
 */
struct pier_slice {
	const void *data;
	uint32_t len;
	void *owner;
};

/* Why a connection ended (RFC 9293 section 3.6: the user can tell them apart). */
enum pier_close_reason {
	PIER_CLOSE_NORMAL,   /* both sides sent FIN, or this side closed and the FIN was taken over */
	PIER_CLOSE_RESET,    /* the peer sent RST */
	PIER_CLOSE_ABORT,    /* pier_abort was called */
	PIER_CLOSE_TIMEOUT,  /* the peer fell silent: R2 expired */
	PIER_CLOSE_SHUTDOWN, /* the server stops */
	PIER_CLOSE_REFUSED,  /* the peer answered an active open by RST */
	PIER_CLOSE_USER_TIMEOUT, /* data sent was not acknowledged within the user timeout */
	PIER_CLOSE_KEEPALIVE,    /* the last keep-alive probe was not answered either */
	PIER_CLOSE_STALLED,      /* the peer's window was closed for as long as persist-timeout */
	PIER_CLOSE_SLOW,         /* the peer took less than min-progress */
	PIER_CLOSE_PRESSURE,     /* memory ran short, and the peer's window was closed */
};

/*
 * What the network says about a connection that goes on (RFC 9293 section 3.9.1.8). Anybody may have
 * sent it: it is news, not proof.
 */
enum pier_trouble {
	PIER_TROUBLE_NET_UNREACHABLE,
	PIER_TROUBLE_HOST_UNREACHABLE,
	PIER_TROUBLE_PROTOCOL_UNREACHABLE,
	PIER_TROUBLE_PORT_UNREACHABLE,
	PIER_TROUBLE_SOURCE_ROUTE,   /* source route failed */
	PIER_TROUBLE_UNREACHABLE,    /* for another reason, as an administrator's */
	PIER_TROUBLE_TIME_EXCEEDED,
	PIER_TROUBLE_PARAMETER,      /* a router or the peer could not make sense of a packet */
	PIER_TROUBLE_RETRANSMISSION, /* sent again r1 times without an acknowledgment */
};

/*
 * The two ends, of one family. Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d, which no IPv6 address
 * is here; ports in host order.
 */
struct pier_info {
	uint8_t remote_addr[16], local_addr[16];
	uint16_t remote_port, local_port;
	uint32_t srtt_us; /* 0: no sample yet */
};

/* What TCP knows of a connection. Later versions may append. */
struct pier_tcp_info {
	uint32_t srtt_us, rttvar_us; /* 0: no sample yet */
	uint32_t cwnd;               /* bytes */
	uint32_t snd_mss, rcv_mss;   /* payload of a full segment: as sent, as offered to the peer */
	uint32_t retransmits;        /* segments sent again since the first pier_get_tcp_info */
	uint64_t queued;             /* bytes accepted for sending that the peer has not acknowledged */
	const char *congestion;      /* name of the congestion control; lives as long as pier */
};

#define PIER_FOREVER UINT64_MAX /* a timeout that never comes */

/* Probes of an idle connection (RFC 9293 section 3.8.4). */
struct pier_keepalive {
	bool on;
	bool garbage;         /* a probe carries one octet, for peers that answer no other */
	uint32_t count;       /* unanswered probes that end the connection, 1 to 100 */
	uint64_t idle_us;     /* without a segment from the peer before the first probe */
	uint64_t interval_us; /* between probes; up to an hour */
};

/* What pier_connect is to open. Zero what does not matter. */
struct pier_connect {
	uint8_t remote_addr[16], local_addr[16]; /* as in pier_info, of either family; local all zero: pier chooses */
	uint16_t remote_port, local_port;        /* host order; local 0: pier chooses */
	uint64_t ctx;                            /* first 8 bytes of the new connection's context */
};

/* Whom settings name to be connected to. */
struct pier_target {
	const char *key; /* of the option that says so */
	uint8_t addr[16]; /* as in pier_info */
	uint16_t port;    /* host order */
};

/*
 * The server's side of the API, filled in by pier. Handlers use the inline functions further down.
 */
struct pier_calls {
	size_t (*send)(struct pier_conn *c, const void *data, size_t len);
	size_t (*send_static)(struct pier_conn *c, const void *data, size_t len);
	size_t (*send_slices)(struct pier_conn *c, const struct pier_slice *s, unsigned int n);
	size_t (*room)(struct pier_conn *c);
	void (*want_writable)(struct pier_conn *c);
	void (*resume)(struct pier_conn *c);
	void (*shutdown)(struct pier_conn *c);
	void (*close)(struct pier_conn *c);
	void (*abort)(struct pier_conn *c);
	void (*set_timer)(struct pier_conn *c, uint64_t delay_us);
	void (*hold)(void *owner);
	void (*release)(void *owner);
	void (*info)(struct pier_conn *c, struct pier_info *info);
	bool (*get)(struct pier_conn *from, uint64_t id, struct pier_conn *c);
	void (*set_nodelay)(struct pier_conn *c, bool on);
	bool (*set_dscp)(struct pier_conn *c, unsigned int dscp);
	unsigned int (*received_dscp)(struct pier_conn *c);
	bool (*set_ttl)(struct pier_conn *c, unsigned int ttl);
	bool (*set_keepalive)(struct pier_conn *c, const struct pier_keepalive *k);
	void (*get_keepalive)(struct pier_conn *c, struct pier_keepalive *k);
	bool (*set_timeouts)(struct pier_conn *c, uint64_t r2_us, uint64_t user_us);
	int (*connect)(struct pier_conn *from, const struct pier_connect *to, uint64_t *id);
	size_t (*send_urgent)(struct pier_conn *c, const void *data, size_t len);
	size_t (*urgent_left)(struct pier_conn *c);
	void (*cork)(struct pier_conn *c, bool on);
	void (*flush)(struct pier_conn *c);
	void (*set_trouble)(struct pier_conn *c, bool on);
	bool (*tcp_info)(struct pier_conn *c, struct pier_tcp_info *info, size_t size);
	bool (*set_buffers)(struct pier_conn *c, size_t rcv, size_t snd);
	bool (*set_mss)(struct pier_conn *c, unsigned int mss);
	size_t (*send_summed)(struct pier_conn *c, const void *data, size_t len, uint32_t *sum);
};

/*
 * A connection as a callback sees it. The struct is valid until the callback returns; what may be
 * kept is id, which names {worker, index, generation} and never names another connection later.
 */
struct pier_conn {
	const struct pier_calls *calls;
	void *host;           /* pier's; not for handlers */
	uint64_t id;
	void *ctx;            /* ctx_size bytes, zeroed before open; NULL if ctx_size is 0 */
	const void *settings; /* this listener's settings; the same for all its connections */
	uint64_t now;         /* this turn's time, any origin */
};

struct pier_handler {
	uint32_t abi;  /* PIER_HANDLER_ABI */
	uint32_t size; /* sizeof(struct pier_handler), as the handler knew it */
	const char *name;
	const char *summary;  /* one line for --help */
	uint32_t ctx_size;    /* context per connection; up to 8 bytes cost nothing extra */
	bool nagle;           /* hold small segments back (RFC 9293 section 3.7.4); default: do not */

	/* Settings a listener section may hold, and what they go to. NULL: none. */
	const struct option_table *options;
	/*
	 * Prepare settings that were read (open a file, build a body). Called once per listener
	 * version, on the control thread, before any connection. On failure returns false and
	 * writes why to err. teardown undoes it after the version's last connection closed.
	 */
	bool (*setup)(void *settings, char *err, size_t errlen);
	void (*teardown)(void *settings);

	/* All callbacks may be NULL; a NULL data discards what arrives. */
	void (*open)(struct pier_conn *c);
	/* In order, each byte once unless it was not consumed. Returns the bytes consumed. */
	size_t (*data)(struct pier_conn *c, const struct pier_slice *s, unsigned int n);
	/* room bytes can be sent now. Called after a send came up short or pier_want_writable. */
	void (*writable)(struct pier_conn *c, size_t room);
	/* The peer has sent FIN and every byte before it was consumed. NULL: pier_close. */
	void (*eof)(struct pier_conn *c);
	/* The context is gone after this. Sending is over; pier_hold'ed owners must be released. */
	void (*close)(struct pier_conn *c, enum pier_close_reason why);
	/* The delay given to pier_set_timer has passed. */
	void (*timer)(struct pier_conn *c);
	/*
	 * The peer has marked data as urgent, or moved the mark on: pier_urgent_left says how much.
	 * New protocols do not use this (RFC 9293 section 3.8.5). Without it nothing is told, and
	 * either way all octets come in order through data.
	 */
	void (*urgent)(struct pier_conn *c);
	/*
	 * The connection is in trouble and goes on; of an active open before open too. Called
	 * once for what was reported any number of times since the last callback. pier_set_trouble
	 * turns it off.
	 */
	void (*trouble)(struct pier_conn *c, enum pier_trouble what);
	/*
	 * What the handler has counted for this listener version: call add for each. On another
	 * thread than the workers', while they run; not after teardown.
	 */
	void (*stats)(const void *settings, pier_stat *add, void *arg);
	/*
	 * The server stops, and the connection rests: time for last words. False: pier closes it, as it
	 * does without this callback; true: the handler will, and is asked again after each of its
	 * callbacks. What is open when the time to drain is over is reset.
	 */
	bool (*drain)(struct pier_conn *c);
	/*
	 * The i-th peer, from 0, that connections will be opened to by these settings; false past the last. On
	 * the control thread, after setup: a configuration by which pier would connect to itself is refused.
	 */
	bool (*target)(const void *settings, unsigned int i, struct pier_target *t);
};

/*
 * In a shared object, for plugin = FILE: the handler that is in it, a struct pier_handler.
 *
 *	cc -shared -fPIC $(pkg-config --cflags pier) mine.c -o mine.so
 */
#ifdef __cplusplus
#define PIER_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define PIER_EXPORT __attribute__((visibility("default")))
#endif
#define PIER_PLUGIN(handler)                                                                       \
	PIER_EXPORT const struct pier_handler *pier_plugin(void);                                  \
	PIER_EXPORT const struct pier_handler *pier_plugin(void)                                   \
	{                                                                                          \
		return &(handler);                                                                 \
	}                                                                                          \
	struct pier_plugin_ends_with_a_semicolon

/* Send a copy of the bytes. Returns how many were taken (0 after pier_shutdown or pier_close). */
static inline size_t pier_send(struct pier_conn *c, const void *data, size_t len)
{
	return c->calls->send(c, data, len);
}

/*
 * As pier_send, for bytes that are sent again and again, on whichever connection: their checksum is made once, and
 * what connections have queued of them is, as a rule, one copy.
 * *sum is 0 before the first call and whenever the bytes or their number have changed; pier puts in what it
 * will need the next time. One such word for each thread.
 */
static inline size_t pier_send_summed(struct pier_conn *c, const void *data, size_t len, uint32_t *sum)
{
	return c->calls->send_summed(c, data, len, sum);
}

/* Send bytes that stay unchanged as long as the listener version lives: no copy is made. */
static inline size_t pier_send_static(struct pier_conn *c, const void *data, size_t len)
{
	return c->calls->send_static(c, data, len);
}

/*
 * Send received slices, or parts of them, back out: where that is cheaper, the buffers themselves
 * leave. The handler need not hold them. Returns the bytes taken, counted from the first slice.
 */
static inline size_t pier_send_slices(struct pier_conn *c, const struct pier_slice *s,
				      unsigned int n)
{
	return c->calls->send_slices(c, s, n);
}

/*
 * As pier_send, and what was taken is urgent up to its last octet: the peer is told so until it has
 * acknowledged it (RFC 9293 section 3.8.5). New protocols do not use this.
 */
static inline size_t pier_send_urgent(struct pier_conn *c, const void *data, size_t len)
{
	return c->calls->send_urgent(c, data, len);
}

/* Octets up to the peer's urgent mark that data has not consumed; some may not have arrived. */
static inline size_t pier_urgent_left(struct pier_conn *c)
{
	return c->calls->urgent_left(c);
}

/*
 * on: more will be sent soon, so only full segments leave; off: what was held back leaves. What is held
 * back for long (a tenth of a second to one second) leaves all the same, and closing sends all.
 */
static inline void pier_cork(struct pier_conn *c, bool on)
{
	c->calls->cork(c, on);
}

/* Drop what was accepted and has not been sent (RFC 9293 section 3.9.1.7). */
static inline void pier_flush(struct pier_conn *c)
{
	c->calls->flush(c);
}

/* Bytes that pier_send would take now. */
static inline size_t pier_room(struct pier_conn *c)
{
	return c->calls->room(c);
}

/* Have writable called in the next turn that has room. One call for each request. */
static inline void pier_want_writable(struct pier_conn *c)
{
	c->calls->want_writable(c);
}

/* Have data called again with what it left, in the next turn. */
static inline void pier_resume(struct pier_conn *c)
{
	c->calls->resume(c);
}

/* Send FIN behind all accepted data; receiving goes on (half-close). */
static inline void pier_shutdown(struct pier_conn *c)
{
	c->calls->shutdown(c);
}

/*
 * Send FIN behind all accepted data; nothing more is received. If received data was left, or
 * arrives later, the peer gets a RST (RFC 9293 section 3.6.1). close() is called at once: the
 * rest is pier's business.
 */
static inline void pier_close(struct pier_conn *c)
{
	c->calls->close(c);
}

/* Send RST, drop everything queued. */
static inline void pier_abort(struct pier_conn *c)
{
	c->calls->abort(c);
}

/*
 * Have timer called delay_us from now, to the next millisecond, and in 24 days at the latest; replaces
 * the last; 0: none.
 */
static inline void pier_set_timer(struct pier_conn *c, uint64_t delay_us)
{
	c->calls->set_timer(c, delay_us);
}

/* Keep a slice's bytes beyond the callback; each hold needs a release, on the same thread. */
static inline void pier_hold(struct pier_conn *c, void *owner)
{
	c->calls->hold(owner);
}

static inline void pier_release(struct pier_conn *c, void *owner)
{
	c->calls->release(owner);
}

static inline void pier_get_info(struct pier_conn *c, struct pier_info *info)
{
	c->calls->info(c, info);
}

/*
 * The number of the worker that the connection belongs to, from 0; below 64. What a handler keeps for
 * each worker under it is written by no other thread.
 */
static inline unsigned int pier_worker(const struct pier_conn *c)
{
	return (unsigned int)(c->id >> 48);
}

/* Reach another connection of this worker by its id. False if it is gone. */
static inline bool pier_get(struct pier_conn *from, uint64_t id, struct pier_conn *c)
{
	return from->calls->get(from, id, c);
}

/* Turn Nagle's algorithm off or on for this connection; off sends what is held back. */
static inline void pier_set_nodelay(struct pier_conn *c, bool on)
{
	c->calls->set_nodelay(c, on);
}

/*
 * The calls below set something for this connection alone; the listener's options say what it begins
 * with. They return false, and change nothing, if the value is out of range or the connection over.
 * A TTL, timeout or keep-alive time other than the listener's costs a block of memory (see the memory
 * contract that pier prints) as long as the connection lives, idle or not.
 */

/* The differentiated services codepoint of all segments from the next on, 0 to 63. */
static inline bool pier_set_dscp(struct pier_conn *c, unsigned int dscp)
{
	return c->calls->set_dscp(c, dscp);
}

/* The codepoint of the last segment that was received and acceptable. */
static inline unsigned int pier_received_dscp(struct pier_conn *c)
{
	return c->calls->received_dscp(c);
}

/* The time to live of all segments from the next on, 1 to 255. */
static inline bool pier_set_ttl(struct pier_conn *c, unsigned int ttl)
{
	return c->calls->set_ttl(c, ttl);
}

/* An idle time counts from now or from the peer's last segment, whichever is later. */
static inline bool pier_set_keepalive(struct pier_conn *c, const struct pier_keepalive *k)
{
	return c->calls->set_keepalive(c, k);
}

static inline void pier_get_keepalive(struct pier_conn *c, struct pier_keepalive *k)
{
	c->calls->get_keepalive(c, k);
}

/*
 * How long sent data may stay unacknowledged before the connection is given up: R2 of RFC 9293 section
 * 3.8.3 (PIER_CLOSE_TIMEOUT) and the user timeout of section 3.9.1.1 (PIER_CLOSE_USER_TIMEOUT); the
 * shorter one decides. PIER_FOREVER: never.
 */
static inline bool pier_set_timeouts(struct pier_conn *c, uint64_t r2_us, uint64_t user_us)
{
	return c->calls->set_timeouts(c, r2_us, user_us);
}

/*
 * Bytes that the connection keeps at most: of received data that data() has not consumed, which is the
 * window it offers, and of accepted data that the peer has not acknowledged. 0: as the listener has it.
 * From PIER_BUFFER_MIN to the listener's rcvbuf and sndbuf. A receive buffer set here neither grows nor shrinks; what was
 * offered before stays offered (RFC 9293 section 3.8.6). One larger than rcvbuf-initial needs that much of
 * the worker's budget for grown buffers, and is refused where it is spent. Keeps a block, as a TTL does.
 */
static inline bool pier_set_buffers(struct pier_conn *c, size_t rcv, size_t snd)
{
	return c->calls->set_buffers(c, rcv, snd);
}

/*
 * The most payload of a segment from the next on, from PIER_MSS_MIN bytes; the peer's MSS and the path may ask for
 * less. It can be lowered, not raised again (RFC 9293 section 3.7.1). What is under way stays as it is, and
 * goes in segments of the new size if it has to go again.
 */
static inline bool pier_set_mss(struct pier_conn *c, unsigned int mss)
{
	return c->calls->set_mss(c, mss);
}

/*
 * Open a connection on this worker, with from's handler, settings and options (RFC 9293 section
 * 3.10.1). Returns 0 and its id, by which pier_get reaches it at once; or, and then nothing was sent
 * and no callback follows, a negative errno: -EINVAL not a unicast address of another host, or no
 * port; -EADDRNOTAVAIL no such local address, or no local port left; -EADDRINUSE there is such a
 * connection; -ENETUNREACH no route; -ENOMEM; -ESHUTDOWN the server stops.
 *
 * pier_close before open gives the attempt up. It sends nothing while the peer has not answered.
 */
static inline int pier_connect(struct pier_conn *from, const struct pier_connect *to, uint64_t *id)
{
	return from->calls->connect(from, to, id);
}

/* Whether trouble is called for this connection; it is until told otherwise. */
static inline void pier_set_trouble(struct pier_conn *c, bool on)
{
	c->calls->set_trouble(c, on);
}

/*
 * What TCP knows now. From the first call on the connection keeps the block of memory that its counts
 * are in, as with a TTL of its own. False if the connection is over, or no block is left: all zero.
 */
static inline bool pier_get_tcp_info(struct pier_conn *c, struct pier_tcp_info *info)
{
	return c->calls->tcp_info(c, info, sizeof(*info));
}

#ifdef __cplusplus
}
#endif

#endif
