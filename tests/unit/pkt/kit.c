/*
 * See kit.h.
 */
#include "kit.h"

#include <rte_eal.h>
#include <rte_mempool.h>

const uint8_t kit_mac[6] = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};

int kit_start(void **state)
{
	static char args[][16] = {"test", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
				  "--log-level=*:4", "-m", "64", "--lcores", "0"};
	static char *argv[ARRAY_SIZE(args)];

	for (unsigned i = 0; i < ARRAY_SIZE(args); i++)
		argv[i] = args[i];
	return rte_eal_init(ARRAY_SIZE(argv), argv) < 0 ? -1 : 0;
}

int kit_stop(void **state)
{
	return rte_eal_cleanup();
}

/* No per-lcore cache: what is available is counted exactly, and runs out exactly. */
struct rte_mempool *kit_pool(const char *name, unsigned n, unsigned buf_len)
{
	struct rte_mempool *mp = rte_pktmbuf_pool_create(name, n, 0, 0, (uint16_t)buf_len, 0);

	assert_non_null(mp);
	return mp;
}

uint32_t kit_rnd(void)
{
	static uint64_t seed = 0x2545f4914f6cdd1dull;

	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33);
}

void kit_fill(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)kit_rnd();
}

uint16_t kit_sum(const uint8_t *p, size_t len, uint32_t start)
{
	uint32_t sum = start;

	for (size_t i = 0; i < len; i++) {
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static void ext_free(void *addr, void *opaque)
{
	free(opaque);
	free(addr);
}

static struct rte_mbuf *exact(struct rte_mempool *mp, const uint8_t *p, uint32_t len)
{
	struct rte_mbuf_ext_shared_info *info = calloc(1, sizeof(*info));
	struct rte_mbuf *m = rte_pktmbuf_alloc(mp);
	uint8_t *mem = malloc(len);

	assert_non_null(m);
	if (len)
		memcpy(mem, p, len);
	info->free_cb = ext_free;
	info->fcb_opaque = info;
	rte_mbuf_ext_refcnt_set(info, 1);
	rte_pktmbuf_attach_extbuf(m, mem, RTE_BAD_IOVA, (uint16_t)len, info);
	m->data_off = 0;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	return m;
}

struct rte_mbuf *kit_chain(struct rte_mempool *mp, const uint8_t *frame, uint32_t len,
			   const uint32_t *cuts, unsigned n_cuts)
{
	uint32_t at = 0;
	struct rte_mbuf *head = NULL;

	for (unsigned i = 0; i <= n_cuts; i++) {
		uint32_t end = i < n_cuts ? cuts[i] : len;
		struct rte_mbuf *m = exact(mp, frame + at, end - at);

		if (head)
			assert_int_equal(rte_pktmbuf_chain(head, m), 0);
		else
			head = m;
		at = end;
	}
	return head;
}

void kit_ip_sum(struct kit_frame *k)
{
	uint8_t *ip = k->buf + 14;

	store_be16(ip + 10, 0);
	store_be16(ip + 10, (uint16_t)~kit_sum(ip, (ip[0] & 15) * 4u, 0));
}

void kit_frame_sums(struct kit_frame *k)
{
	uint8_t *ip = k->buf + 14, *tcp = ip + (ip[0] & 15) * 4u;
	uint16_t tcp_len = (uint16_t)(load_be16(ip + 2) - (ip[0] & 15) * 4u);

	kit_ip_sum(k);
	store_be16(tcp + 16, 0);
	store_be16(tcp + 16,
		   (uint16_t)~kit_sum(tcp, tcp_len, kit_sum(ip + 12, 8, 6u + tcp_len)));
}

void kit_frame_make(struct kit_frame *k)
{
	unsigned ihl = 20 + k->ip_opt_len, doff = 20 + k->tcp_opt_len;
	uint8_t *ip = k->buf + 14, *tcp = ip + ihl;

	memset(k->buf, 0, 14 + ihl + doff);
	memcpy(k->buf, kit_mac, 6);
	memcpy(k->buf + 6, "\x02\0\0\0\0\x01", 6);
	store_be16(k->buf + 12, 0x0800);
	ip[0] = (uint8_t)(0x40 | ihl / 4);
	ip[1] = k->tos;
	store_be16(ip + 2, (uint16_t)(ihl + doff + k->payload_len));
	store_be16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, "\xc0\0\x02\x01\xc6\x33\x64\x07", 8);
	if (k->ip_opt_len)
		memcpy(ip + 20, k->ip_opt, k->ip_opt_len);
	store_be16(tcp, 4096);
	store_be16(tcp + 2, 80);
	store_be32(tcp + 4, 0xfffffff0);
	store_be32(tcp + 8, 0x12345678);
	tcp[12] = (uint8_t)(doff << 2);
	tcp[13] = k->tcp_flags ? k->tcp_flags : 0x18;
	store_be16(tcp + 14, 0xfffe);
	store_be16(tcp + 18, 0x0203);
	if (k->tcp_opt_len)
		memcpy(tcp + 20, k->tcp_opt, k->tcp_opt_len);
	if (k->payload_len)
		memcpy(tcp + doff, k->payload, k->payload_len);
	k->len = 14 + ihl + doff + k->payload_len;
	kit_frame_sums(k);
}
