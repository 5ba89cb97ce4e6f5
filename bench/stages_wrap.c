/*
 * Only in bench_stages: what stands in the place of calls between rooms. The list of names is
 * bench/meson.build's as well; a name that nothing calls any more does no harm.
 */
#include "engine/engine.h"
#include "pkt/build.h"
#include "stages.h"
#include "tcp/tcp.h"

const bool stages_on = true;

#define MARKED(which, call)                                                                        \
	do {                                                                                       \
		const enum stage before = stage_enter(which);                                      \
		call;                                                                              \
		stage_leave(before);                                                               \
	} while (0)

/* NOLINTBEGIN: the names are the linker's. */
void __real_tcp_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f);
void __wrap_tcp_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f);
__attribute__((weak)) void __real_engine_look_ahead(struct engine *e, struct pkt_facts **seg,
						    unsigned int n);
void __wrap_engine_look_ahead(struct engine *e, struct pkt_facts **seg, unsigned int n);
void __real_engine_run_ready(struct engine *e);
void __wrap_engine_run_ready(struct engine *e);
struct rte_mbuf *__real_pkt_build(struct pkt_pool *pool, const struct pkt_port *pp,
				  const struct slice *slices, unsigned int n, uint32_t skip,
				  uint32_t len, uint16_t *sum);
struct rte_mbuf *__wrap_pkt_build(struct pkt_pool *pool, const struct pkt_port *pp,
				  const struct slice *slices, unsigned int n, uint32_t skip,
				  uint32_t len, uint16_t *sum);
void __real_tcp_seg_finish(struct tcp *t, struct rte_mbuf *m, const struct flow_tuple *tuple,
			   uint32_t path, const struct tcp_seg *seg, uint8_t ttl, uint16_t payload_sum);
void __wrap_tcp_seg_finish(struct tcp *t, struct rte_mbuf *m, const struct flow_tuple *tuple,
			   uint32_t path, const struct tcp_seg *seg, uint8_t ttl, uint16_t payload_sum);
/* NOLINTEND */

void __wrap_tcp_input(struct tcp *t, struct rte_mbuf *m, struct pkt_facts *f)
{
	MARKED(STAGE_INPUT, __real_tcp_input(t, m, f));
}

void __wrap_engine_look_ahead(struct engine *e, struct pkt_facts **seg, unsigned int n)
{
	MARKED(STAGE_LOOKUP, __real_engine_look_ahead(e, seg, n));
}

void __wrap_engine_run_ready(struct engine *e)
{
	MARKED(STAGE_READY, __real_engine_run_ready(e));
}

struct rte_mbuf *__wrap_pkt_build(struct pkt_pool *pool, const struct pkt_port *pp,
				  const struct slice *slices, unsigned int n, uint32_t skip,
				  uint32_t len, uint16_t *sum)
{
	struct rte_mbuf *m;

	MARKED(STAGE_BUILD, m = __real_pkt_build(pool, pp, slices, n, skip, len, sum));
	return m;
}

void __wrap_tcp_seg_finish(struct tcp *t, struct rte_mbuf *m, const struct flow_tuple *tuple,
			   uint32_t path, const struct tcp_seg *seg, uint8_t ttl, uint16_t payload_sum)
{
	MARKED(STAGE_BUILD, __real_tcp_seg_finish(t, m, tuple, path, seg, ttl, payload_sum));
}
