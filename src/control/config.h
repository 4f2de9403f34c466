/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - The configuration: validated, immutable data.
 *
 * One table (config_schema.c) gives names, types, limits, defaults and help of every key; parsing, messages, `GET /api/config`,
 * OpenAPI and ringway.yaml(5) come from it. YAML is read into a JSON tree with positions (config_yaml.c), so that a file and
 * a REST body go through the same code and an error names file, line, field, what was found and what is allowed.
 * Running state is elsewhere: runtime.h. Control thread. */
#ifndef RINGWAY_CONTROL_CONFIG_H
#define RINGWAY_CONTROL_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "port/port.h"

enum { NETWORK_NAME_MAX = 32, CONFIG_PATH_MAX = 108 };

enum port_type { PORT_TYPE_VHOST_USER, PORT_TYPE_TAP, N_PORT_TYPES };
enum poll_mode { POLL_ADAPTIVE, POLL_ALWAYS, POLL_NEVER, N_POLL_MODES };
enum accounting { ACCOUNTING_STAGES, ACCOUNTING_NONE, N_ACCOUNTINGS };
enum socket_role { SOCKET_SERVER, SOCKET_CLIENT, N_SOCKET_ROLES };

struct port_config {
	char name[PORT_NAME_MAX]; /* [A-Za-z0-9][A-Za-z0-9_.-]*, unique in the daemon */
	enum port_type type;
	unsigned queues;             /* pairs, 1..PORT_QUEUES_MAX, default 1 */
	enum port_coalesce coalesce; /* none (default), tcp, tcp+udp */
	/* vhost-user */
	char socket[CONFIG_PATH_MAX];            /* as written; relative to the run directory; default NAME.sock */
	enum socket_role role;                   /* key `mode`: server (default), client */
	mode_t socket_mode;                      /* key `socket_mode`, octal text, default "0600" */
	unsigned ring_reset;                     /* off (default), on */
	char socket_owner[33], socket_group[33]; /* names or numbers; "": leave */
	/* tap */
	char ifname[16]; /* default: the port's name, when that is a valid interface name */
};

struct network_config {
	char name[NETWORK_NAME_MAX];
	unsigned mtu;            /* bytes of L3 payload, 68..65535, default 1500 */
	unsigned fdb_size;       /* learned addresses, 64..1048576, default 8192 */
	unsigned fdb_port_limit; /* per port; default 0: fdb_size / 2 */
	unsigned fdb_ageing_s;   /* 0 (never)..86400, default 300 */
	size_t n_ports;
	struct port_config *ports;
};

struct worker_config {
	unsigned cpu; /* the only one that it runs on */
};

struct config {
	unsigned workers; /* 1..64, default 1; "auto" is resolved when read */
	size_t n_pinned;  /* 0, or as many as workers: they were given as a list */
	struct worker_config *pinned;
	enum poll_mode poll;
	unsigned busy_poll_us; /* 0..10000, default 50 */
	enum accounting accounting;
	char api_socket[CONFIG_PATH_MAX]; /* default api.sock */
	size_t n_networks;
	struct network_config *networks;
};

/* What is wrong with a configuration: one problem. */
struct config_error {
	char file[256];  /* "" for a REST body */
	int line;        /* 1..; 0: unknown */
	char field[128]; /* "networks[0].ports[1].queues" */
	char text[384];  /* 'is 99, allowed: 1..16' */
};
/* "ringway.yaml:7: networks[0].ports[1].queues: is 99, allowed: 1..16" */
void config_error_format(const struct config_error *e, char *buf, size_t size);

/* All of these return 0, or -EINVAL with `e` filled in, -ENOMEM, or the error of reading the file (e filled in too).
 * config_*_deinit() frees what a successful call allocated. */
int config_read_file(const char *path, struct config *c, struct config_error *e);
int config_from_json(const json_t *tree, struct config *c, struct config_error *e);
int network_config_from_json(const json_t *tree, struct network_config *c, struct config_error *e);
int port_config_from_json(const json_t *tree, struct port_config *c, struct config_error *e);
void config_init_default(struct config *c);
void config_deinit(struct config *c);
void network_config_deinit(struct network_config *c);

/* By name; NULL: there is none. */
struct network_config *config_find_network(const struct config *c, const char *name);
struct port_config *network_config_find_port(const struct network_config *c, const char *name);

/* The tree that would give this configuration; defaults written out when `with_defaults`. New reference. */
json_t *config_to_json(const struct config *c, bool with_defaults);
json_t *network_config_to_json(const struct network_config *c, bool with_defaults);
json_t *port_config_to_json(const struct port_config *c, bool with_defaults);

const char *port_type_name(enum port_type t);
const char *poll_mode_name(enum poll_mode m);
const char *accounting_name(enum accounting a);

#endif
