/*
 * pier-load, the load generator: from the command line to a run and what it says of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "keys.h"
#include "report.h"
#include "run.h"

/* Where the JSON goes: opened before the run, so that a bad name costs none. */
static FILE *open_json(const char *name)
{
	FILE *f;

	if (!name)
		return NULL;
	if (strcmp(name, "-"))
		f = fopen(name, "we");
	else
		f = fdopen(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), "w");
	if (f && !strcmp(name, "-"))
		dup2(STDERR_FILENO, STDOUT_FILENO); /* for all that is not JSON */
	if (!f)
		fprintf(stderr, "pier-load: --json: cannot write %s: %s\n", name, strerror(errno));
	return f;
}

static void block_signals(void)
{
	sigset_t set;

	load_run_signals(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	port_block_signals();
}

static enum pier_exit report(struct load_run *r, FILE *json)
{
	bool ok;

	load_run_collect(r);
	report_summary(r->out, r->plan, &r->result);
	ok = report_expects(r->out, r->plan, &r->result);
	if (json && !report_json(json, r->plan, &r->result)) {
		fprintf(stderr, "pier-load: --json: cannot write %s\n", r->plan->o.json);
		ok = false;
	}
	return ok ? PIER_OK : PIER_FAILED;
}

static enum pier_exit run(struct server *s, struct load_run *r, FILE *json)
{
	enum pier_exit result = PIER_FAILED, end;
	bool served;

	block_signals();
	s->supervise = load_run_supervise;
	s->program = r;
	served = server_start(s) && load_run_prepare(r, s) && server_serve(s);
	end = server_stop(s);
	if (served && !r->no_link)
		result = report(r, json);
	load_run_free(r);
	return result == PIER_OK ? end : result;
}

static enum pier_exit check_and_run(const struct load_args *args, struct pier_config *c,
				    struct load_plan *p)
{
	struct load_run r = {.plan = p, .out = stdout};
	static struct server s;
	enum pier_exit result = PIER_REFUSED;
	struct pier_eal_argv eal;
	FILE *json = NULL;

	if (!args->check && p->o.json && !(json = open_json(p->o.json)))
		return PIER_REFUSED;
	if (!args->check)
		server_files_remove_dead(LOAD_FILE_PREFIX);
	s.config = c;
	s.stats_at_exit = c->server.stats_at_exit;
	s.lasting = true;
	for (unsigned int i = 0; i < c->n_ports; i++)
		c->ports[i].device.opens = true;
	if (server_prepare(&s, &eal, args->eal_argc, args->eal_argv, stderr) &&
	    server_check(&s, args->check ? stdout : NULL, stderr))
		result = args->check ? PIER_OK : run(&s, &r, json);
	if (args->check && result == PIER_OK)
		puts("pier-load: the configuration is good");
	pier_eal_argv_free(&eal);
	if (json)
		fclose(json);
	return result;
}

static void take_load(struct pier_config *c, void *arg, struct config_errors *errors)
{
	load_plan_make(arg, c, errors);
}

/* What nothing goes without, and who begins does not know yet. */
static bool has_port(const struct load_args *args)
{
	bool device = args->file, address = args->file;

	for (unsigned int i = 0; i < args->n_sets; i++) {
		device |= !strncmp(args->sets[i], "port 0.device=", 14) || !strncmp(args->sets[i], "port 0.ring-pair=", 17);
		address |= !strncmp(args->sets[i], "port 0.address=", 15);
	}
	if (!device || !address)
		fprintf(stderr, "pier-load: expected --device and --address, such as --device net_tap0,iface=load0 --address "
				"198.18.0.2/24, or -c FILE with [port 0]; see --help\n");
	return device && address;
}

static enum pier_exit start(const struct load_args *args)
{
	static struct load_plan p;
	struct pier_config_extra extra = {&load_option_table, &p.o, take_load, &p};
	enum pier_exit result = PIER_REFUSED;
	struct pier_config c = {0};

	if (!args->file && !args->n_sets)
		fputs("pier-load: expected MODE and TARGET, or -c FILE; see --help\n", stderr);
	else if (has_port(args) && pier_config_load(&c, args->file, args->sets, args->n_sets, &extra, stderr))
		result = check_and_run(args, &c, &p);
	pier_config_free(&c);
	load_plan_free(&p);
	return result;
}

int main(int argc, char **argv)
{
	enum pier_exit result = PIER_OK;
	struct load_args args;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!load_args_parse(&args, argc, argv))
		result = PIER_REFUSED;
	else if (args.help)
		load_usage(stdout);
	else if (args.version)
		puts("pier-load " PIER_VERSION);
	else if (args.print_reference)
		load_keys_reference(stdout);
	else
		result = start(&args);
	load_args_free(&args);
	return result;
}
