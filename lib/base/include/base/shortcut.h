/*
 * Shortcuts: ways that do what a longer one does as well, for cases that are frequent and simple. Whoever takes one
 * asks SHORTCUT(NAME) first, which is the constant 1: it costs nothing, and says where they are.
 *
 * tests/twin compiles the files that ask a second time, with SHORTCUT_SWITCH, and there it is a bit of a variable: an
 * engine that takes all shortcuts and one that takes none are given the same, and have to do the same.
 *
 * A new one: a name here and in tests/twin/main.c, its file in tests/twin/meson.build.
 */
#ifndef PIER_BASE_SHORTCUT_H
#define PIER_BASE_SHORTCUT_H

enum shortcut {
	SHORTCUT_HINT,   /* tcp: the record that the lookup pass found */
	SHORTCUT_INPUT,  /* fast.c: data in order */
	SHORTCUT_BARE,   /* fast.c: a FIN, an ACK of everything */
	SHORTCUT_OUTPUT, /* fast.c: one segment that carries all there is */
	SHORTCUT_LEND,   /* lend.h: in the mbuf that it came in */
	SHORTCUT_ACK,    /* fast.c: nothing to say but that */
	SHORTCUT_CC,     /* algo/cc.h: an ACK that congestion control learns nothing from */
	SHORTCUT_RUN,    /* run.c: several full segments */
	SHORTCUT_FIRST,  /* queue.c, sndq.h: all of it is one copy */
	SHORTCUT_ATTACH, /* listen.c: a new connection's block */
	SHORTCUT_OPTIONS, /* push.h, segment.c: the usual options as words */
	SHORTCUT_TABLE,  /* flow/table.c: an entry in its first bucket */
	SHORTCUT_MEMO,   /* handlers/http_memo.h: the last request again */
	SHORTCUT_PLAIN,  /* pkt/parse.c: usual headers in one piece */
	SHORTCUT_AGAIN, /* engine/pass.c: the last segment's address of ours */
	SHORTCUT_MESSAGE, /* engine/dispatch.c: one message in one slice */
	SHORTCUT_CLOSED, /* engine/dispatch.c: news of a connection whose handler is gone */
	SHORTCUT_SHARED, /* queue.c, sndq.h: bytes that lie there once, whoever sends them */
	SHORTCUT_MAX
};

#ifdef SHORTCUT_SWITCH
extern unsigned int shortcuts; /* a bit for each that is taken */
#define SHORTCUT(name) (shortcuts >> SHORTCUT_##name & 1)
#else
#define SHORTCUT(name) 1
#endif

#endif
