/*
 * Active opens: SYN-SENT, its answers, and what a connection is after it.
 */
#include "kit.h"

#include <errno.h>

static void OPN_02_active_open(void **s)
{
	struct kit *k = *s;
	struct kit_peer *p = kit_peer(k);
	struct seg syn;

	p->offer = OFFER_ALL;
	p->app.on_open = 5000;
	syn = kit_connect(p);
	assert_int_equal(syn.flags, SYN);
	assert_int_equal(syn.win, 65535);
	assert_int_equal(syn.mss, 1460);
	assert_int_equal(p->app.opens, 0);
	assert_int_equal(kit_usage(k).connections, 1);
	p->win = 1000;
	kit_accept(p);
	assert_int_equal(p->app.opens, 1);
	/* SND.WND, not scaled, comes from the SYN-ACK; the ACK of that rides on the data. */
	expect(p, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	kit_quiet(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KIT_TEST(OPN_02_active_open),
	};

	return cmocka_run_group_tests_name("connect", tests, kit_group_setup, NULL);
}
