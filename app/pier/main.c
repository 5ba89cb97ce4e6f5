/*
 * pier, the server: from the command line to a process that serves, and back.
 */
#include <signal.h>

#include "handlers/handlers.h"
#include "args.h"
#include "server.h"

/* In every thread: signals end the server through the control thread alone. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	port_block_signals();
}

static enum pier_exit run(struct server *s)
{
	enum pier_exit result = PIER_FAILED, end;

	block_signals();
	if (server_start(s) && server_serve(s))
		result = PIER_OK;
	end = server_stop(s);
	return result == PIER_OK ? end : result;
}

/* The configuration is good: check the machine, then serve unless only the check was asked for. */
static enum pier_exit check_and_run(const struct pier_args *args, struct pier_config *c)
{
	const struct server_source source = {args->file, args->sets, args->n_sets};
	static struct server s = {.lock = PTHREAD_MUTEX_INITIALIZER};
	enum pier_exit result = PIER_REFUSED;
	struct pier_eal_argv eal;

	s.config = c;
	s.source = &source;
	s.stats_at_exit = args->stats_at_exit || c->server.stats_at_exit;
	if (server_prepare(&s, &eal, args->eal_argc, args->eal_argv, stderr) &&
	    server_check(&s, stdout, stderr))
		result = args->check ? PIER_OK : run(&s);
	if (args->check && result == PIER_OK)
		puts("pier: the configuration is good");
	pier_eal_argv_free(&eal);
	return result;
}

static enum pier_exit start(const struct pier_args *args, const char *program)
{
	struct pier_config c;
	enum pier_exit result = PIER_REFUSED;

	if (!args->file && !args->n_sets) {
		fprintf(stderr, "%s: expected -c FILE or --set; see --help\n", program);
		return PIER_REFUSED;
	}
	if (pier_config_load(&c, args->file, args->sets, args->n_sets, NULL, stderr))
		result = check_and_run(args, &c);
	pier_config_free(&c);
	return result;
}

int main(int argc, char **argv)
{
	enum pier_exit result = PIER_OK;
	const char *error = handlers_register();
	struct pier_args args;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (error) {
		fprintf(stderr, "%s: %s\n", argv[0], error);
		return PIER_FAILED;
	}
	if (!pier_args_parse(&args, argc, argv)) {
		result = PIER_REFUSED;
	} else if (args.help) {
		pier_usage(stdout);
		putchar('\n');
		pier_config_help(stdout);
	} else if (args.version) {
		puts("pier " PIER_VERSION);
	} else if (args.print_reference) {
		pier_config_reference(stdout);
	} else {
		result = start(&args, argv[0]);
	}
	pier_args_free(&args);
	return result;
}
