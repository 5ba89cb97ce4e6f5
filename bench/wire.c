/*
 * A length of wire with a delay: two TAPs, and what goes into one comes out of the other later.
 *
 * A path inside one machine has no round-trip time, and without one loss costs a sender nothing: the
 * next acknowledgment is always there. This puts the time in, where netem is not to be had, and
 * what long paths do besides: some frames are held longer, so that others overtake them, and some
 * come out twice, the second as late as a frame that is held. Loss is not its business.
 *
 * Frames wait in a heap by the time they are due. It is made once for LIMIT frames; one that finds
 * it full is lost and counted, so that whoever measures can see that the wire was too short. The
 * random numbers are from a seed, the times are real: no two runs are alike.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_tun.h>

#define LIMIT      65536
#define FRAME_MAX  1600
#define READ_BURST 64
#define QUEUE      10000 /* frames that a TAP holds for us while we do not run */
#define MILLION    1000000
#define ADDRESSES  8

struct frame {
	uint64_t due, serial; /* ns; equal times leave in the order of arrival */
	unsigned int to, len;
	uint8_t data[FRAME_MAX];
};

struct end {
	const char *name;
	int fd;
	uint64_t in, out, late, twice, full, refused;
};

struct wire {
	struct end end[2];
	struct frame **heap; /* the first n of LIMIT wait, the others are free */
	unsigned int n;
	uint64_t serial, random;
	uint64_t delay, hold;           /* ns; hold is the most that a frame is late by */
	unsigned int reorder, duplicate; /* of a million frames */
	uint32_t only;                  /* network order; of other addresses nothing is late or twice */
	struct {
		uint32_t address;
		uint64_t delay;
	} own[ADDRESSES];               /* addresses with a delay of their own */
	unsigned int n_own;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	stop = 1;
}

static void die(const char *what, const char *which)
{
	fprintf(stderr, "wire: %s %s: %s\n", what, which, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* xorshift64* */
static uint64_t draw(struct wire *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * 2685821657736338717u >> 16;
}

static bool before(const struct frame *a, const struct frame *b)
{
	return a->due < b->due || (a->due == b->due && a->serial < b->serial);
}

static void swap(struct wire *w, unsigned int a, unsigned int b)
{
	struct frame *f = w->heap[a];

	w->heap[a] = w->heap[b];
	w->heap[b] = f;
}

/* The frame after the last one waiting was filled in: let it wait too. */
static void heap_push(struct wire *w)
{
	unsigned int i = w->n++;

	for (; i && before(w->heap[i], w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(w, i, (i - 1) / 2);
}

/* The earliest becomes free. */
static void heap_pop(struct wire *w)
{
	unsigned int i = 0, child;

	swap(w, 0, --w->n);
	while ((child = 2 * i + 1) < w->n) {
		if (child + 1 < w->n && before(w->heap[child + 1], w->heap[child]))
			child++;
		if (before(w->heap[i], w->heap[child]))
			break;
		swap(w, i, child);
		i = child;
	}
}

/* Whether this is IPv4 from or to address. */
static bool concerns(const uint8_t *data, unsigned int len, uint32_t address)
{
	return len >= 34 && data[12] == 0x08 && data[13] == 0x00 &&
	       (!memcmp(data + 26, &address, 4) || !memcmp(data + 30, &address, 4));
}

static uint64_t delay_of(const struct wire *w, const uint8_t *data, unsigned int len)
{
	for (unsigned int i = 0; i < w->n_own; i++)
		if (concerns(data, len, w->own[i].address))
			return w->own[i].delay;
	return w->delay;
}

static void wait_until(struct wire *w, unsigned int to, const uint8_t *data, unsigned int len,
		       uint64_t due)
{
	struct frame *f;

	if (w->n == LIMIT) {
		w->end[!to].full++;
		return;
	}
	f = w->heap[w->n];
	f->due = due;
	f->serial = w->serial++;
	f->to = to;
	f->len = len;
	memcpy(f->data, data, len);
	heap_push(w);
}

static void take(struct wire *w, unsigned int from, uint64_t now)
{
	struct end *e = &w->end[from];
	uint8_t data[FRAME_MAX];

	for (unsigned int i = 0; i < READ_BURST; i++) {
		ssize_t len = read(e->fd, data, sizeof(data));
		uint64_t due;

		if (len <= 0)
			return;
		e->in++;
		due = now + delay_of(w, data, (unsigned int)len);
		if (!w->only || concerns(data, (unsigned int)len, w->only)) {
			if (draw(w) % MILLION < w->duplicate) {
				e->twice++;
				wait_until(w, !from, data, (unsigned int)len,
					   due + draw(w) % (w->hold + 1));
			}
			if (draw(w) % MILLION < w->reorder) {
				e->late++;
				due += draw(w) % (w->hold + 1);
			}
		}
		wait_until(w, !from, data, (unsigned int)len, due);
	}
}

static void give(struct wire *w, uint64_t now)
{
	while (w->n && w->heap[0]->due <= now) {
		struct frame *f = w->heap[0];
		struct end *e = &w->end[f->to];

		if (write(e->fd, f->data, f->len) == (ssize_t)f->len)
			e->out++;
		else
			e->refused++;
		heap_pop(w);
	}
}

static void run(struct wire *w)
{
	struct pollfd fds[2] = {
		{ .fd = w->end[0].fd, .events = POLLIN },
		{ .fd = w->end[1].fd, .events = POLLIN },
	};

	while (!stop) {
		struct timespec t = { 1, 0 };
		uint64_t now = now_ns();

		if (w->n) {
			uint64_t rest = w->heap[0]->due > now ? w->heap[0]->due - now : 0;

			t.tv_sec = (time_t)(rest / 1000000000);
			t.tv_nsec = (long)(rest % 1000000000);
		}
		if (ppoll(fds, 2, &t, NULL) < 0 && errno != EINTR)
			die("poll", "");
		now = now_ns();
		for (unsigned int i = 0; i < 2; i++)
			if (fds[i].revents & POLLIN)
				take(w, i, now);
		give(w, now_ns());
	}
}

/* Opens the TAP, in the namespace that is named, and makes its queue long. Ends the program if it cannot. */
static int tap_open(const char *net, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	char path[128];
	int fd, s;

	snprintf(path, sizeof(path), "/run/netns/%s", net);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die("namespace", path);
	close(fd);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		die("TAP", name);
	ifr.ifr_qlen = QUEUE;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0 || ioctl(s, SIOCSIFTXQLEN, &ifr))
		die("queue of", name);
	close(s);
	return fd;
}

static void end_open(struct end *e, char *where)
{
	char *name = strchr(where, ':');

	if (!name) {
		fprintf(stderr, "wire: %s: expected NAMESPACE:INTERFACE\n", where);
		exit(2);
	}
	*name++ = '\0';
	e->name = name;
	e->fd = tap_open(where, name);
}

static void say(const struct wire *w)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct end *e = &w->end[i];

		printf("%s\"%s\": {\"in\": %ju, \"out\": %ju, \"late\": %ju, \"twice\": %ju, "
		       "\"full\": %ju, \"refused\": %ju}%s",
		       i ? " " : "{", e->name, (uintmax_t)e->in, (uintmax_t)e->out,
		       (uintmax_t)e->late, (uintmax_t)e->twice, (uintmax_t)e->full,
		       (uintmax_t)e->refused, i ? "}\n" : ",");
	}
}

static void usage(void)
{
	fputs("usage: bench_wire [--delay MS] [--own IPv4-ADDRESS:MS]... [--reorder PERCENT]\n"
	      "                  [--duplicate PERCENT] [--hold MS] [--only IPv4-ADDRESS] [--seed N]\n"
	      "                  NETNS:TAP NETNS:TAP\n"
	      "What is to or from an --own address has that delay. Makes both TAPs and joins them until it is ended; says \"ready\", and at the end what\n"
	      "went in at each TAP, came out there, was late (by up to --hold), went in once and out\n"
	      "twice, found no room, or was refused by the TAP.\n", stderr);
	exit(2);
}

static double number(const char *text, double max)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0 && value <= max))
		usage();
	return value;
}

/* ADDRESS:MS */
static void own_delay(struct wire *w, char *text)
{
	char *ms = strchr(text, ':');

	if (!ms || w->n_own == ADDRESSES)
		usage();
	*ms++ = '\0';
	if (inet_pton(AF_INET, text, &w->own[w->n_own].address) != 1)
		usage();
	w->own[w->n_own++].delay = (uint64_t)(number(ms, 10000) * MILLION);
}

static void options(struct wire *w, int argc, char **argv)
{
	static const struct option known[] = {
		{ "delay", 1, 0, 'd' }, { "own", 1, 0, 'a' }, { "reorder", 1, 0, 'r' }, { "duplicate", 1, 0, 'u' },
		{ "hold", 1, 0, 'h' }, { "only", 1, 0, 'o' }, { "seed", 1, 0, 's' }, { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'd')
			w->delay = (uint64_t)(number(optarg, 10000) * MILLION);
		else if (c == 'a')
			own_delay(w, optarg);
		else if (c == 'h')
			w->hold = (uint64_t)(number(optarg, 10000) * MILLION);
		else if (c == 'r')
			w->reorder = (unsigned int)(number(optarg, 100) * (MILLION / 100));
		else if (c == 'u')
			w->duplicate = (unsigned int)(number(optarg, 100) * (MILLION / 100));
		else if (c == 's')
			w->random = (uint64_t)number(optarg, 1e15) + 1;
		else if (c != 'o' || inet_pton(AF_INET, optarg, &w->only) != 1)
			usage();
	}
	if (argc - optind != 2)
		usage();
}

int main(int argc, char **argv)
{
	static struct wire w = { .random = 1, .hold = 5 * MILLION };
	struct sigaction act = { .sa_handler = on_signal };
	struct frame *frames;

	options(&w, argc, argv);
	frames = calloc(LIMIT, sizeof(*frames));
	w.heap = calloc(LIMIT, sizeof(*w.heap));
	if (!frames || !w.heap)
		die("memory", "");
	for (unsigned int i = 0; i < LIMIT; i++)
		w.heap[i] = &frames[i];
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* the TAPs go when we go */
	prctl(PR_SET_TIMERSLACK, 1);
	end_open(&w.end[0], argv[optind]);
	end_open(&w.end[1], argv[optind + 1]);
	puts("ready");
	fflush(stdout);
	run(&w);
	say(&w);
	free(w.heap);
	free(frames);
	return 0;
}
