/*
 * Frames to a file in the classic pcap format, microsecond stamps, Ethernet.
 */
#include "kit.h"

static FILE *out;

void kit_pcap_open(const char *file)
{
	const uint32_t head[6] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, 1};

	out = fopen(file, "wb");
	if (!out) {
		perror(file);
		exit(2);
	}
	fwrite(head, sizeof(head), 1, out);
}

void kit_pcap_write(uint64_t at, const uint8_t *frame, uint32_t len)
{
	const uint32_t head[4] = {(uint32_t)(at / SEC), (uint32_t)(at % SEC), len, len};

	if (!out)
		return;
	fwrite(head, sizeof(head), 1, out);
	fwrite(frame, len, 1, out);
	fflush(out);
}
