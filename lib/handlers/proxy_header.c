/*
 * The PROXY protocol's header: see handlers/proxy_header.h.
 *
 * Up to the addresses it is read as a whole, for it is short and its bytes can wait where they are. The
 * TLVs of version 2 may be 64 KiB: they are read as they come.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "handlers/proxy_header.h"

#define SIGNATURE_LEN 12
#define FIXED_LEN     16 /* of version 2, before the addresses */
#define TLV_CRC32C    3
#define WORD_MAX      INET6_ADDRSTRLEN

enum { AF2_UNSPEC, AF2_INET, AF2_INET6, AF2_UNIX };
enum { PROTO2_UNSPEC, PROTO2_STREAM, PROTO2_DGRAM };

static const uint8_t signature[SIGNATURE_LEN] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U',
						 'I', 'T', '\n'};
static const char text_signature[] = "PROXY ";
static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* CRC-32c (RFC 3720 appendix B.4), four bits at a time. */
static uint32_t crc32c(uint32_t crc, uint8_t byte)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	crc ^= byte;
	crc = crc >> 4 ^ table[crc & 15];
	return crc >> 4 ^ table[crc & 15];
}

static void crc_add(struct proxy_header *h, const uint8_t *p, size_t n)
{
	while (n--)
		h->crc = crc32c(h->crc, *p++);
}

/* ---- version 1 ---- */

/* The next word of a line, and the one blank before it. Returns what follows, or NULL. */
static const char *word(const char *at, const char *end, char to[WORD_MAX])
{
	size_t n = 0;

	if (at == end || *at++ != ' ')
		return NULL;
	while (at < end && *at != ' ' && n < WORD_MAX - 1)
		to[n++] = *at++;
	to[n] = '\0';
	return n && (at == end || *at == ' ') ? at : NULL;
}

static bool take_address(const char *text, bool v6, uint8_t to[16])
{
	if (v6)
		return inet_pton(AF_INET6, text, to) == 1;
	memcpy(to, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, to + sizeof(mapped)) == 1;
}

static bool take_port(const char *text, uint16_t *to)
{
	uint32_t v = 0;

	if (text[0] == '0' && text[1])
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		v = v * 10 + (uint32_t)(*text - '0');
		if (v > UINT16_MAX)
			return false;
	}
	*to = (uint16_t)v;
	return true;
}

/* at is behind "PROXY". */
static bool take_line(struct proxy_header *h, const char *at, const char *end)
{
	char w[WORD_MAX];
	bool v6;

	at = word(at, end, w);
	if (!at)
		return false;
	if (!strcmp(w, "UNKNOWN"))
		return true;
	v6 = !strcmp(w, "TCP6");
	if (!v6 && strcmp(w, "TCP4"))
		return false;
	h->addresses = (at = word(at, end, w)) && take_address(w, v6, h->source) &&
		       (at = word(at, end, w)) && take_address(w, v6, h->destination) &&
		       (at = word(at, end, w)) && take_port(w, &h->source_port) &&
		       (at = word(at, end, w)) && take_port(w, &h->destination_port) && at == end;
	return h->addresses;
}

static size_t read_v1(struct proxy_header *h, const uint8_t *data, size_t len,
		      enum proxy_event *event)
{
	const char *text = (const char *)data;
	size_t most = min_of(len, (size_t)PROXY_HEAD_MAX), n = 0;

	h->version = 1;
	while (n < most && data[n] >= ' ' && data[n] < 127)
		n++;
	if (n + 1 >= most && most < PROXY_HEAD_MAX && (n == most || data[n] == '\r')) {
		*event = PROXY_MORE;
		return 0;
	}
	*event = PROXY_BAD;
	if (n + 1 >= most || data[n] != '\r' || data[n + 1] != '\n')
		return 0;
	if (take_line(h, text + sizeof(text_signature) - 2, text + n))
		*event = PROXY_DONE;
	return n + 2;
}

/* ---- version 2 ---- */

static uint16_t be16_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void take_addresses(struct proxy_header *h, const uint8_t *p, size_t each)
{
	memcpy(h->source, mapped, sizeof(mapped));
	memcpy(h->destination, mapped, sizeof(mapped));
	memcpy(h->source + 16 - each, p, each);
	memcpy(h->destination + 16 - each, p + each, each);
	h->source_port = be16_at(p + 2 * each);
	h->destination_port = be16_at(p + 2 * each + 2);
	h->addresses = true;
}

static bool known(const uint8_t *p)
{
	return p[12] >> 4 == 2 && (p[12] & 15) <= 1 && p[13] >> 4 <= AF2_UNIX &&
	       (p[13] & 15) <= PROTO2_DGRAM;
}

/* The fixed part and the addresses. */
static size_t read_head(struct proxy_header *h, const uint8_t *p, size_t len,
			enum proxy_event *event)
{
	static const uint8_t sizes[] = {0, 12, 36, 216};
	const bool local = !(p[12] & 15);
	const unsigned int family = p[13] >> 4, size = sizes[family];
	size_t head = FIXED_LEN;

	h->left = be16_at(p + 14);
	if (!local && size > h->left) {
		*event = PROXY_BAD;
		return 0;
	}
	if (!local && (family == AF2_INET || family == AF2_INET6)) {
		if (len < head + size)
			return 0;
		if ((p[13] & 15) == PROTO2_STREAM)
			take_addresses(h, p + head, family == AF2_INET ? 4 : 16);
		head += size;
		h->left -= size;
	} else if (!local) {
		h->skip = (uint16_t)size;
	}
	h->opaque = local;
	h->in_tlvs = true;
	h->crc = UINT32_MAX;
	crc_add(h, p, head);
	return head;
}

/* A byte of a TLV. False: lengths do not fit. */
static bool take_tlv(struct proxy_header *h, uint8_t byte)
{
	if (h->tlv_at == 0) {
		h->tlv_type = byte;
		h->tlv_at = 1;
	} else if (h->tlv_at == 1) {
		h->tlv_left = (uint16_t)(byte << 8);
		h->tlv_at = 2;
	} else if (h->tlv_at == 2) {
		h->tlv_left |= byte;
		h->tlv_at = h->tlv_left ? 3 : 0;
		if (h->tlv_left > h->left)
			return false;
		if (h->tlv_type == TLV_CRC32C) {
			if (h->tlv_left != 4 || h->has_crc)
				return false;
			h->has_crc = true;
		}
	} else {
		if (h->tlv_type == TLV_CRC32C) {
			h->said = h->said << 8 | byte;
			byte = 0; /* as it was when the sum was made */
		}
		if (--h->tlv_left == 0)
			h->tlv_at = 0;
	}
	h->crc = crc32c(h->crc, byte);
	return true;
}

static enum proxy_event verdict(const struct proxy_header *h)
{
	if (h->opaque)
		return PROXY_DONE;
	return h->tlv_at || (h->has_crc && h->said != ~h->crc) ? PROXY_BAD : PROXY_DONE;
}

static size_t read_tlvs(struct proxy_header *h, const uint8_t *data, size_t len,
			enum proxy_event *event)
{
	size_t n = 0;

	for (; n < len && h->left; n++) {
		h->left--;
		if (h->opaque)
			continue;
		if (h->skip) {
			h->skip--;
			h->crc = crc32c(h->crc, data[n]);
		} else if (!take_tlv(h, data[n])) {
			*event = PROXY_BAD;
			return n + 1;
		}
	}
	if (!h->left)
		*event = verdict(h);
	return n;
}

size_t proxy_header_read(struct proxy_header *h, const uint8_t *data, size_t len,
			 enum proxy_event *event)
{
	size_t n = 0;

	*event = PROXY_MORE;
	if (!h->in_tlvs) {
		if (!len)
			return 0;
		if (!memcmp(data, text_signature, min_of(len, sizeof(text_signature) - 1)))
			return len < sizeof(text_signature) ? 0 : read_v1(h, data, len, event);
		if (memcmp(data, signature, min_of(len, sizeof(signature)))) {
			*event = PROXY_NONE;
			return 0;
		}
		if (len < FIXED_LEN)
			return 0;
		h->version = 2;
		if (!known(data)) {
			*event = PROXY_BAD;
			return 0;
		}
		n = read_head(h, data, len, event);
		if (!n)
			return 0;
	}
	return n + read_tlvs(h, data + n, len - n, event);
}

/* ---- writing ---- */

static bool is_v4(const struct pier_info *info)
{
	return !memcmp(info->remote_addr, mapped, sizeof(mapped)) &&
	       !memcmp(info->local_addr, mapped, sizeof(mapped));
}

size_t proxy_header_v1(uint8_t to[PROXY_SEND_MAX], const struct pier_info *info)
{
	const bool v4 = is_v4(info);
	const unsigned int from = v4 ? sizeof(mapped) : 0;
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN], line[PROXY_SEND_MAX + 1];
	int n;

	inet_ntop(v4 ? AF_INET : AF_INET6, info->remote_addr + from, source, sizeof(source));
	inet_ntop(v4 ? AF_INET : AF_INET6, info->local_addr + from, destination,
		  sizeof(destination));
	n = snprintf(line, sizeof(line), "PROXY TCP%c %s %s %u %u\r\n", v4 ? '4' : '6', source,
		     destination, info->remote_port, info->local_port);
	memcpy(to, line, (size_t)n);
	return (size_t)n;
}

size_t proxy_header_v2(uint8_t to[PROXY_SEND_MAX], const struct pier_info *info)
{
	const bool v4 = is_v4(info);
	const size_t each = v4 ? 4 : 16;
	uint8_t *p = to + FIXED_LEN;

	memcpy(to, signature, sizeof(signature));
	to[12] = 0x21;
	to[13] = (uint8_t)((v4 ? AF2_INET : AF2_INET6) << 4 | PROTO2_STREAM);
	to[14] = 0;
	to[15] = (uint8_t)(2 * each + 4);
	memcpy(p, info->remote_addr + 16 - each, each);
	memcpy(p + each, info->local_addr + 16 - each, each);
	p += 2 * each;
	p[0] = (uint8_t)(info->remote_port >> 8);
	p[1] = (uint8_t)info->remote_port;
	p[2] = (uint8_t)(info->local_port >> 8);
	p[3] = (uint8_t)info->local_port;
	return FIXED_LEN + 2 * each + 4;
}
