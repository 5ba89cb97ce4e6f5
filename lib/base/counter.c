/*
 * The names and help texts of the counters, from the list in base/counter.h.
 */
#include "base/counter.h"

const struct counter_info counter_info[CTR_MAX] = {
#define X(NAME, name, help) [CTR_##NAME] = {#name, help},
	COUNTER_RX_DROPS(X)
	COUNTER_TX_DROPS(X)
	COUNTER_EVENTS(X)
#undef X
};

uint64_t counter_rx_dropped(const struct counters *c)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < CTR_RX_DROPS_END; i++)
		sum += c->v[i];
	return sum;
}
