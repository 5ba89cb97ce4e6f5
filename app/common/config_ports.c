/*
 * [port N]: addresses, gateway, and the keys of the port room.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "config_room.h"

static bool take_number(const struct config_section *s, unsigned int *number,
			struct config_errors *errors)
{
	char *end;
	unsigned long n = strtoul(s->argument, &end, 10);

	if (*end || s->argument[0] < '0' || s->argument[0] > '9' || n >= PIER_PORTS_MAX) {
		config_error(errors, s, NULL, "expected a number from 0 to %d, as in [port 0]",
			     PIER_PORTS_MAX - 1);
		return false;
	}
	*number = (unsigned int)n;
	return true;
}

/* An address a host may have in this network (RFC 1122 section 3.2.1.3). */
static bool is_host_address(const struct ipv4_prefix *p)
{
	uint32_t addr = ntohl(p->addr), host = addr & ~ntohl(ipv4_netmask(p->len));

	if (!(addr >> 24) || addr >> 24 == 127 || addr >> 24 >= 224 || !p->len)
		return false;
	return p->len >= 31 || (host && host != ~ntohl(ipv4_netmask(p->len)));
}

static void take_addresses(struct pier_port *p, struct config_errors *errors)
{
	char err[CONFIG_ERROR_LEN / 2], text[INET_ADDRSTRLEN];
	int n;

	if (!p->options.address) {
		if (!config_value(p->section, "address"))
			config_error(errors, p->section, "address",
				     "is missing; expected an address, such as 198.18.0.2/24");
		else
			config_error(errors, p->section, "address",
				     "expected an address, such as 198.18.0.2/24");
		return;
	}
	n = ipv4_prefix_list_parse(p->options.address, p->addresses, PIER_ADDRESSES_MAX, err,
				   sizeof(err));
	if (n < 0) {
		config_error(errors, p->section, "address", "%s", err);
		return;
	}
	p->n_addresses = (unsigned int)n;
	for (struct ipv4_prefix *a = p->addresses; a < p->addresses + n; a++)
		if (!is_host_address(a))
			config_error(errors, p->section, "address",
				     "%s/%u is not an address that a host may have",
				     inet_ntop(AF_INET, &a->addr, text, sizeof(text)), a->len);
}

static bool on_link(const struct pier_port *p, uint32_t addr)
{
	for (unsigned int i = 0; i < p->n_addresses; i++)
		if (!((addr ^ p->addresses[i].addr) & ipv4_netmask(p->addresses[i].len)))
			return true;
	return false;
}

bool config_reaches(const struct pier_config *c, uint32_t addr)
{
	for (unsigned int i = 0; i < c->n_ports; i++)
		if (c->ports[i].gateway || on_link(&c->ports[i], addr))
			return true;
	return false;
}

static void take_gateway(struct pier_port *p, struct config_errors *errors)
{
	char err[CONFIG_ERROR_LEN / 2];

	if (!p->options.gateway)
		return;
	if (!ipv4_parse(p->options.gateway, &p->gateway, err, sizeof(err))) {
		config_error(errors, p->section, "gateway", "%s, not \"%s\"", err,
			     p->options.gateway);
		return;
	}
	if (p->n_addresses && !on_link(p, p->gateway))
		config_error(errors, p->section, "gateway",
			     "%s is in no network of this port's addresses", p->options.gateway);
	for (unsigned int i = 0; i < p->n_addresses; i++)
		if (p->addresses[i].addr == p->gateway)
			config_error(errors, p->section, "gateway", "%s is the port's own address",
				     p->options.gateway);
}

void config_take_port(struct pier_config *c, const struct config_section *s,
		      struct config_errors *errors)
{
	const struct option_table *const tables[] = {&app_port_option_table, &port_option_table};
	struct pier_port *p = &c->ports[c->n_ports];
	void *const bases[] = {&p->options, &p->device};
	char err[CONFIG_ERROR_LEN / 2];
	const char *wrong;
	uint8_t mac[6];

	if (c->n_ports == PIER_PORTS_MAX) {
		config_error(errors, s, NULL, "expected at most %d ports", PIER_PORTS_MAX);
		return;
	}
	c->n_ports++;
	p->section = s;
	p->number = PIER_PORTS_MAX; /* none yet */
	option_defaults(&app_port_option_table, &p->options);
	option_defaults(&port_option_table, &p->device);
	if (!take_number(s, &p->number, errors))
		return;
	if (!config_apply(s, tables, bases, ARRAY_SIZE(tables), errors))
		return;
	if (!p->device.device && !p->device.ring_pair)
		config_error(errors, s, "device",
			     "is missing; expected a device, such as net_tap0,iface=pier0");
	wrong = port_config_wrong(&p->device, err, sizeof(err));
	if (wrong)
		config_error(errors, s, wrong, "%s, not \"%s\"", err, config_value(s, wrong));
	if (p->device.mac && !port_mac_parse(p->device.mac, mac))
		config_error(errors, s, "mac",
			     "expected a unicast address, such as 02:00:00:00:00:01, not \"%s\"",
			     p->device.mac);
	take_addresses(p, errors);
	take_gateway(p, errors);
}

static void check_addresses(const struct pier_port *a, const struct pier_port *b,
			    struct config_errors *errors)
{
	char text[INET_ADDRSTRLEN], where[32];

	for (unsigned int i = 0; i < a->n_addresses; i++)
		for (unsigned int j = a == b ? i + 1 : 0; j < b->n_addresses; j++)
			if (a->addresses[i].addr == b->addresses[j].addr)
				config_error(errors, b->section, "address",
					     "%s is given twice, also in [port %s] at %s",
					     inet_ntop(AF_INET, &b->addresses[j].addr, text,
						       sizeof(text)),
					     a->section->argument,
					     config_place(a->section, where, sizeof(where)));
}

/* The device's name without its arguments; of a ring pair the end. */
static const char *device_name(const struct pier_port *p, char *buf, size_t len)
{
	const char *device = p->device.device;

	if (device)
		snprintf(buf, len, "%.*s", (int)strcspn(device, ","), device);
	else
		snprintf(buf, len, "%sa", p->device.ring_pair ? p->device.ring_pair : "");
	return buf;
}

static void check_devices(const struct pier_port *a, const struct pier_port *b, struct config_errors *errors)
{
	char one[64], other[64], where[32];

	if (!a->device.ring_pair != !b->device.ring_pair ||
	    strcmp(device_name(a, one, sizeof(one)), device_name(b, other, sizeof(other))))
		return;
	config_error(errors, b->section, b->device.device ? "device" : "ring-pair",
		     "%s is the device of [port %s] at %s already", one, a->section->argument,
		     config_place(a->section, where, sizeof(where)));
}

void config_check_ports(const struct pier_config *c, struct config_errors *errors)
{
	const struct pier_port *end = c->ports + c->n_ports;
	char where[32];

	if (!c->n_ports)
		config_error(errors, NULL, NULL, "no port: expected a section [port 0]");
	for (const struct pier_port *b = c->ports; b < end; b++)
		for (const struct pier_port *a = c->ports; a <= b; a++) {
			if (a < b && a->number == b->number && a->number < PIER_PORTS_MAX)
				config_error(errors, b->section, NULL, "the same port as at %s",
					     config_place(a->section, where, sizeof(where)));
			if (a < b)
				check_devices(a, b, errors);
			check_addresses(a, b, errors);
		}
}

void config_free_port(struct pier_port *p)
{
	option_free(&app_port_option_table, &p->options);
	option_free(&port_option_table, &p->device);
}
