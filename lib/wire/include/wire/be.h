/*
 * Byte order. Header fields are kept as they lie on the wire ("be"); these turn them into numbers
 * and back, and read and write them at any alignment.
 */
#ifndef PIER_WIRE_BE_H
#define PIER_WIRE_BE_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BE16(x) ((uint16_t)((((x) & 0xff) << 8) | (((x) >> 8) & 0xff)))
#define BE32(x)                                                                                    \
	((((uint32_t)(x) & 0xff) << 24) | (((uint32_t)(x) & 0xff00) << 8) |                        \
	 (((uint32_t)(x) >> 8) & 0xff00) | ((uint32_t)(x) >> 24))
#else
#define BE16(x) ((uint16_t)(x))
#define BE32(x) ((uint32_t)(x))
#endif

/* Host to network order or back: the same operation. BE16 and BE32 are the same for constants. */
static inline uint16_t be16(uint16_t v)
{
	return BE16(v);
}

static inline uint32_t be32(uint32_t v)
{
	return BE32(v);
}

/* As it lies in memory, any alignment. */
static inline uint16_t load16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t load64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void store64(void *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void store32(void *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* A number in network order at any alignment. */
static inline uint16_t load_be16(const void *p)
{
	return be16(load16(p));
}

static inline uint32_t load_be32(const void *p)
{
	return be32(load32(p));
}

static inline void store_be16(void *p, uint16_t v)
{
	v = be16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void store_be32(void *p, uint32_t v)
{
	v = be32(v);
	memcpy(p, &v, sizeof(v));
}

#endif
