/*
 * What match finds in a stream does not depend on how the stream came: 10,000 random streams, cut at
 * random points, over a link that loses, reorders and doubles, and each reports the same list of rules
 * and offsets as Hyperscan does in one scan of the whole text as one block, each match as often.
 *
 * Both lists are in the order of their offsets, which is checked. Of matches that end at one byte
 * Hyperscan promises no order, and has another in a stream than in a block: those are put in the
 * order of their rules before the lists are compared.
 *
 * The peer hears of matches as a tester would, by the action report: "ID OFFSET" lines. STREAMS=n
 * in the environment changes the number; a failure names the seed, which SEED=n runs alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>
#include <hs.h>

#include "handlers/handlers.h"
#include "sim.h"

#define TOGETHER 50 /* streams of one run */
#define TEXT_MAX 6000
#ifdef SIM_FEWER
#define STREAMS 1000
#else
#define STREAMS 10000
#endif

static const struct {
	const char *expr, *letters;
	unsigned int flags;
} rules[] = {
	{"abc", "", 0}, {"bca", "i", HS_FLAG_CASELESS}, {"a", "H", HS_FLAG_SINGLEMATCH},
	{"[ab]{3}c", "", 0}, {"a[^a]{5,40}d", "s", HS_FLAG_DOTALL}, {"^ab", "", 0},
	{"^d.*c", "m", HS_FLAG_MULTILINE}, {"cd$", "", 0}, {"dd$", "m", HS_FLAG_MULTILINE},
	{"(abc|cba)+d", "", 0}, {"a.{10}b", "", 0}, {"b.{50,300}\\nd", "s", HS_FLAG_DOTALL},
	{"ddd", "", 0}, {"d\\d+d", "", 0}, {"\\bab\\b", "", 0}, {"c\\s+c", "", 0},
	{"x(ab){2,9}y", "", 0}, {"needle", "", 0}, {"ne{1,3}dle", "i", HS_FLAG_CASELESS},
	{"0123456789abcdef", "", 0}, {"[0-9a-f]{16}", "", 0}, {"a\\x00b", "", 0},
	{"\\xff[^\\xff]*\\xff\\xff", "s", HS_FLAG_DOTALL}, {"(a|ab)(c|bcd)d*", "", 0},
	{"b0|bb0\\z", "", 0}, {"c0|cc0$", "", 0}, {"d0|d.0\\Z|0d0$", "m", HS_FLAG_MULTILINE},
};
#define N (ARRAY_SIZE(rules))

struct match {
	uint32_t id;
	uint64_t to;
};

struct list {
	struct match *m;
	unsigned int n, room;
};

/* A client's connection: its text, how it is cut, and the reports that came back. */
struct stream {
	char text[TEXT_MAX];
	uint32_t len, sent;
	char *reports;
	size_t got, room;
	bool shut, closed;
	enum pier_close_reason why;
};

static struct sim sim;
static struct stream streams[TOGETHER];
static hs_database_t *block;
static hs_scratch_t *scratch;
static char path[] = "/tmp/pier_sim_match_XXXXXX";
static uint64_t total_matches, total_bytes;

static void add(struct list *l, uint32_t id, uint64_t to)
{
	if (l->n == l->room) {
		l->room = 2 * l->room + 64;
		l->m = realloc(l->m, l->room * sizeof(*l->m));
		assert_non_null(l->m);
	}
	l->m[l->n++] = (struct match){id, to};
}

/* ---- the client ---- */

/* A piece a turn, so that each leaves in a segment of its own, or in several. */
static void write_piece(struct pier_conn *c, size_t room)
{
	struct stream *st = *(struct stream **)c->ctx;
	uint32_t left = st->len - st->sent, n;

	if (st->shut)
		return;
	n = (uint32_t)wire_range(&sim.wire, 1, wire_chance(&sim.wire, 0.7) ? 60 : 3000);
	st->sent += (uint32_t)pier_send(c, st->text + st->sent, min_of(n, left));
	if (st->sent < st->len) {
		if (wire_chance(&sim.wire, 0.1))
			pier_set_timer(c, wire_range(&sim.wire, 1, 200) * US_PER_MS);
		else
			pier_want_writable(c);
		return;
	}
	st->shut = true;
	pier_shutdown(c);
}

static void client_open(struct pier_conn *c)
{
	pier_set_nodelay(c, true);
	write_piece(c, 0);
}

static void client_timer(struct pier_conn *c)
{
	write_piece(c, 0);
}

static size_t client_data(struct pier_conn *c, const struct pier_slice *s, unsigned int n)
{
	struct stream *st = *(struct stream **)c->ctx;
	size_t total = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (st->got + s[i].len >= st->room) {
			st->room = 2 * (st->got + s[i].len) + 1;
			st->reports = realloc(st->reports, st->room);
			assert_non_null(st->reports);
		}
		memcpy(st->reports + st->got, s[i].data, s[i].len);
		st->got += s[i].len;
		st->reports[st->got] = '\0';
		total += s[i].len;
	}
	return total;
}

static void client_close(struct pier_conn *c, enum pier_close_reason why)
{
	struct stream *st = *(struct stream **)c->ctx;

	st->closed = true;
	st->why = why;
}

static const struct pier_handler client = {
	.abi = PIER_HANDLER_ABI, .size = sizeof(struct pier_handler), .name = "client", .summary = "",
	.ctx_size = sizeof(struct stream *), .open = client_open, .data = client_data,
	.writable = write_piece, .timer = client_timer, .close = client_close,
};

/* ---- texts ---- */

/* Random letters of few kinds, and among them pieces that rules look for, whole and damaged. */
static void make_text(struct stream *st)
{
	static const char few[] = "aabbccdd \n\n0", *const words[] = {
		"abcabcd", "xababababy", "needle", "NEEDLE", "neeedle", "0123456789abcdef",
		("a\xff" "b\xff\xff"), "d0123d", "c \n c", "cd", "dd\n", "x(ab", "needl", "bb0", "cc0\n",
		"dd0\n", "0d0\n",
	};
	struct wire *w = &sim.wire;
	uint32_t want = (uint32_t)(wire_chance(w, 0.1) ? wire_range(w, 0, 3) : wire_range(w, 1, TEXT_MAX));

	st->len = 0;
	while (st->len < want) {
		const char *word = words[wire_range(w, 0, ARRAY_SIZE(words) - 1)];

		if (wire_chance(w, want - st->len < 8 ? 0.5 : 0.02) && st->len + strlen(word) <= want) {
			memcpy(st->text + st->len, word, strlen(word));
			st->len += (uint32_t)strlen(word);
		} else if (wire_chance(w, 0.01)) {
			st->text[st->len++] = (char)wire_rnd(w);
		} else {
			st->text[st->len++] = few[wire_range(w, 0, sizeof(few) - 2)];
		}
	}
}

/* ---- the comparison ---- */

static int on_block(unsigned int id, unsigned long long from, unsigned long long to,
		    unsigned int flags, void *arg)
{
	add(arg, id, to);
	return 0;
}

static void read_reports(struct stream *st, struct list *l)
{
	char *at = st->reports, *end;

	while (at && *at) {
		uint32_t id = (uint32_t)strtoul(at, &end, 10);
		uint64_t to = strtoull(end, &end, 10);

		if (*end != '\n')
			sim_fail(&sim, "not a report: %s", at);
		add(l, id, to);
		at = end + 1;
	}
}

static int order(const void *a, const void *b)
{
	const struct match *x = a, *y = b;

	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* By offsets it is in order as it came; the order of those at one offset is made the rules'. */
static void arrange(struct list *l, unsigned int stream, const char *whose)
{
	for (unsigned int i = 1; i < l->n; i++)
		if (l->m[i].to < l->m[i - 1].to)
			sim_fail(&sim, "stream %u: %s: match %u at %" PRIu64 " comes after %" PRIu64, stream,
				 whose, i, l->m[i].to, l->m[i - 1].to);
	if (l->n)
		qsort(l->m, l->n, sizeof(*l->m), order);
}

static void compare(struct stream *st, unsigned int i)
{
	struct list want = {0}, got = {0};

	if (!st->closed || st->why != PIER_CLOSE_NORMAL)
		sim_fail(&sim, "stream %u did not end in order: %d", i, st->why);
	assert_int_equal(hs_scan(block, st->text, st->len, 0, scratch, on_block, &want), HS_SUCCESS);
	read_reports(st, &got);
	arrange(&want, i, "one block");
	arrange(&got, i, "over TCP");
	for (unsigned int k = 0; k < max_of(want.n, got.n); k++)
		if (k >= want.n || k >= got.n || order(&want.m[k], &got.m[k]))
			sim_fail(&sim, "stream %u of %u bytes: match %u of %u and %u is not the same: "
				 "rule %u at %" PRIu64 ", and over TCP %u at %" PRIu64, i, st->len, k,
				 want.n, got.n, k < want.n ? want.m[k].id : 0,
				 k < want.n ? want.m[k].to : 0, k < got.n ? got.m[k].id : 0,
				 k < got.n ? got.m[k].to : 0);
	total_matches += want.n;
	total_bytes += st->len;
	free(want.m);
	free(got.m);
	free(st->reports);
}

/* ---- a run ---- */

static void set(void *settings, const char *key, const char *value)
{
	char err[200];

	if (!option_parse(option_find(handler_match.options, key), settings, value, err, sizeof(err)))
		fail_msg("%s: %s", key, err);
}

static void *make_settings(bool packs)
{
	void *settings = calloc(1, handler_match.options->size);
	char err[300];

	option_defaults(handler_match.options, settings);
	set(settings, "rules", path);
	set(settings, "action", "* report");
	set(settings, "rest", packs ? "compress" : "keep");
	set(settings, "rest-after", "5ms");
	set(settings, "scan-turn", "2k");
	set(settings, "scan-time", "0"); /* the same run, however fast the machine */
	if (!handler_match.setup(settings, err, sizeof(err)))
		fail_msg("%s", err);
	return settings;
}

static void release(void *settings)
{
	handler_match.teardown(settings);
	option_free(handler_match.options, settings);
	free(settings);
}

static void spoil_links(void)
{
	for (int i = 0; i < 2; i++) {
		struct link_conf *c = &sim.wire.link[i].conf;

		c->loss = wire_chance(&sim.wire, 0.3) ? 0.05 : 0.01;
		c->reorder = 0.1;
		c->late = 30 * US_PER_MS;
		c->duplicate = 0.02;
	}
}

static void connect_all(void)
{
	for (unsigned int i = 0; i < TOGETHER; i++) {
		struct engine_connect req = {.remote_port = SIM_PORT, .local = 0,
					     .version = sim.host[CLIENT].version,
					     .local_port = (uint16_t)(SIM_LOCAL + i),
					     .ctx = (uintptr_t)&streams[i]};
		uint64_t id;

		flow_addr_v4(req.remote, be32(0xc6120002));
		assert_int_equal(engine_connect(sim.host[CLIENT].e, &req, sim.wire.now, &id), 0);
	}
	sim.host[CLIENT].busy = true;
}

static void run(uint64_t seed, void *settings)
{
	memset(streams, 0, sizeof(streams));
	sim_init(&sim, seed);
	sim.host[CLIENT].handler = &client;
	sim.host[SERVER].handler = &handler_match;
	sim.host[SERVER].settings = settings;
	for (int i = 0; i < 2; i++)
		sim.host[i].tcp.rcvbuf_initial = sim.host[i].tcp.rcvbuf = 4096; /* so that windows close */
	for (unsigned int i = 0; i < TOGETHER; i++)
		make_text(&streams[i]);
	spoil_links();
	sim_open(&sim);
	connect_all();
	sim_run(&sim);
	for (unsigned int i = 0; i < TOGETHER; i++)
		compare(&streams[i], i);
}

static void equals_one_block_scan(void **state)
{
	const char *n = getenv("STREAMS"), *one = getenv("SEED");
	uint64_t seeds = (n ? strtoull(n, NULL, 0) : STREAMS) / TOGETHER;
	void *settings[2] = {make_settings(false), make_settings(true)};

	for (uint64_t seed = 1; seed <= seeds; seed++)
		run(one ? strtoull(one, NULL, 0) : seed, settings[seed & 1]);
	print_message("%" PRIu64 " streams, %" PRIu64 " bytes, %" PRIu64 " matches\n", seeds * TOGETHER,
		      total_bytes, total_matches);
	assert_true(total_matches > total_bytes / 100); /* the rules do find something in these texts */
	for (int i = 0; i < 2; i++)
		release(settings[i]);
}

static int start(void **state)
{
	const char *expr[N];
	unsigned int flags[N], ids[N];
	hs_compile_error_t *e;
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	assert_non_null(f);
	for (unsigned int i = 0; i < N; i++) {
		expr[i] = rules[i].expr;
		flags[i] = rules[i].flags;
		ids[i] = 1000 - 7 * i;
		fprintf(f, "%u:/%s/%s\n", ids[i], expr[i], rules[i].letters);
	}
	fclose(f);
	if (hs_compile_multi(expr, flags, ids, N, HS_MODE_BLOCK, NULL, &block, &e) != HS_SUCCESS)
		fail_msg("%s", e->message);
	assert_int_equal(hs_alloc_scratch(block, &scratch), HS_SUCCESS);
	sim_start();
	return 0;
}

static int end(void **state)
{
	hs_free_scratch(scratch);
	hs_free_database(block);
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_one_block_scan),
	};

	return cmocka_run_group_tests(tests, start, end);
}
