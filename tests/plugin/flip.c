/*
 * A handler out of the tree: answers with what came, each byte xored with a number that the listener
 * sets. Built by tests/system/test_plugin.py in a folder of its own, against the installed headers:
 *
 *	cc -shared -fPIC $(pkg-config --cflags pier) flip.c -o flip.so
 */
#include <stdio.h>
#include <string.h>

#include <base/option.h>
#include <pier/handler.h>

#ifndef FLIP_VERSION
#define FLIP_VERSION 1
#endif
#ifndef FLIP_ABI
#define FLIP_ABI PIER_HANDLER_ABI
#endif
#ifndef FLIP_SIZE
#define FLIP_SIZE sizeof(struct pier_handler)
#endif
#ifndef FLIP_NAME
#define FLIP_NAME "flip"
#endif

struct flip_settings {
	uint32_t key;
	uint64_t burn;
	char *greeting;
	char text[100]; /* made by setup */
};

static const struct option options[] = {
	{"key", OPTION_U32, offsetof(struct flip_settings, key), 0, 255, NULL, "255",
	 "what each byte is xored with"},
	{"burn", OPTION_U64, offsetof(struct flip_settings, burn), 0, 0, NULL, "0",
	 "cycles that each answer takes"},
	{"greeting", OPTION_STRING, offsetof(struct flip_settings, greeting), 0, 0, NULL, NULL,
	 "sent first"},
};

static const struct option_table table = {
	"listen", "Settings of the flip handler", options, sizeof(options) / sizeof(options[0]),
	sizeof(struct flip_settings),
};

struct flip {
	uint64_t bytes;
};

static bool flip_setup(void *settings, char *err, size_t errlen)
{
	struct flip_settings *s = settings;

	if (s->greeting && !strcmp(s->greeting, "no")) {
		snprintf(err, errlen, "greeting: this word is refused");
		return false;
	}
	snprintf(s->text, sizeof(s->text), "flip %d: %s\n", FLIP_VERSION,
		 s->greeting ? s->greeting : "hello");
	return true;
}

static void flip_open(struct pier_conn *c)
{
	const struct flip_settings *s = c->settings;

	pier_send_static(c, s->text, strlen(s->text));
}

static size_t flip_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	const struct flip_settings *set = c->settings;
	struct flip *f = c->ctx;
	const uint64_t start = __builtin_ia32_rdtsc();
	const uint8_t *from = s[0].data;
	uint8_t to[512];
	size_t len = s[0].len < sizeof(to) ? s[0].len : sizeof(to);

	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(from[i] ^ set->key);
	while (__builtin_ia32_rdtsc() - start < set->burn)
		;
	len = pier_send(c, to, len);
	f->bytes += len;
	if (len)
		pier_resume(c);
	else
		pier_want_writable(c);
	return len;
}

static void flip_writable(struct pier_conn *c, size_t room)
{
	pier_resume(c);
}

static void flip_stats(const void *settings, pier_stat *add, void *arg)
{
	add(arg, "flip_version", FLIP_VERSION);
}

static const struct pier_handler flip = {
	.abi = FLIP_ABI,
	.size = FLIP_SIZE,
	.name = FLIP_NAME,
	.summary = "answer with each byte changed",
	.ctx_size = sizeof(struct flip),
	.options = &table,
	.setup = flip_setup,
	.open = flip_open,
	.data = flip_data,
	.writable = flip_writable,
	.stats = flip_stats,
};

PIER_PLUGIN(flip);
