/*
 * What the files of the receiving side share: chains of received mbufs, the two queues built of them,
 * and the books of who holds how many.
 *
 * Once its headers are parsed an mbuf of payload becomes a link of a chain: data_off and data_len say
 * where the payload lies, next leads on, and there are no gaps between the links. Two neighbours
 * that fit into the buffer of one are copied together, so that what a chain of n octets keeps is at
 * most 2n and one buffer, however small the segments were.
 */
#ifndef PIER_TCP_RCV_H
#define PIER_TCP_RCV_H

#include "tcp/rcvq.h"
#include "tcp/window.h"

/* ---- chain.c ---- */

/*
 * Copy n bytes at `more` behind the len bytes at data, which lie in m's buffer and may be moved to
 * its start. Returns where they are then; NULL if they do not fit or m is not ours alone.
 */
uint8_t *rcv_absorb(struct rte_mbuf *m, uint8_t *data, uint32_t len, const uint8_t *more,
		    uint32_t n);

/* Add m, which is held; it may be copied into the last link, and is then given back. */
void rcv_chain_append(struct tcp *t, struct tcp_work *w, struct tcp_chain *to, struct rte_mbuf *m,
		      uint32_t *links);
void rcv_chain_prepend(struct tcp *t, struct tcp_work *w, struct tcp_chain *to, struct rte_mbuf *m,
		       uint32_t *links);
/* Add all of `more`, which is then empty; *links counts those of both before, of to after. */
void rcv_chain_join(struct tcp *t, struct tcp_work *w, struct tcp_chain *to, struct tcp_chain *more,
		    uint32_t *links);
struct rte_mbuf *rcv_chain_pop(struct tcp_chain *from);
void rcv_chain_drop(struct tcp *t, struct tcp_work *w, struct tcp_chain *c);
/* A copy of n bytes at p in an mbuf of its own, at the start of its buffer; NULL: none left. */
struct rte_mbuf *rcv_copy(struct tcp *t, const uint8_t *p, uint32_t n);

/* ---- rcvq.c ---- */

/* Append a slice of an mbuf, taking the reference. Never fails. */
void rcvq_append(struct tcp *t, struct tcp_work *w, const struct slice *s);
/* Append a chain whose links are held. */
void rcvq_append_chain(struct tcp *t, struct tcp_work *w, struct tcp_chain *chain);
void rcvq_drop(struct tcp *t, struct tcp_work *w);

/* ---- ooo.c ---- */

/*
 * Payload in m at seq, behind RCV.NXT: what is new of it is queued, the first copy of an octet wins.
 * Takes the reference. False if a part of it could not be kept.
 */
bool ooo_insert(struct tcp *t, struct tcp_work *w, struct rte_mbuf *m, uint32_t seq);
/* Ranges that begin at RCV.NXT go to the receive queue; whether there were any. */
bool ooo_promote(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);
/* Hold the caps: highest ranges go first. */
void ooo_trim(struct tcp *t, struct tcp_conn *c, struct tcp_work *w);
/* The first part of [seq, end) that is queued already; false if there is none. */
bool ooo_overlap(const struct tcp *t, struct tcp_work *w, uint32_t seq, uint32_t end,
		 struct tcp_sack_block *b);
/* Where the last range ends, or `none`. */
uint32_t ooo_end(const struct tcp *t, struct tcp_work *w, uint32_t none);
/* Remember where the newest data went: RFC 2018 section 4 reports that first. */
void ooo_newest(const struct tcp *t, struct tcp_work *w, uint32_t seq);
/* The highest range of the fattest connection goes; false: there is none. */
bool ooo_evict(struct tcp *t);
void ooo_drop(struct tcp *t, struct tcp_work *w);

#endif
