/*
 * What a worker does when there is nothing to do, for idle = sleep.
 *
 * It spins for a while after the last packet, since a wake-up costs tens of microseconds on
 * hardware and hundreds in a virtual machine, then waits for the ports' descriptors, a request, or
 * time. Each wait that ends without work doubles the next, up to a bound: 100 ms if every port can
 * wake the worker, 1 ms if one cannot. The first ones are short because readiness may come before
 * the packet can be had: net_tap's receive function waits for a signal, which another thread may be
 * late to handle.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_atomic.h>

#include "base/units.h"
#include "port/poller.h"
#include "room.h"

/* Microseconds. */
#define SPIN	    200
#define SLEEP_MIN   50
#define SLEEP_BLIND US_PER_MS
#define SLEEP_WAKED (100 * US_PER_MS)

static bool watch(int epoll, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

	return fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) == 0;
}

bool worker_sleep_init(struct worker *w, bool wanted, char *err, size_t errlen)
{
	struct worker_sleep *s = &w->sleep;

	s->wanted = wanted;
	s->us = SLEEP_MIN;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->epoll < 0 || s->wake < 0 || !watch(s->epoll, s->wake)) {
		snprintf(err, errlen, "worker %u: cannot create descriptors to wait on (%s)", w->id,
			 strerror(errno));
		worker_sleep_free(w);
		return false;
	}
	if (w->team)
		w->team->bell[w->id].fd = s->wake;
	s->wakeable = true;
	for (unsigned int i = 0; i < w->n_rx; i++)
		s->wakeable &= watch(s->epoll, port_rx_fd(w->rx[i].port, w->rx[i].rxq));
	return true;
}

void worker_sleep_free(struct worker *w)
{
	if (w->sleep.epoll >= 0)
		close(w->sleep.epoll);
	if (w->sleep.wake >= 0)
		close(w->sleep.wake);
	w->sleep.epoll = w->sleep.wake = -1;
}

static void arm(struct worker *w, bool on)
{
	w->sleep.armed = on;
	for (unsigned int i = 0; i < w->n_rx; i++)
		if (port_rx_fd(w->rx[i].port, w->rx[i].rxq) >= 0)
			port_rx_arm(w->rx[i].port, w->rx[i].rxq, on);
}

/* Wait, at most us; true if a descriptor ended it. A signal ends it too. */
static bool wait(struct worker_sleep *s, uint64_t us)
{
	const struct timespec ts = {us / US_PER_SEC, us % US_PER_SEC * 1000};
	struct epoll_event ev[WORKER_PORTS_MAX + 1];
	struct pollfd p = {.fd = s->epoll, .events = POLLIN};

	return ppoll(&p, 1, &ts, NULL) > 0 && epoll_wait(s->epoll, ev, ARRAY_SIZE(ev), 0) > 0;
}

static bool queues_empty(const struct worker *w)
{
	for (unsigned int i = 0; i < w->n_queues; i++)
		if (w->queues[i].n)
			return false;
	return true;
}

/* Say that we sleep, then look once more: who hands over does it in the other order. */
static bool others_are_done(struct worker *w, int *asleep)
{
	__atomic_store_n(asleep, 1, __ATOMIC_RELAXED);
	rte_smp_mb();
	if (!worker_waits(w))
		return true;
	__atomic_store_n(asleep, 0, __ATOMIC_RELAXED);
	return false;
}

void worker_rest(struct worker *w)
{
	struct worker_sleep *s = &w->sleep;
	uint64_t next, us;
	bool woken;

	if (!s->wanted || !queues_empty(w))
		return;
	if (!s->idle) {
		s->idle = true;
		s->since = w->now;
		s->us = SLEEP_MIN;
	}
	if (w->now - s->since < SPIN)
		return;
	if (!s->armed) {
		arm(w, true); /* and poll once more before sleeping */
		return;
	}
	next = engine_next(w->engine, w->now);
	if (w->hook.next)
		next = min_of(next, w->hook.next(w->hook.arg, w->now));
	if (next <= w->now)
		return;
	us = min_of(s->us, next - w->now);
	if (w->team && !others_are_done(w, &w->team->bell[w->id].asleep))
		return;
	port_poller_end();
	woken = wait(s, us);
	port_poller_begin();
	if (w->team)
		__atomic_store_n(&w->team->bell[w->id].asleep, 0, __ATOMIC_RELAXED);
	if (woken) {
		arm(w, false);
		s->us = SLEEP_MIN;
	} else {
		s->us = min_of(2 * s->us, s->wakeable ? SLEEP_WAKED : SLEEP_BLIND);
	}
	w->turns = 0; /* the next turn looks for requests */
}
