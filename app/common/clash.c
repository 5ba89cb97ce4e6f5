/*
 * Addresses of ours that other hosts claim: said once each, and shown by telemetry.
 */
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "server.h"

#define MAC "%02x:%02x:%02x:%02x:%02x:%02x"
#define MAC_OF(m) (m)[0], (m)[1], (m)[2], (m)[3], (m)[4], (m)[5]

static void say(const struct server *s, const struct engine_clash *c)
{
	const struct engine_address *a = &s->addresses[c->local];
	char text[ADDRESS_TEXT];

	fprintf(stderr, c->used ? "%s: port %u: %s is claimed by another host, too, " MAC "\n"
				: "%s: port %u: %s is not used: another host has it, " MAC "\n",
		PROGRAM, a->port, address_format(a->addr, text), MAC_OF(c->mac));
}

static void note(struct server *s, const struct engine_clash *c)
{
	bool said;

	pthread_mutex_lock(&s->lock);
	said = s->clashes[c->local].there;
	s->clashes[c->local] = (struct server_clash){.there = true, .clash = *c};
	pthread_mutex_unlock(&s->lock);
	if (!said)
		say(s, c);
}

static uint64_t conflicts(const struct server *s)
{
	struct counters c;
	uint64_t n = 0;

	for (unsigned int w = 0; w < s->n_workers; w++) {
		worker_snapshot(s->workers[w], &c);
		n += c.v[CTR_ARP_CONFLICTS] + c.v[CTR_ND_CONFLICTS];
	}
	return n;
}

/* A worker that does not answer is asked again when there is more to be heard. */
void server_look_for_clashes(struct server *s)
{
	const uint64_t n = conflicts(s);

	if (n == s->conflicts)
		return;
	s->conflicts = n;
	for (unsigned int w = 0; w < s->n_workers; w++) {
		struct worker_msg m = {.op = WORKER_OP_CLASH};

		for (; worker_request(s->workers[w], &m) && m.found; m.clash.local++)
			note(s, &m.clash);
	}
}

unsigned int server_clashes(const struct server *s, uint16_t port, char *last, size_t len)
{
	unsigned int n = 0;
	char text[ADDRESS_TEXT];

	for (unsigned int i = 0; i < s->n_addresses; i++) {
		const struct engine_clash *c = &s->clashes[i].clash;

		if (!s->clashes[i].there || s->addresses[i].port != port)
			continue;
		n++;
		snprintf(last, len, "%s%s, " MAC, address_format(s->addresses[i].addr, text),
			 c->used ? "" : " (not used)", MAC_OF(c->mac));
	}
	return n;
}
