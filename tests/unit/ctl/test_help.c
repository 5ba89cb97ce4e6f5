/*
 * Help and reference say what the tables say, word for word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ctl/help.h"
#include "sample.h"

static const struct option http_options[] = {{"tls", OPTION_BOOL, 0, .help = "encrypt"}};
static const struct option_table http = {"listen", "The http handler", http_options, 1, 1};
static const struct option_table *const tables[] = {&sample_tcp, &sample_listen, &http};

static void expect_output(void (*print)(FILE *, const struct option_table *const[], unsigned int),
			  const char *expected)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	print(f, tables, ARRAY_SIZE(tables));
	fclose(f);
	assert_string_equal(text, expected);
	free(text);
}

static void test_help(void **state)
{
	expect_output(ctl_help,
		      "[tcp]\n"
		      " Every connection:\n"
		      "  min-rto               smallest retransmission timeout\n"
		      "                        a duration from 5ms to 1s; default 200ms\n"
		      "  idle                  close after this silence\n"
		      "                        a duration or inf; default inf\n"
		      "  ports                 ports | in use\n"
		      "                        a number; default 0\n"
		      "  sack                  offer SACK\n"
		      "                        yes or no; default yes\n"
		      "\n"
		      "[listen]\n"
		      " A listener:\n"
		      "  handler               who serves\n"
		      "                        text\n"
		      "  address               some addresses\n"
		      "                        text; the key may be repeated; default a\n"
		      "  body-size             bytes of the body\n"
		      "                        a size from 1 to 1m; default 1k\n"
		      "  mode                  what to do\n"
		      "                        poll or sleep; default poll\n"
		      " The http handler:\n"
		      "  tls                   encrypt\n"
		      "                        yes or no; default no\n");
}

static void test_reference(void **state)
{
	expect_output(ctl_reference,
		      "### `[tcp]`\n\nEvery connection.\n\n"
		      "| Key | Value | Default | Meaning |\n|---|---|---|---|\n"
		      "| `min-rto` | a duration from 5ms to 1s | `200ms` | smallest retransmission "
		      "timeout |\n"
		      "| `idle` | a duration or inf | `inf` | close after this silence |\n"
		      "| `ports` | a number | `0` | ports \\| in use |\n"
		      "| `sack` | yes or no | `yes` | offer SACK |\n"
		      "\n### `[listen]`\n\nA listener.\n\n"
		      "| Key | Value | Default | Meaning |\n|---|---|---|---|\n"
		      "| `handler` | text | - | who serves |\n"
		      "| `address` | text; the key may be repeated | `a` | some addresses |\n"
		      "| `body-size` | a size from 1 to 1m | `1k` | bytes of the body |\n"
		      "| `mode` | poll or sleep | `poll` | what to do |\n"
		      "\nThe http handler.\n\n"
		      "| Key | Value | Default | Meaning |\n|---|---|---|---|\n"
		      "| `tls` | yes or no | `no` | encrypt |\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
