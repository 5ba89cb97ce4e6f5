/*
 * The secret that initial sequence numbers and timestamp offsets are made with.
 *
 * A server's is random. A client that is started again soon, from the same addresses and ports, has to
 * be told from its own old segments by servers that still have its connections in TIME-WAIT: they take
 * a SYN whose timestamp is later (RFC 6191), so its timestamps have to go on where they were. Hence a
 * lasting secret, the same until the machine is booted, with a clock that is (worker.h, since_boot).
 * Whoever can read the boot id can guess it: another user of the same machine, not the network.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/siphash.h"
#include "server.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static bool read_boot_id(char *id, size_t len)
{
	FILE *f = fopen(BOOT_ID, "re");
	bool ok = f && fgets(id, (int)len, f);

	if (f)
		fclose(f);
	return ok;
}

bool server_secret(bool lasting, uint8_t secret[SERVER_SECRET])
{
	struct {
		char id[64];
		uint64_t i;
	} in = {0};
	uint64_t word;

	if (!lasting || !read_boot_id(in.id, sizeof(in.id)))
		return getrandom(secret, SERVER_SECRET, 0) == SERVER_SECRET;
	for (in.i = 0; in.i < SERVER_SECRET / sizeof(word); in.i++) {
		word = siphash24(&(struct sip_key){{0x7069657264656d6full, 0x6c617374696e6721ull}}, &in,
				 sizeof(in));
		memcpy(secret + in.i * sizeof(word), &word, sizeof(word));
	}
	return true;
}
