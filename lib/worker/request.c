/*
 * Requests from the control thread: messages by value over a pair of single-producer rings. A
 * request that was given up on leaves nothing dangling: its answer, come too late, has a number
 * nobody waits for.
 */
#include <time.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_pause.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "room.h"

#define RING_SIZE  16
#define WAIT_NS	   50000
/* A minute and more: some look at every record, a hundred million of them; and a worker's CPU may be away. */
#define WAIT_TURNS 1200000

static void carry_out(struct worker *w, struct worker_msg *m)
{
	switch ((enum worker_op)m->op) {
	case WORKER_OP_LISTEN:
		m->version = engine_listen(w->engine, m->listener);
		break;
	case WORKER_OP_RELISTEN:
		m->version = engine_relisten(w->engine, m->version, m->listener);
		break;
	case WORKER_OP_UNLISTEN:
		engine_unlisten(w->engine, m->version);
		break;
	case WORKER_OP_USERS:
		m->users = engine_listener_users(w->engine, m->version);
		break;
	case WORKER_OP_DRAIN:
		engine_drain(w->engine, w->now);
		break;
	case WORKER_OP_ABORT:
		worker_end_begin(w, m->us);
		break;
	case WORKER_OP_LEFT:
		worker_end_left(w, &m->left);
		break;
	case WORKER_OP_CLASH:
		m->found = engine_clash(w->engine, m->clash.local, &m->clash);
		break;
	case WORKER_OP_USAGE:
		engine_usage(w->engine, &m->usage);
		break;
	case WORKER_OP_AUDIT:
		m->audit = engine_audit(w->engine);
		break;
	case WORKER_OP_STOP:
		w->stop = true;
		break;
	}
}

void worker_serve(struct worker *w)
{
	struct worker_msg m;

	while (rte_ring_sc_dequeue_elem(w->requests, &m, sizeof(m)) == 0) {
		carry_out(w, &m);
		rte_ring_sp_enqueue_elem(w->replies, &m, sizeof(m));
	}
}

/* Be the worker for one request, if nobody is. */
static bool serve_idle(struct worker *w, struct worker_msg *msg)
{
	int from = WORKER_STOPPED;

	if (!__atomic_compare_exchange_n(&w->state, &from, WORKER_BORROWED, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	carry_out(w, msg);
	w->stop = false;
	__atomic_store_n(&w->state, WORKER_STOPPED, __ATOMIC_RELEASE);
	return true;
}

bool worker_request(struct worker *w, struct worker_msg *msg)
{
	const struct timespec pause = {.tv_nsec = WAIT_NS};
	const uint64_t one = 1, seq = ++w->seq;
	struct worker_msg m;

	if (serve_idle(w, msg))
		return true;
	msg->seq = seq;
	if (rte_ring_sp_enqueue_elem(w->requests, msg, sizeof(*msg)))
		return false;
	if (write(w->sleep.wake, &one, sizeof(one)) < 0)
		return false;
	for (unsigned int i = 0; i < WAIT_TURNS; i++) {
		while (rte_ring_sc_dequeue_elem(w->replies, &m, sizeof(m)) == 0)
			if (m.seq == seq) {
				*msg = m;
				return true;
			}
		nanosleep(&pause, NULL);
	}
	return false;
}

bool worker_rings_create(struct worker *w, char *err, size_t errlen)
{
	const unsigned int flags = RING_F_SP_ENQ | RING_F_SC_DEQ;
	const int node = w->memory.node;
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "worker_%u_req", w->id);
	w->requests = rte_ring_create_elem(name, sizeof(struct worker_msg), RING_SIZE, node, flags);
	snprintf(name, sizeof(name), "worker_%u_rep", w->id);
	w->replies = rte_ring_create_elem(name, sizeof(struct worker_msg), RING_SIZE, node, flags);
	if (w->requests && w->replies)
		return true;
	snprintf(err, errlen, "worker %u: cannot create its rings (%s)", w->id,
		 rte_strerror(rte_errno));
	worker_rings_free(w);
	return false;
}

void worker_rings_free(struct worker *w)
{
	rte_ring_free(w->requests);
	rte_ring_free(w->replies);
	w->requests = w->replies = NULL;
}
