/*
 * Expectations: the grammar, its messages, and what holds; and who a result says was the limit.
 */
#include "kit.h"

#include "expect.h"

static struct load_result r;

static int set_up(void **state)
{
	memset(&r, 0, sizeof(r));
	r.hz = 1e9;
	r.seconds = 2;
	r.counted.opened = 3000;
	r.counted.responses = 200000;
	r.counted.rx_bytes = 250000000;
	r.counted.ticks = 1000;
	r.counted.busy_ticks = 400;
	r.total.error[LOAD_ERR_refused] = 3;
	r.total.error[LOAD_ERR_status] = 1;
	for (uint64_t v = 1; v <= 1000; v++)
		hist_add(&r.times.complete, v * 1000);
	return 0;
}

static bool holds(const char *text)
{
	struct expect e;
	char err[512];
	double is;

	if (!expect_parse(text, &e, err, sizeof(err)))
		fail_msg("%s: %s", text, err);
	return expect_holds(&e, &r, &is);
}

static const char *refusal(const char *text)
{
	static char err[512];
	struct expect e;

	assert_false(expect_parse(text, &e, err, sizeof(err)));
	return err;
}

static void operators(void **state)
{
	assert_true(holds("errors=4") && !holds("errors=3"));
	assert_true(holds("errors==4") && !holds("errors==3"));
	assert_true(holds("errors!=3") && !holds("errors!=4"));
	assert_true(holds("errors<5") && !holds("errors<4"));
	assert_true(holds("errors<=4") && !holds("errors<=3"));
	assert_true(holds("errors>3") && !holds("errors>4"));
	assert_true(holds("errors>=4") && !holds("errors>=5"));
	assert_true(holds("  errors  >=  4  "));
}

static void values(void **state)
{
	assert_true(holds("rps=100k") && holds("rps=100000") && holds("rps<0.1001m"));
	assert_true(holds("cps=1.5k") && holds("rx.bps=1g") && holds("tx.bps=0"));
	assert_true(holds("errors.refused=3") && holds("errors.status=1") && holds("errors.reset=0"));
	assert_true(holds("busy=40%") && holds("busy<0.5"));
	assert_true(holds("complete.p50<=502us") && holds("complete.p50>=500us"));
	assert_true(holds("complete.p99.9<1.1ms") && !holds("complete.p99<0.9ms"));
	assert_true(holds("complete.max=1ms") && holds("complete.mean>500000ns"));
	assert_true(holds("complete.p100=1ms") && holds("complete.p100<2s"));
}

/* Nothing was connected: neither below nor above anything. */
static void nothing_holds_of_nothing(void **state)
{
	assert_false(holds("connect.p99<5s"));
	assert_false(holds("connect.p99>=0us"));
	assert_false(holds("connect.p99=0s"));
	assert_false(holds("connect.p99!=1s"));
}

static void messages(void **state)
{
	assert_non_null(strstr(refusal("erors=0"), "METRIC one of errors, errors.KIND"));
	assert_non_null(strstr(refusal(""), "METRIC OPERATOR VALUE"));
	assert_non_null(strstr(refusal("=0"), "METRIC OPERATOR VALUE"));
	assert_non_null(strstr(refusal("errors.nothing=0"), "METRIC"));
	assert_non_null(strstr(refusal("connect.p101<1ms"), "METRIC"));
	assert_non_null(strstr(refusal("connect.p9x<1ms"), "METRIC"));
	assert_non_null(strstr(refusal("connect<1ms"), "METRIC"));
	assert_non_null(strstr(refusal("errors"), "expected = != < <= > or >="));
	assert_non_null(strstr(refusal("errors 0"), "expected = != < <= > or >="));
	assert_non_null(strstr(refusal("errors!0"), "expected = != < <= > or >="));
	assert_non_null(strstr(refusal("errors=="), "a number, such as 1000"));
	assert_non_null(strstr(refusal("errors===0"), "a number, such as 1000"));
	assert_non_null(strstr(refusal("errors=-1"), "a number, such as 1000"));
	assert_non_null(strstr(refusal("errors=1ms"), "a number, such as 1000"));
	assert_non_null(strstr(refusal("rps>100kk"), "a number a second"));
	assert_non_null(strstr(refusal("complete.p99<5"), "a time with its unit"));
	assert_non_null(strstr(refusal("busy<90k"), "a share"));
}

static void limits(void **state)
{
	r.total.responses = r.counted.responses;
	assert_int_equal(load_bound(&r), LOAD_BOUND_SERVER);
	r.wanted = 100000;
	assert_int_equal(load_bound(&r), LOAD_BOUND_SCHEDULE);
	r.wanted = 110000;
	assert_int_equal(load_bound(&r), LOAD_BOUND_SERVER);
	r.counted.busy_ticks = 990;
	r.counted.busy_turns = 10;
	r.counted.received = 300;
	assert_int_equal(load_bound(&r), LOAD_BOUND_CLIENT);
	r.counted.received = 20;
	assert_int_equal(load_bound(&r), LOAD_BOUND_UNCLEAR);
	r.counted.error[LOAD_ERR_status] = r.counted.responses;
	assert_int_equal(load_bound(&r), LOAD_BOUND_UNCLEAR);
	r.counted.error[LOAD_ERR_status]++;
	assert_int_equal(load_bound(&r), LOAD_BOUND_ERRORS);
	r.counted.error[LOAD_ERR_status] = 0;
	r.rested = 0.6; /* few errors, behind which little else was done */
	assert_int_equal(load_bound(&r), LOAD_BOUND_ERRORS);
	r.rested = 0.4;
	r.open = 5;
	r.counted.error[LOAD_ERR_refused] = r.counted.responses + r.open;
	assert_int_equal(load_bound(&r), LOAD_BOUND_UNCLEAR);
	r.counted.error[LOAD_ERR_refused]++;
	assert_int_equal(load_bound(&r), LOAD_BOUND_ERRORS);
	r.counted.error[LOAD_ERR_refused] = 0;
	r.open = 0;
	r.total.error[LOAD_ERR_connect_timeout] = 10; /* none of them while it counted */
	assert_int_equal(load_bound(&r), LOAD_BOUND_UNCLEAR);
	r.total.responses = r.counted.responses = 0;
	assert_int_equal(load_bound(&r), LOAD_BOUND_ERRORS);
	r.open = 5; /* without an answer each */
	assert_int_equal(load_bound(&r), LOAD_BOUND_UNCLEAR);
	r.asks = true;
	assert_int_equal(load_bound(&r), LOAD_BOUND_ERRORS);
	set_up(state);
	r.counted.port_waits = 1;
	assert_int_equal(load_bound(&r), LOAD_BOUND_PORTS);
	r.wanted = 100000;
	assert_int_equal(load_bound(&r), LOAD_BOUND_SCHEDULE);
	r.wanted = 0;
	r.held = true;
	assert_int_equal(load_bound(&r), LOAD_BOUND_SCHEDULE);
	r.seconds = 0;
	assert_int_equal(load_bound(&r), LOAD_BOUND_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(operators, set_up), cmocka_unit_test_setup(values, set_up),
		cmocka_unit_test_setup(nothing_holds_of_nothing, set_up),
		cmocka_unit_test_setup(messages, set_up), cmocka_unit_test_setup(limits, set_up),
	};

	return cmocka_run_group_tests_name("load_expect", tests, NULL, NULL);
}
