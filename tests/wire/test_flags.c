/*
 * Every combination of flags in four states, against a table that is checked in.
 * Rows: HDR-09.
 *
 * The segment is empty and in order: SEQ is RCV.NXT and ACK is SND.NXT where there is a connection.
 * A row of the table has URG, ACK and PSH in common, a column RST, SYN and FIN.
 */
#include "kit.h"

#define ANY_ACK 777 /* where there is nothing to acknowledge */

/*
 *   .  nothing is sent and nothing changes
 *   A  challenge ACK
 *   F  ACK of the FIN, end of data is told
 *   O  the connection opens, in silence
 *   E  it opens, and as F
 *   S  SYN-ACK
 *   X  the connection, or its beginning, is gone, in silence
 *   R  RST at the number acknowledged
 *   r  RST with ACK of all that was sent
 */
struct table {
	const char *state;
	/*                 URG ACK PSH      -   FIN SYN S+F RST R+F R+S RSF */
	const char *rows[8];
};

static const struct table tables[] = {
	{"LISTEN",
	 {"..S.....", "..S.....", "RRRR....", "RRRR....",
	  "..S.....", "..S.....", "RRRR....", "RRRR...."}},
	{"SYN-RECEIVED",
	 {"..XXXXXX", "..XXXXXX", "OEXXXXXX", "OEXXXXXX",
	  "..XXXXXX", "..XXXXXX", "OEXXXXXX", "OEXXXXXX"}},
	{"ESTABLISHED",
	 {"..AAXXXX", "..AAXXXX", ".FAAXXXX", ".FAAXXXX",
	  "..AAXXXX", "..AAXXXX", ".FAAXXXX", ".FAAXXXX"}},
	{"closed port",
	 {"rrrr....", "rrrr....", "RRRR....", "RRRR....",
	  "rrrr....", "rrrr....", "RRRR....", "RRRR...."}},
};

/* In the tables' order. */
enum { LISTEN, SYN_RECEIVED, ESTABLISHED, CLOSED_PORT };

static struct kit_peer *in_state(struct kit *k, unsigned int state)
{
	struct kit_peer *p = kit_peer(k);

	p->app.half_open_on_eof = true;
	if (state == CLOSED_PORT)
		p->dport = 4444;
	if (state == SYN_RECEIVED) {
		kit_syn(p);
		kit_synack(p);
	}
	if (state == ESTABLISHED)
		kit_open(p);
	kit_quiet(k);
	return p;
}

/* How many there are of what the segment may have changed. */
struct before {
	uint64_t half_open, connections, opens, eofs, closes;
};

static struct before look(const struct kit_peer *p)
{
	struct engine_usage u = kit_usage(p->k);

	return (struct before){u.half_open, u.connections, p->app.opens, p->app.eofs,
			       p->app.closes};
}

static char silent_outcome(const struct before *b, const struct before *a)
{
	if (a->opens > b->opens)
		return 'O';
	if (a->half_open < b->half_open || a->closes > b->closes)
		return 'X';
	return memcmp(a, b, sizeof(*a)) ? '?' : '.';
}

static char outcome(struct kit_peer *p, unsigned int state, uint8_t flags)
{
	uint32_t len = !!(flags & SYN) + !!(flags & FIN);
	struct before b = look(p), a;
	struct seg g;
	char c;

	if (state == LISTEN || state == CLOSED_PORT)
		p->iss = 0; /* a RST's number is then what was acknowledged */
	send_seg(p, .flags = flags, .seq = 1,
		 .ack = state == LISTEN || state == CLOSED_PORT ? ANY_ACK : 1);
	a = look(p);
	if (!kit_has(p->k))
		return silent_outcome(&b, &a);
	g = kit_take(p);
	kit_quiet(p->k);
	if ((g.flags & (SYN | ACK)) == (SYN | ACK))
		c = g.ack == 2 && a.half_open == b.half_open + 1 ? 'S' : '?';
	else if (g.flags == RST)
		c = g.seq == ANY_ACK ? 'R' : '?';
	else if (g.flags == (RST | ACK))
		c = g.seq == 0 && g.ack == 1 + len ? 'r' : '?';
	else if (g.flags != ACK || g.seq != 1)
		c = '?';
	else if (a.eofs > b.eofs)
		c = g.ack != 2 ? '?' : a.opens > b.opens ? 'E' : 'F';
	else
		c = g.ack == 1 && !memcmp(&a, &b, sizeof(a)) ? 'A' : '?';
	return c;
}

static void one_table(unsigned int state)
{
	const struct table *t = &tables[state];
	struct kit *k = kit_new();
	unsigned int wrong = 0;

	k->conf.max_half_open = 128;
	for (unsigned int flags = 0; flags < 64; flags++) {
		char want = t->rows[flags >> 3][flags & 7];
		char got = outcome(in_state(k, state), state, (uint8_t)flags);

		if (got != want) {
			print_error("%s, flags 0x%02x: %c, not %c\n", t->state, flags, got, want);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
	kit_close(k);
}

static void HDR_09_all_flags(void **s)
{
	for (unsigned int state = 0; state < ARRAY_SIZE(tables); state++)
		one_table(state);
}

/* Anywhere in the window, with payload and without. */
static void HDR_09_no_answer_without_syn_rst_ack(void **s)
{
	static const uint8_t flags[] = {0, FIN, URG, PSH, FIN | PSH | URG};
	static const uint32_t at[] = {1, 2, 100, 60000};
	struct kit *k = *s;
	struct kit_peer *p[] = {kit_peer(k), in_state(k, SYN_RECEIVED), in_state(k, ESTABLISHED)};

	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		for (unsigned int f = 0; f < ARRAY_SIZE(flags); f++)
			for (unsigned int j = 0; j < ARRAY_SIZE(at); j++) {
				struct before b = look(p[i]), a;

				send_seg(p[i], .flags = flags[f], .seq = at[j]);
				send_seg(p[i], .flags = flags[f], .seq = at[j], .len = 50);
				kit_quiet(k);
				a = look(p[i]);
				assert_memory_equal(&a, &b, sizeof(a));
				assert_int_equal(p[i]->app.rx, 0);
			}
	send_seg(p[2], .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(p[2]->app.rx, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(HDR_09_all_flags),
		KIT_TEST(HDR_09_no_answer_without_syn_rst_ack),
	};

	return KIT_RUN("flags", tests);
}
