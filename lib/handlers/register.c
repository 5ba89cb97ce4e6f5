/*
 * The list of built-in handlers: a new one is added here, in handlers.h and in meson.build.
 */
#include "handlers/handlers.h"
#include "pier/registry.h"

const char *handlers_register(void)
{
	static const struct pier_handler *const all[] = {
		&handler_echo, &handler_discard, &handler_chargen, &handler_daytime, &handler_http,
		&handler_proxy, &handler_rr, &handler_sink, &handler_source,
		&handler_iperf3,
#ifdef PIER_MATCH
		&handler_match,
#endif
	};
	const char *error = NULL;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && !error; i++)
		error = handler_register(all[i]);
	return error;
}
