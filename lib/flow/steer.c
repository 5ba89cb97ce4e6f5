/*
 * Preparation of the Toeplitz tables: for every bit of input that is set, the 32 bits of the key
 * that begin at the bit's place are added (exclusive or) to the hash.
 */
#include <errno.h>

#include "flow/steer.h"

static_assert(STEER_WORDS * 4 + 4 == STEER_KEY_LEN, "the last input bit has 32 key bits");

/* The 32 bits of the key from bit number at on, most significant first. */
static uint32_t key_window(const uint8_t key[STEER_KEY_LEN], unsigned int at)
{
	uint32_t w = 0;

	for (unsigned int i = at; i < at + 32; i++)
		w = w << 1 | (key[i / 8] >> (7 - i % 8) & 1u);
	return w;
}

int steer_init(struct steer *s, const uint8_t key[STEER_KEY_LEN], const uint16_t *reta, uint32_t n)
{
	if (n == 0 || n > STEER_RETA_MAX || (n & (n - 1)))
		return -EINVAL;
	memset(s, 0, sizeof(*s));
	for (unsigned int i = 0; i < STEER_WORDS * 8; i++) {
		uint32_t *part = s->part[i / 8][i % 8];

		for (unsigned int bit = 0; bit < 4; bit++)
			for (unsigned int v = 0; v < 16; v++)
				if (v & 8u >> bit)
					part[v] ^= key_window(key, 4 * i + bit);
	}
	s->reta_mask = n - 1;
	memcpy(s->reta, reta, n * sizeof(*reta));
	return 0;
}
