/*
 * An echo server as one would write it for the kernel's TCP, and its client: one thread, epoll,
 * nothing clever. The server sends back what it reads. The client keeps one message on its way in each of
 * N connections, checks each echo, and says how many came back in the time.
 *
 *	bench_epoll_echo ADDRESS PORT                            serve until killed
 *	bench_epoll_echo ADDRESS PORT CONNECTIONS BYTES SECONDS  be the client; JSON on standard output
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS	256
#define MESSAGE 1448
#define FDS_MAX 65536

static uint32_t waiting[FDS_MAX]; /* bytes of its echo that a client's connection has not got yet */

static void __attribute__((noreturn)) fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int stream(void)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || fd >= FDS_MAX)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void watch(int poll, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		fail("fcntl");
	if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e))
		fail("epoll_ctl");
}

static void serve_one(int poll, int listener, int fd)
{
	char buf[16384];
	ssize_t n;

	if (fd == listener) {
		while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
			watch(poll, fd);
		return;
	}
	n = read(fd, buf, sizeof(buf));
	if (n > 0 && write(fd, buf, (size_t)n) == n)
		return;
	if (n < 0 && errno == EAGAIN)
		return;
	close(fd);
}

static void serve(const struct sockaddr_in *sa)
{
	const int poll = epoll_create1(EPOLL_CLOEXEC), listener = stream();
	struct epoll_event events[EVENTS];

	if (bind(listener, (const struct sockaddr *)sa, sizeof(*sa)) || listen(listener, 4096))
		fail("listen");
	watch(poll, listener);
	for (;;) {
		const int n = epoll_wait(poll, events, EVENTS, -1);

		for (int i = 0; i < n; i++)
			serve_one(poll, listener, events[i].data.fd);
	}
}

static void say(int fd, const char *message, uint32_t bytes)
{
	if (write(fd, message, bytes) != (ssize_t)bytes)
		fail("write");
	waiting[fd] = bytes;
}

/* Whether an echo is complete. */
static int hear(int fd, const char *message, uint32_t bytes)
{
	char buf[MESSAGE];
	const ssize_t n = read(fd, buf, sizeof(buf));

	if (n <= 0 || n > (ssize_t)waiting[fd] ||
	    memcmp(buf, message + bytes - waiting[fd], (size_t)n)) {
		fprintf(stderr, "what came back is not the echo\n");
		exit(1);
	}
	waiting[fd] -= (uint32_t)n;
	return waiting[fd] == 0;
}

static void client(const struct sockaddr_in *sa, unsigned int conns, uint32_t bytes, double seconds)
{
	const int poll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[EVENTS];
	unsigned long echoes = 0;
	char message[MESSAGE];
	double start, end;

	for (uint32_t i = 0; i < bytes; i++)
		message[i] = (char)(i * 37 + 1);
	for (unsigned int i = 0; i < conns; i++) {
		const int fd = stream();

		if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)))
			fail("connect");
		watch(poll, fd);
		say(fd, message, bytes);
	}
	for (start = end = now(); end - start < seconds; end = now()) {
		const int n = epoll_wait(poll, events, EVENTS, 100);

		for (int i = 0; i < n; i++) {
			if (!hear(events[i].data.fd, message, bytes))
				continue;
			echoes++;
			say(events[i].data.fd, message, bytes);
		}
	}
	printf("{\"units\": %lu, \"seconds\": %.6f}\n", echoes, end - start);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};

	if ((argc != 3 && argc != 6) || inet_pton(AF_INET, argv[1], &sa.sin_addr) != 1) {
		fprintf(stderr, "usage: %s ADDRESS PORT [CONNECTIONS BYTES SECONDS]\n", argv[0]);
		return 2;
	}
	sa.sin_port = htons((uint16_t)atoi(argv[2]));
	if (argc == 3)
		serve(&sa);
	if (atoi(argv[4]) < 1 || atoi(argv[4]) > MESSAGE) {
		fprintf(stderr, "a message has 1 to %d bytes\n", MESSAGE);
		return 2;
	}
	client(&sa, (unsigned int)atoi(argv[3]), (uint32_t)atoi(argv[4]), atof(argv[5]));
	return 0;
}
