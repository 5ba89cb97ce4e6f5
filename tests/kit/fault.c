/*
 * Memory that runs out when a test says so: the kit's mempools hand out objects through operations of
 * their own, and calls of slab_alloc are led here by the linker (--wrap).
 */
#include <rte_mempool.h>

#include "algo/slab.h"
#include "kit.h"

unsigned int kit_fail_mbufs, kit_fail_slab;
bool kit_poison;

uint32_t __real_slab_alloc(struct slab *s, unsigned int order);
uint32_t __wrap_slab_alloc(struct slab *s, unsigned int order);

static bool fails(unsigned int every)
{
	static unsigned int n;

	return every && ++n % every == 0;
}

uint32_t __wrap_slab_alloc(struct slab *s, unsigned int order)
{
	return fails(kit_fail_slab) ? 0 : __real_slab_alloc(s, order);
}

struct rte_mbuf *kit_wire_mbuf(void)
{
	const unsigned int every = kit_fail_mbufs;
	struct rte_mbuf *m;

	kit_fail_mbufs = 0;
	m = rte_pktmbuf_alloc(kit_mp);
	kit_fail_mbufs = every;
	return m;
}

static struct rte_mbuf *kept[KIT_MBUFS];
static unsigned int n_kept;

void kit_wire_keep(struct rte_mbuf *m)
{
	if (!kit_fail_mbufs) {
		/* One by one: what next leads to may be a chain of the engine's by now. */
		while (n_kept)
			rte_pktmbuf_free_seg(kept[--n_kept]);
	} else {
		for (; m; m = m->next) {
			rte_mbuf_refcnt_update(m, 1);
			kept[n_kept++] = m;
		}
	}
}

struct stack {
	unsigned int n;
	void *obj[];
};

/* Where a leak checker finds them: it does not look into EAL's memory. */
static void *stacks[4];

static int stack_alloc(struct rte_mempool *mp)
{
	static unsigned int n;

	mp->pool_data = calloc(1, sizeof(struct stack) + mp->size * sizeof(void *));
	stacks[n++ % ARRAY_SIZE(stacks)] = mp->pool_data;
	return mp->pool_data ? 0 : -ENOMEM;
}

static void stack_free(struct rte_mempool *mp)
{
	free(mp->pool_data);
}

static int stack_enqueue(struct rte_mempool *mp, void *const *obj, unsigned int n)
{
	struct stack *s = mp->pool_data;

	for (unsigned int i = 0; i < n && kit_poison; i++) {
		struct rte_mbuf *m = obj[i];

		memset(m->buf_addr, 0xdb, m->buf_len);
	}
	memcpy(s->obj + s->n, obj, n * sizeof(*obj));
	s->n += n;
	return 0;
}

static int stack_dequeue(struct rte_mempool *mp, void **obj, unsigned int n)
{
	struct stack *s = mp->pool_data;

	if (s->n < n || fails(kit_fail_mbufs))
		return -ENOBUFS;
	for (unsigned int i = 0; i < n; i++)
		obj[i] = s->obj[--s->n];
	return 0;
}

static unsigned int stack_count(const struct rte_mempool *mp)
{
	const struct stack *s = mp->pool_data;

	return s->n;
}

static const struct rte_mempool_ops ops = {
	.name = KIT_MEMPOOL_OPS,
	.alloc = stack_alloc,
	.free = stack_free,
	.enqueue = stack_enqueue,
	.dequeue = stack_dequeue,
	.get_count = stack_count,
};

RTE_MEMPOOL_REGISTER_OPS(ops)
