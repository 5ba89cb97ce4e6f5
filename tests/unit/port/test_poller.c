/*
 * What the interrupt thread unmaps stays until every poller has passed. EAL's alarms run in that
 * thread, as a driver's callbacks do; nothing here depends on how long anything takes.
 */
#include "kit.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_alarm.h>

#include "port/poller.h"

#define SIZE 4096

enum step { ASKED, BEGUN, DONE };

static int step;
static uint8_t *page;

static int now(void)
{
	return __atomic_load_n(&step, __ATOMIC_ACQUIRE);
}

static void unmap(void *arg)
{
	(void)arg;
	__atomic_store_n(&step, BEGUN, __ATOMIC_RELEASE);
	munmap(page, SIZE);
	__atomic_store_n(&step, DONE, __ATOMIC_RELEASE);
}

/* Until the interrupt thread is there; it may be late, so without an end of its own. */
static void until(enum step s)
{
	while (now() < (int)s)
		usleep(100);
}

static void ask(void)
{
	step = ASKED;
	page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(rte_eal_alarm_set(1, unmap, NULL), 0);
}

static bool mapped(void)
{
	return msync(page, SIZE, MS_ASYNC) == 0;
}

/* The interrupt thread looks again and again; this one is in a burst all the while. */
static void stays_while_a_burst_lasts(void **state)
{
	(void)state;
	port_poller_begin();
	ask();
	until(BEGUN);
	for (unsigned int i = 0; i < 200; i++) {
		usleep(100);
		assert_int_equal(now(), BEGUN);
		*(volatile uint8_t *)(page + i) = (uint8_t)i;
	}
	port_poller_pass();
	until(DONE);
	assert_false(mapped());
	port_poller_end();
}

static void goes_at_once_without_pollers(void **state)
{
	(void)state;
	ask();
	until(DONE);
	assert_false(mapped());
	/* One that has ended, or sleeps, and passes by without having begun again: no poller. */
	port_poller_begin();
	port_poller_end();
	port_poller_pass();
	ask();
	until(DONE);
	assert_false(mapped());
}

static void other_threads_wait_for_nobody(void **state)
{
	(void)state;
	port_poller_begin();
	step = ASKED;
	page = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unmap(NULL);
	assert_false(mapped());
	errno = 0;
	assert_int_equal(munmap((void *)1, SIZE), -1);
	assert_int_equal(errno, EINVAL);
	port_poller_end();
}

/* A driver is another object: its call has to find ours. */
static void drivers_call_this_one(void **state)
{
	(void)state;
	assert_ptr_equal(dlsym(RTLD_DEFAULT, "munmap"), (void *)munmap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stays_while_a_burst_lasts),
		cmocka_unit_test(goes_at_once_without_pollers),
		cmocka_unit_test(other_threads_wait_for_nobody),
		cmocka_unit_test(drivers_call_this_one),
	};

	return cmocka_run_group_tests(tests, kit_eal, kit_eal_end);
}
