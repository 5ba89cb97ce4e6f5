/*
 * The parts of reading the configuration, a file each.
 */
#ifndef PIER_APP_CONFIG_ROOM_H
#define PIER_APP_CONFIG_ROOM_H

#include "config.h"

/* Check and take one section; c->text no longer changes. Errors go to errors. */
void config_take_port(struct pier_config *c, const struct config_section *s,
		      struct config_errors *errors);
void config_take_listener(struct pier_config *c, const struct config_section *s,
			  struct config_errors *errors);

/* What concerns several ports, or several listeners. */
void config_check_ports(const struct pier_config *c, struct config_errors *errors);

/* What concerns several keys of [tcp], in the section s, which may be NULL, or a [listen]. */
void config_check_tcp(const struct config_section *s, const struct tcp_options *o, struct config_errors *errors);

void config_need_listener(const struct pier_config *c, struct config_errors *errors);
void config_check_listeners(const struct pier_config *c, struct config_errors *errors);

/* Run setup of every listener's handler. */
void config_set_up_listeners(struct pier_config *c, struct config_errors *errors);

/*
 * Load the handler in the shared object at path. A file that took the place of one that is loaded is
 * loaded anew. False: err says why.
 */
bool plugin_open(struct pier_plugin *p, const char *path, char *err, size_t errlen);

/* Nothing of it may be in use. */
void plugin_close(struct pier_plugin *p);

/* Where the section stands, "line 7" or "--set", for the message about another; returns buf. */
const char *config_place(const struct config_section *s, char *buf, size_t len);

void config_free_port(struct pier_port *p);
void config_free_listener(struct pier_listener *l);

#endif
