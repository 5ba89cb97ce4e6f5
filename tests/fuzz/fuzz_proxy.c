/*
 * The header of the PROXY protocol: what a stream reads as does not depend on how it was split, nothing
 * is read beyond its end, and what was read and is written again reads the same.
 *
 * The first byte of an input seeds the cuts, the rest is the stream.
 */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "handlers/proxy_header.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* Each time some more bytes are there; ASan sees a look behind them. */
static size_t read_all(struct proxy_header *h, const uint8_t *data, size_t len, unsigned int seed,
		       enum proxy_event *event)
{
	size_t at = 0, there = 0, n;
	bool goes_on = true;

	*h = (struct proxy_header){0};
	*event = PROXY_MORE;
	while (*event == PROXY_MORE && goes_on) {
		uint8_t *exact;

		seed = seed * 1103515245 + 12345;
		goes_on = there < len;
		there = min_of(len, there + (seed >> 16) % 40 + 1);
		n = h->in_tlvs ? there - at : min_of(there - at, (size_t)PROXY_HEAD_MAX);
		exact = malloc(n + !n);
		must(exact != NULL);
		memcpy(exact, data + at, n);
		n = proxy_header_read(h, exact, n, event);
		free(exact);
		must(n <= there - at);
		goes_on |= n > 0;
		at += n;
	}
	return at;
}

static void write_again(const struct proxy_header *h)
{
	struct pier_info info = {.remote_port = h->source_port, .local_port = h->destination_port};
	uint8_t text[PROXY_SEND_MAX];
	enum proxy_event event;

	memcpy(info.remote_addr, h->source, 16);
	memcpy(info.local_addr, h->destination, 16);
	for (int v = 1; v <= 2; v++) {
		size_t n = v == 1 ? proxy_header_v1(text, &info) : proxy_header_v2(text, &info);
		struct proxy_header again;

		must(read_all(&again, text, n, 1, &event) == n && event == PROXY_DONE);
		must(!memcmp(again.source, h->source, 16) &&
		     !memcmp(again.destination, h->destination, 16));
		must(again.source_port == h->source_port &&
		     again.destination_port == h->destination_port);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header a, b;
	enum proxy_event ea, eb;
	size_t na, nb;

	if (!size)
		return 0;
	na = read_all(&a, data + 1, size - 1, data[0], &ea);
	nb = read_all(&b, data + 1, size - 1, data[0] + 77u, &eb);
	must(ea == eb);
	if (ea != PROXY_DONE)
		return 0;
	must(na == nb && a.addresses == b.addresses && !memcmp(&a, &b, offsetof(struct proxy_header, skip)));
	if (a.addresses)
		write_again(&a);
	return 0;
}
