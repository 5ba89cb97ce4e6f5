/*
 * See overload.h.
 */
#include "worker/overload.h"

#include "base/compiler.h"
#include "base/units.h"

#define WINDOW_MS   256 /* in which losses are looked for, to twice that */
#define LOST_ONE_IN 512
#define BEGIN	    (OVERLOAD_ALL / 4)
#define MORE	    (OVERLOAD_ALL / 128)
#define LESS	    (OVERLOAD_ALL / 256)
#define LESS_SLOWLY (OVERLOAD_ALL / 4096)

/* Of what came lately one packet in LOST_ONE_IN, or more, was sent again. */
static bool losing(const struct overload *o, uint64_t packets, uint64_t repeats)
{
	const uint64_t again = repeats - o->older.repeats;

	return again && again * LOST_ONE_IN >= packets - o->older.packets;
}

static void remember(struct overload *o, uint64_t now, uint64_t packets, uint64_t repeats)
{
	if (now - o->newer.at < WINDOW_MS * US_PER_MS)
		return;
	o->older = o->newer;
	o->newer = (struct overload_mark){now, packets, repeats};
}

static void enter(struct overload *o, bool lost)
{
	if (o->standing_ms < OVERLOAD_ENTER_MS || !lost)
		return;
	o->on = true;
	o->refused = BEGIN;
	o->untroubled_ms = 0;
}

static void steer(struct overload *o, bool standing, bool lost)
{
	const uint32_t less = standing ? LESS_SLOWLY : LESS;

	if (standing && lost)
		o->refused = min_of(o->refused + MORE, OVERLOAD_MOST);
	else
		o->refused -= min_of(o->refused, less);
	o->untroubled_ms = o->refused ? 0 : o->untroubled_ms + 1;
	if (o->untroubled_ms >= OVERLOAD_LEAVE_MS)
		o->on = false;
}

void overload_look(struct overload *o, uint64_t now, uint64_t packets, uint64_t repeats)
{
	const bool standing = !o->rested, lost = losing(o, packets, repeats);

	o->standing_ms = standing ? o->standing_ms + 1 : 0;
	if (o->on)
		steer(o, standing, lost);
	else
		enter(o, lost);
	remember(o, now, packets, repeats);
	o->rested = false;
	o->look_at = now + US_PER_MS;
}
