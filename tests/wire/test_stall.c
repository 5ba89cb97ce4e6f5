/*
 * A window update that gets lost, with buffers of every awkward size: neither side may wait for the other
 * for longer than its timers. Row: T-30.
 */
#include "kit.h"

#define RTO      (400 * MS)
#define OVERRIDE SEC
#define TOTAL    20000u

/* Around whole segments of 1460 octets; all odd. */
static const uint32_t sizes[] = {1, 3, 535, 1459, 1461, 2189, 2919, 2921, 4379, 4381, 5839, 5841};

/*
 * The engine receives, its nth empty ACK is lost. The sender is as RFC 9293 section 3.8.6.2.1 says: a full
 * segment, or half of the largest window, or after the override what fits; it probes a closed window.
 */
static void receive_with_loss(struct kit *k, unsigned int lost)
{
	struct kit_peer *p = kit_peer(k);
	uint32_t seq = 1, una = 1, edge, most, n_acks = 0;
	uint64_t progress = k->now, sent = k->now;

	kit_syn(p);
	edge = 1 + kit_synack(p).win;
	most = edge - 1;
	send_seg(p, .flags = ACK, .seq = 1, .ack = 1);
	while (una < 1 + TOTAL) {
		uint32_t left = 1 + TOTAL - seq, len = min_of(edge - seq, 1460u);
		bool worth;

		len = min_of(len, left);
		worth = len && (len == 1460 || len == left || len >= most / 2 ||
				k->now - sent >= OVERRIDE);
		if (worth) {
			send_seg(p, .flags = ACK, .seq = seq, .ack = 1, .len = len);
			seq += len;
			sent = k->now;
		} else if (k->now - sent >= RTO && (una != seq || edge == seq)) {
			len = una != seq ? min_of(seq - una, 1460u) : 1; /* again, or a probe */
			send_seg(p, .flags = ACK, .seq = una, .ack = 1, .len = len);
			sent = k->now;
		}
		kit_advance(k, 5 * MS);
		while (kit_has(k)) {
			struct seg g = kit_take(p);

			if (++n_acks == lost)
				continue;
			most = max_of(most, (uint32_t)g.win);
			edge = seq_max(edge, g.ack + g.win);
			if (seq_gt(g.ack, una)) {
				progress = k->now;
				seq = seq_max(seq, g.ack);
			}
			una = seq_max(una, g.ack);
		}
		assert_true(k->now - progress <= OVERRIDE + RTO + 20 * MS);
	}
	assert_int_equal(p->app.rx, TOTAL);
	send_seg(p, .flags = RST, .seq = 1 + TOTAL);
	kit_drain(k);
}

static void T_30_the_receivers_ack_is_lost(void **s)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct kit *k = kit_new();
		unsigned int most = sizes[i] < 500 ? 4 : 16;

		if (sizes[i] < 500)
			k->tcp.delack = 5 * MS; /* an octet or three at a time */
		k->tcp.rcvbuf = sizes[i];
		for (unsigned int lost = 1; lost <= most; lost++)
			receive_with_loss(k, lost);
		kit_close(k);
	}
}

/* The engine sends; the peer has a buffer of `buf`, says what RFC 9293 section 3.8.6.2.2 lets it, once. */
static void send_with_loss(struct kit *k, uint32_t buf, unsigned int lost)
{
	struct kit_peer *p = kit_peer(k);
	uint32_t got = 1, edge = 1 + buf, acked = 1, n_acks = 0;
	uint64_t progress, heard = 0;

	p->win = (uint16_t)buf;
	kit_open(p);
	kit_app_send(p, TOTAL);
	progress = k->now;
	while (got < 1 + TOTAL) {
		bool owed = false;

		while (kit_has(k)) {
			struct seg g = kit_take(p);

			if (seq_leq(g.seq, got) && seq_gt(g.seq + g.len, got) &&
			    seq_leq(g.seq + g.len, edge)) {
				got = g.seq + g.len;
				progress = k->now;
			} else if (g.len) {
				owed = true; /* a duplicate, a probe */
			}
		}
		if (got != acked && !heard)
			heard = k->now;
		owed |= got - acked >= 2 * 1460 || got == edge ||
			(heard && k->now - heard >= 40 * MS);
		if (owed) {
			if (got + buf - edge >= min_of(buf / 2, 1460u))
				edge = got + buf;
			p->win = (uint16_t)(edge - got);
			acked = got;
			heard = 0;
			if (++n_acks != lost)
				send_seg(p, .flags = ACK, .seq = 1, .ack = got);
		}
		kit_advance(k, 5 * MS);
		assert_true(k->now - progress <= OVERRIDE + SEC + 50 * MS);
	}
	send_seg(p, .flags = RST, .seq = 1);
	kit_drain(k);
}

static void T_30_the_senders_peers_ack_is_lost(void **s)
{
	for (unsigned int i = 2; i < ARRAY_SIZE(sizes); i++) {
		for (unsigned int j = 2; j < ARRAY_SIZE(sizes); j += 3) {
			struct kit *k = kit_new();

			k->tcp.sndbuf = sizes[j];
			for (unsigned int lost = 1; lost <= 12; lost++)
				send_with_loss(k, sizes[i], lost);
			kit_close(k);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(T_30_the_receivers_ack_is_lost),
		cmocka_unit_test(T_30_the_senders_peers_ack_is_lost),
	};

	return KIT_RUN("stall", tests);
}
