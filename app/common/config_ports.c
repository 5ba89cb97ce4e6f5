/*
 * [port N]: addresses, gateways, and the keys of the port room.
 */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "config_room.h"

#define GATEWAYS_READ 16 /* one of each family is right; those beyond are told of */

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

bool pier_port_has_v6(const struct pier_port *p)
{
	for (unsigned int i = 0; i < p->n_addresses; i++)
		if (!address_is_v4(p->addresses[i].addr))
			return true;
	return false;
}

bool pier_port_has_link_local(const struct pier_port *p)
{
	for (unsigned int i = 0; i < p->n_addresses; i++)
		if (address_kind(p->addresses[i].addr) == ADDRESS_LINK_LOCAL)
			return true;
	return false;
}

/* Why a host may not have this address in this network (RFC 1122 section 3.2.1.3, RFC 4291); NULL: it may. */
static const char *host_wrong(const struct ip_prefix *p)
{
	const bool v4 = address_is_v4(p->addr);
	const unsigned int bits = address_bits_before(p->addr) + p->len;

	switch (address_kind(p->addr)) {
	case ADDRESS_UNSPECIFIED:
		return "it means none";
	case ADDRESS_LOOPBACK:
		return "it is for loopback";
	case ADDRESS_MULTICAST:
		return v4 ? "it is for multicast or broadcast" : "it is for multicast";
	default:
		break;
	}
	if (!p->len)
		return "no network is that large";
	if (bits >= 127)
		return NULL;
	if (address_rest_is(p->addr, bits, 0))
		return v4 ? "it is the network's own" : "it is that of the network's routers (anycast)";
	return v4 && address_rest_is(p->addr, bits, 1) ? "it is the network's broadcast address" : NULL;
}

static void take_addresses(struct pier_port *p, struct config_errors *errors)
{
	char err[CONFIG_ERROR_LEN / 2], text[ADDRESS_TEXT];
	const char *why;
	int n;

	if (!p->options.address) {
		if (!config_value(p->section, "address"))
			config_error(errors, p->section, "address",
				     "is missing; expected an address, such as 198.18.0.2/24 or fd00:18::2/64");
		else
			config_error(errors, p->section, "address",
				     "expected an address, such as 198.18.0.2/24 or fd00:18::2/64");
		return;
	}
	n = ip_prefix_list_parse(p->options.address, p->addresses, PIER_ADDRESSES_MAX, err,
				 sizeof(err));
	if (n < 0) {
		config_error(errors, p->section, "address", "%s", err);
		return;
	}
	p->n_addresses = (unsigned int)n;
	for (struct ip_prefix *a = p->addresses; a < p->addresses + n; a++) {
		why = host_wrong(a);
		if (why)
			config_error(errors, p->section, "address", "%s/%u is not an address that a host may have: %s",
				     address_format(a->addr, text), a->len, why);
	}
}

/* In a network of the port's; of its link, where it has the family at all. */
static bool on_link(const struct pier_port *p, const uint8_t addr[16])
{
	if (address_kind(addr) == ADDRESS_LINK_LOCAL)
		return pier_port_has_v6(p);
	for (unsigned int i = 0; i < p->n_addresses; i++)
		if (ip_prefix_holds(&p->addresses[i], addr))
			return true;
	return false;
}

static bool has_gateway(const struct pier_port *p, bool v4)
{
	return v4 ? p->gateway : !address_rest_is(p->gateway6, 0, 0);
}

bool pier_config_reaches(const struct pier_config *c, const uint8_t addr[16])
{
	const bool here = address_kind(addr) == ADDRESS_LINK_LOCAL;

	for (unsigned int i = 0; i < c->n_ports; i++)
		if ((!here && has_gateway(&c->ports[i], address_is_v4(addr))) || on_link(&c->ports[i], addr))
			return true;
	return false;
}

static bool has_family(const struct pier_port *p, bool v4)
{
	for (unsigned int i = 0; i < p->n_addresses; i++)
		if (address_is_v4(p->addresses[i].addr) == v4)
			return true;
	return false;
}

/* Why it cannot be a router on the port's link; NULL: it can. */
static const char *gateway_wrong(const struct pier_port *p, const uint8_t addr[16])
{
	const enum address_kind kind = address_kind(addr);

	if (kind != ADDRESS_UNICAST && kind != ADDRESS_LINK_LOCAL)
		return "is no host's address";
	if (has_gateway(p, address_is_v4(addr)))
		return "is one too many: expected at most one gateway of each family";
	if (p->n_addresses && !has_family(p, address_is_v4(addr)))
		return address_is_v4(addr) ? "is IPv4, and no address of this port is" : "is IPv6, and no address of this port is";
	if (p->n_addresses && !on_link(p, addr))
		return "is in no network of this port's addresses";
	for (unsigned int i = 0; i < p->n_addresses; i++)
		if (address_equal(p->addresses[i].addr, addr))
			return "is the port's own address";
	return NULL;
}

static void take_gateways(struct pier_port *p, struct config_errors *errors)
{
	char err[CONFIG_ERROR_LEN / 2], text[ADDRESS_TEXT];
	uint8_t addrs[GATEWAYS_READ][16];
	const char *why;
	int n;

	if (!p->options.gateway)
		return;
	n = ip_list_parse(p->options.gateway, addrs, GATEWAYS_READ, err, sizeof(err));
	if (n < 0)
		config_error(errors, p->section, "gateway", "%s", err);
	for (int i = 0; i < n; i++) {
		why = gateway_wrong(p, addrs[i]);
		if (why)
			config_error(errors, p->section, "gateway", "%s %s", address_format(addrs[i], text), why);
		else if (address_is_v4(addrs[i]))
			p->gateway = address_v4(addrs[i]);
		else
			memcpy(p->gateway6, addrs[i], sizeof(p->gateway6));
	}
}

/* RFC 8200 section 5. */
static void check_mtu(const struct pier_port *p, struct config_errors *errors)
{
	if (p->device.mtu && p->device.mtu < PIER_MTU_V6 && pier_port_has_v6(p))
		config_error(errors, p->section, "mtu",
			     "%u is too little for IPv6: expected 0, or a number from %d, or no IPv6 address",
			     p->device.mtu, PIER_MTU_V6);
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
	take_gateways(p, errors);
	check_mtu(p, errors);
}

static void check_addresses(const struct pier_port *a, const struct pier_port *b,
			    struct config_errors *errors)
{
	char text[ADDRESS_TEXT], where[32];

	for (unsigned int i = 0; i < a->n_addresses; i++)
		for (unsigned int j = a == b ? i + 1 : 0; j < b->n_addresses; j++)
			if (address_equal(a->addresses[i].addr, b->addresses[j].addr))
				config_error(errors, b->section, "address",
					     "%s is given twice, also in [port %s] at %s",
					     address_format(b->addresses[j].addr, text),
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
