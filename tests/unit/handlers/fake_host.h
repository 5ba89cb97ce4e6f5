/*
 * pier's side of the handler API, without pier: a connection whose peer is the test.
 *
 * The host keeps what the handler did not consume, takes no more than the room the test gives, and
 * calls back as pier does (pier/handler.h), but gives nothing away: what was not consumed is offered
 * again only when more arrives or pier_resume was called. It asserts the rules a handler must keep: no more
 * consumed than offered, static bytes unchanged, nothing held at the end. Received bytes lie in
 * blocks of their exact size that are gone after the callback, so that ASan sees an overrun.
 *
 * A connection that the handler opens is a host of its own, which the test finds by fake_opened and decides
 * over: fake_answer, fake_end, or nothing.
 */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H

#include "pier/handler.h"

struct fake_host {
	struct fake_host *next; /* of all that there are */
	const struct pier_handler *handler;
	struct pier_conn conn;
	struct pier_calls calls;
	void *settings;
	bool lent;        /* the settings are another's */

	/* Set by the test, between fake_new and the first turn or at any time. */
	size_t capacity;  /* of the send queue */
	size_t rate;      /* bytes that leave it in a turn */
	size_t slice_len; /* of received slices */

	char *rx;         /* received, not consumed */
	size_t rx_len;
	char *out;        /* accepted for sending, NUL-ended */
	size_t out_len, out_size;
	size_t queued;    /* of out, what has not left */
	size_t taken;     /* bytes consumed in all */
	struct static_run {
		const char *data;
		size_t len, at; /* where in out */
	} *runs;
	size_t runs_n, runs_size;

	unsigned int turns, writables, datas, opens, closes, eofs, sends;
	bool fin;         /* the peer's */
	bool news, resumed, want_writable;
	bool shut;        /* no more sending */
	bool closing;     /* close is to be called */
	bool rst;         /* the peer gets a RST */
	bool aborted;     /* by pier_abort */
	bool pending;     /* opened by the handler, and not answered yet */
	struct pier_connect to;   /* what the handler asked for */
	struct pier_info info;    /* what pier_get_info says */
	int connect_error;        /* what pier_connect returns; 0: it opens */
	enum pier_close_reason why; /* what close was told */
	bool nodelay;
	unsigned int dscp, mss;
	size_t rcvbuf, sndbuf; /* by pier_set_buffers */
	size_t buffer_max;     /* more is refused; 0: nothing is */
	uint32_t retransmits; /* what pier_get_tcp_info says */
	uint64_t timer;   /* when; 0: none */
};

/* What the wall clock shows, in seconds of Unix time. Handlers see no other. */
extern int64_t fake_clock;

/*
 * Open a connection of the handler. config holds "key=value" lines for its option table; NULL: the
 * defaults. Fails the test if the settings are refused.
 */
struct fake_host *fake_new(const struct pier_handler *handler, const char *config);

/* As fake_new, but with the limits given before open is called. */
struct fake_host *fake_new_limited(const struct pier_handler *handler, const char *config,
				   size_t capacity, size_t slice_len);

/* As fake_new_limited, with settings that stay the caller's; neither setup nor teardown is called. */
struct fake_host *fake_with(const struct pier_handler *handler, void *settings, size_t capacity,
			    size_t slice_len);

/* Another connection of the same listener; to be freed before f. */
struct fake_host *fake_beside(const struct fake_host *f);

/* The nth connection, from 0, that the handler opened and that is not freed; NULL: there is none. */
struct fake_host *fake_opened(unsigned int n);

/* The peer that a pending connection was opened to answers. */
void fake_answer(struct fake_host *f);

/* It ends for another reason than the handler's wish: RST, silence, refusal, the server's stop. */
void fake_end(struct fake_host *f, enum pier_close_reason why);

/* Turns of all connections until nothing happens. */
void fake_run_all(void);

/* Time passes for all connections at once, and turns after it. */
void fake_wait_all(uint64_t us);

/* The server stops: a connection at rest is closed, unless its handler says that it will. */
void fake_drain(struct fake_host *f);

/* Read config into new settings, released by fake_settings_free. setup is not called. */
void *fake_settings(const struct pier_handler *handler, const char *config);
void fake_settings_free(const struct pier_handler *handler, void *settings);

/* Bytes, or the FIN, arrive from the peer. */
void fake_input(struct fake_host *f, const void *data, size_t len);
void fake_fin(struct fake_host *f);

/* One turn of callbacks. Returns whether there was anything to do. */
bool fake_turn(struct fake_host *f);

/* Turns until nothing happens. Fails the test after a great many. */
void fake_run(struct fake_host *f);

/* Time passes; the timer is called if it is due. */
void fake_wait(struct fake_host *f, uint64_t us);

/* One of the listener's statistics; UINT64_MAX: there is none of that name. */
uint64_t fake_stat(const struct pier_handler *handler, const void *settings, const char *name);

/* End the connection if it has not ended, check what must hold at the end, and free it all. */
void fake_free(struct fake_host *f);

#endif
