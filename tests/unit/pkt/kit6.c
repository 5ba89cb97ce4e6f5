/*
 * See kit6.h.
 */
#include "kit6.h"

const uint8_t kit6_saddr[16] = {0xfd, 0, 0, 0x18, [15] = 1}, kit6_daddr[16] = {0xfd, 0, 0, 0x18, [15] = 2};

void kit6_begin(struct kit6_frame *k)
{
	uint8_t *ip = k->buf + KIT6_L3;

	memcpy(k->buf, kit_mac, 6);
	memcpy(k->buf + 6, "\x02\0\0\0\0\x01", 6);
	store_be16(k->buf + 12, 0x86dd);
	store_be32(ip, 0x60000000);
	ip[6] = 59;
	ip[7] = 64;
	memcpy(ip + 8, kit6_saddr, 16);
	memcpy(ip + 24, kit6_daddr, 16);
	k->len = KIT6_L4;
	k->next_at = KIT6_L3 + 6;
	kit6_end(k);
}

void kit6_end(struct kit6_frame *k)
{
	store_be16(k->buf + KIT6_L3 + 4, (uint16_t)(k->len - KIT6_L4));
}

void kit6_add(struct kit6_frame *k, uint8_t number, const void *p, uint32_t len)
{
	assert_true(k->len + len <= sizeof(k->buf));
	k->buf[k->next_at] = number;
	if (len)
		memcpy(k->buf + k->len, p, len);
	k->next_at = k->len;
	k->len += len;
	kit6_end(k);
}

void kit6_sum(struct kit6_frame *k, uint32_t l4, uint32_t at, uint8_t proto)
{
	uint32_t len = KIT6_L4 + load_be16(k->buf + KIT6_L3 + 4) - l4;

	store_be16(k->buf + l4 + at, 0);
	store_be16(k->buf + l4 + at,
		   (uint16_t)~kit_sum(k->buf + l4, len, kit_sum(k->buf + KIT6_L3 + 8, 32, proto + len)));
}

void kit6_tcp(struct kit6_frame *k, uint8_t flags, const uint8_t *opt, uint32_t opt_len, uint32_t payload_len)
{
	uint8_t th[20] = {0x10, 0, 0, 80, 0xff, 0xff, 0xff, 0xf0, 0x12, 0x34, 0x56, 0x78, 0, flags, 0xff, 0xfe, 0, 0, 2, 3};
	uint32_t l4 = k->len;

	th[12] = (uint8_t)((20 + opt_len) << 2);
	kit6_add(k, 6, th, sizeof(th));
	if (opt_len)
		memcpy(k->buf + k->len, opt, opt_len);
	k->len += opt_len;
	for (uint32_t i = 0; i < payload_len; i++)
		k->buf[k->len++] = (uint8_t)(i * 7 + 3);
	kit6_end(k);
	kit6_sum(k, l4, 16, 6);
}
