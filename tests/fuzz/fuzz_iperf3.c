/*
 * Fuzzes what iperf3's client says on a control connection (lib/handlers/iperf3_msg.c).
 *
 * The first byte of an input chooses how the rest is cut and whether it is parameters or results; the rest
 * is one message with its length, and what follows it. Oracle: the message is the same whole, byte by byte and
 * cut, of exactly the octets its length says; parameters that are accepted are within their limits; results
 * that are accepted can be written, and read back as they were.
 *
 * The same file is a libFuzzer target, and in every build a test that replays the corpus.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "handlers/iperf3_msg.h"

/* Feed in pieces, each from memory of its exact size. Returns the octets that were taken. */
static size_t feed(struct iperf3_frame *f, const uint8_t *data, size_t len, size_t piece, uint32_t max,
		   enum iperf3_frame_event *event)
{
	size_t at = 0, used;

	*event = IPERF3_FRAME_MORE;
	while (at < len && *event == IPERF3_FRAME_MORE) {
		size_t n = piece < len - at ? piece : len - at;
		uint8_t *copy = malloc(n);

		CHECK(copy);
		memcpy(copy, data + at, n);
		*event = iperf3_frame_feed(f, copy, n, max, &used);
		CHECK(used <= n && (*event != IPERF3_FRAME_MORE || used == n));
		at += used;
		free(copy);
	}
	return at;
}

static void check_params(const struct iperf3_params *p)
{
	CHECK(p->parallel >= 1 && p->parallel <= IPERF3_PARALLEL);
	CHECK(p->block >= 1 && p->block <= 1 << 20);
	CHECK(!(p->reverse && p->both));
	CHECK(p->time_s <= 86400 && p->tos <= 255 && p->rate <= 1ull << 53);
}

static void check_results(const struct iperf3_results *r)
{
	static struct iperf3_results back;
	char *text;
	size_t len;

	CHECK(r->n <= IPERF3_STREAMS);
	text = iperf3_results_write(r, &len);
	CHECK(text && len > 4);
	if (iperf3_results_read(text + 4, len - 4, &back) == IPERF3_OK) { /* CPU or times may be infinite */
		CHECK(back.n == r->n && back.sends == r->sends);
		for (uint32_t i = 0; i < r->n; i++)
			CHECK(back.stream[i].bytes == r->stream[i].bytes &&
			      back.stream[i].retransmits == r->stream[i].retransmits);
	}
	free(text);
}

static void read_text(const struct iperf3_frame *f, bool results)
{
	static struct iperf3_results r;
	struct iperf3_params p;

	if (results && iperf3_results_read(f->text, f->len, &r) == IPERF3_OK)
		check_results(&r);
	else if (!results && iperf3_params_read(f->text, f->len, &p) == IPERF3_OK)
		check_params(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iperf3_frame whole = {0}, cut = {0};
	enum iperf3_frame_event event, again;
	const bool results = size && data[0] & 0x80;
	const uint32_t max = results ? IPERF3_RESULTS_MAX : IPERF3_PARAMS_MAX;
	size_t at;

	if (!size)
		return 0;
	at = feed(&whole, data + 1, size - 1, size, max, &event);
	for (size_t piece = 1; piece < 20; piece += data[0] % 7 + 3) {
		CHECK(feed(&cut, data + 1, size - 1, piece, max, &again) == at);
		CHECK(again == event && cut.got == whole.got && cut.len == whole.len);
		CHECK(event != IPERF3_FRAME_WHOLE || !memcmp(cut.text, whole.text, whole.len));
		iperf3_frame_free(&cut);
	}
	if (event == IPERF3_FRAME_WHOLE) {
		CHECK(at == whole.len + 4u);
		read_text(&whole, results);
	}
	iperf3_frame_free(&whole);
	return 0;
}
