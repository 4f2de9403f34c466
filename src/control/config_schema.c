/* SPDX-License-Identifier: Apache-2.0 */
/* config_schema.c - Every configuration key, once. */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>

#include "base/compiler.h"
#include "control/config_schema.h"

/* syscalls control: sched_getaffinity */

#define FIELD(type, field) .offset = offsetof(struct type, field), .size = sizeof(((struct type *)0)->field)
#define ONLY(port_type)    .port_types = 1u << (port_type)

enum { WORKERS_MAX = 64, LIST_MAX = 1024 };

static const char *const type_words[] = { "vhost-user", "tap", NULL };
static const char *const poll_words[] = { "adaptive", "always", "never", NULL };
static const char *const accounting_words[] = { "stages", "none", NULL };
static const char *const role_words[] = { "server", "client", NULL };
static const char *const off_on_words[] = { "off", "on", NULL };
static const char *const coalesce_words[] = { "none", "tcp", "tcp+udp", NULL };
static_assert(ARRAY_SIZE(coalesce_words) == N_COALESCE + 1, "one word per enum port_coalesce");
static_assert(ARRAY_SIZE(type_words) == N_PORT_TYPES + 1, "one word per enum port_type");
static_assert(ARRAY_SIZE(poll_words) == N_POLL_MODES + 1, "one word per enum poll_mode");
static_assert(ARRAY_SIZE(accounting_words) == N_ACCOUNTINGS + 1, "one word per enum accounting");
static_assert(ARRAY_SIZE(role_words) == N_SOCKET_ROLES + 1, "one word per enum socket_role");

/* `type` stands before the keys that depend on it. */
static const struct config_key port_keys[] = {
	{ "name", KEY_NAME, FIELD(port_config, name), .required = true,
	  .help = "Name of the port, unique in the daemon." },
	{ "type", KEY_WORD, FIELD(port_config, type), .required = true, .words = type_words,
	  .help =
	      "What is attached: a virtual machine over vhost-user, or the host's network stack over a tap device." },
	{ "queues", KEY_NUMBER, FIELD(port_config, queues), .min = 1, .max = PORT_QUEUES_MAX, .fallback = "1",
	  .help = "Queue pairs. The virtual machine has to be given as many." },
	{ "coalesce", KEY_WORD, FIELD(port_config, coalesce), .words = coalesce_words, .fallback = "none",
	  .help = "Put consecutive small frames that come from here into large ones, for a guest that does not send "
		  "large ones itself. tcp: segments of a connection. tcp+udp: equal datagrams of a flow as well." },
	{ "socket", KEY_PATH, FIELD(port_config, socket), ONLY(PORT_TYPE_VHOST_USER), .fallback_help = "NAME.sock",
	  .help = "The vhost-user socket. A relative path begins at the run directory." },
	{ "mode", KEY_WORD, FIELD(port_config, role), ONLY(PORT_TYPE_VHOST_USER), .words = role_words,
	  .fallback = "server",
	  .help = "server: listen on the socket. client: connect to it, again and again until somebody answers." },
	{ "socket_mode", KEY_MODE, FIELD(port_config, socket_mode), ONLY(PORT_TYPE_VHOST_USER), .max = 0777,
	  .fallback = "0600", .help = "Permissions of the socket file in server mode." },
	{ "socket_owner", KEY_TEXT, FIELD(port_config, socket_owner), ONLY(PORT_TYPE_VHOST_USER),
	  .fallback_help = "the daemon's user", .help = "User, by name or number, that the socket file is given to." },
	{ "socket_group", KEY_TEXT, FIELD(port_config, socket_group), ONLY(PORT_TYPE_VHOST_USER),
	  .fallback_help = "the daemon's group",
	  .help = "Group, by name or number, that the socket file is given to." },
	{ "ring_reset", KEY_WORD, FIELD(port_config, ring_reset), ONLY(PORT_TYPE_VHOST_USER), .words = off_on_words,
	  .fallback = "off",
	  .help = "Offer the guest to reset single rings. on: only with a virtual machine monitor that tells us of it, "
		  "which "
		  "QEMU up to 11 does not; its guests would free memory that frames are still written to." },
	{ "ifname", KEY_TEXT, FIELD(port_config, ifname), ONLY(PORT_TYPE_TAP), .fallback_help = "the port's name",
	  .help = "Name of the tap device. It is created, or taken when it exists and belongs to the daemon's user." },
};
const struct config_object port_schema = { "port", sizeof(struct port_config), ARRAY_SIZE(port_keys), port_keys };

static const struct config_key network_keys[] = {
	{ "name", KEY_NAME, FIELD(network_config, name), .required = true, .help = "Name of the network, unique." },
	{ "mtu", KEY_NUMBER, FIELD(network_config, mtu), .min = 68, .max = 65535, .fallback = "1500",
	  .help = "Largest packet in bytes, without the Ethernet header. Guests are told." },
	{ "fdb_size", KEY_NUMBER, FIELD(network_config, fdb_size), .min = 64, .max = 1048576, .fallback = "8192",
	  .help = "How many MAC addresses are remembered." },
	{ "fdb_port_limit", KEY_NUMBER, FIELD(network_config, fdb_port_limit), .max = 1048576, .fallback = "0",
	  .help = "How many of them one port may have. 0: half of fdb_size." },
	{ "fdb_ageing_s", KEY_NUMBER, FIELD(network_config, fdb_ageing_s), .max = 86400, .fallback = "300",
	  .help = "Seconds after which an address that was not seen is forgotten. 0: never." },
	{ "ports", KEY_LIST, FIELD(network_config, ports), .count_offset = offsetof(struct network_config, n_ports),
	  .max = LIST_MAX, .object = &port_schema, .help = "The ports of the network." },
};
const struct config_object network_schema = { "network", sizeof(struct network_config), ARRAY_SIZE(network_keys),
					      network_keys };

static const struct config_key api_keys[] = {
	{ "socket", KEY_PATH, FIELD(config, api_socket), .fallback = "api.sock",
	  .help = "Unix socket of the REST API. A relative path begins at the run directory." },
};
static const struct config_object api_schema = { "api", sizeof(struct config), ARRAY_SIZE(api_keys), api_keys };

static const struct config_key worker_keys[] = {
	{ "cpu", KEY_NUMBER, FIELD(worker_config, cpu), .required = true, .max = CPU_SETSIZE - 1,
	  .help = "The CPU on which the worker runs, and on no other. Each may be named once." },
};
static const struct config_object worker_schema = { "worker", sizeof(struct worker_config), ARRAY_SIZE(worker_keys),
						    worker_keys };

static const struct config_key config_keys[] = {
	{ "workers", KEY_WORKERS, FIELD(config, workers), .min = 1, .max = WORKERS_MAX, .fallback = "1",
	  .count_offset = offsetof(struct config, n_pinned), .list_offset = offsetof(struct config, pinned),
	  .object = &worker_schema,
	  .help =
	      "Threads that move frames. auto: one for each CPU that the daemon may use. A list has an entry for each "
	      "thread and binds it to a CPU; otherwise the kernel chooses, and on a machine with several NUMA nodes "
	      "and as many threads or more, it does so among the CPUs of one node for each." },
	{ "poll", KEY_WORD, FIELD(config, poll), .words = poll_words, .fallback = "adaptive",
	  .help = "adaptive: poll while frames come and sleep when they do not. always: never sleep. "
		  "never: sleep as soon as a queue is empty." },
	{ "busy_poll_us", KEY_NUMBER, FIELD(config, busy_poll_us), .max = 10000, .fallback = "50",
	  .help =
	      "Microseconds after a frame for which a worker looks for the next one before it waits, at most: less for "
	      "a queue whose frames come rarely, down to an eighth." },
	{ "accounting", KEY_WORD, FIELD(config, accounting), .words = accounting_words, .fallback = "stages",
	  .help = "stages: workers count the cycles of each stage of their work. none: they do not." },
	{ "api", KEY_OBJECT, .object = &api_schema, .help = "The REST API." },
	{ "networks", KEY_LIST, FIELD(config, networks), .count_offset = offsetof(struct config, n_networks),
	  .max = LIST_MAX, .object = &network_schema, .help = "The networks. Each is a switch of its own." },
};
const struct config_object config_schema = { "ringway.yaml", sizeof(struct config), ARRAY_SIZE(config_keys),
					     config_keys };

const char *port_type_name(enum port_type t)
{
	return type_words[t];
}

const char *poll_mode_name(enum poll_mode m)
{
	return poll_words[m];
}

const char *accounting_name(enum accounting a)
{
	return accounting_words[a];
}

const struct config_key *config_key_find(const struct config_object *o, const char *name)
{
	for (size_t i = 0; i < o->n_keys; i++)
		if (strcmp(o->keys[i].name, name) == 0)
			return &o->keys[i];
	return NULL;
}

bool config_key_applies(const struct config_key *k, enum port_type type)
{
	return k->port_types == 0 || k->port_types & 1u << type;
}

enum { NAME_COMPARED_MAX = 24 };

/* Letters to insert, remove, replace or swap with their neighbour (optimal string alignment). Longer names than any of ours
 * are cut. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned d[NAME_COMPARED_MAX + 1][NAME_COMPARED_MAX + 1];
	size_t a_len = strnlen(a, NAME_COMPARED_MAX), b_len = strnlen(b, NAME_COMPARED_MAX);

	for (size_t i = 0; i <= a_len; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= b_len; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		for (size_t j = 1; j <= b_len; j++) {
			unsigned replaced = d[i - 1][j - 1] + (tolower((unsigned char)a[i - 1]) != b[j - 1]);

			d[i][j] = MIN(replaced, MIN(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[a_len][b_len];
}

const struct config_key *config_key_nearest(const struct config_object *o, const char *name)
{
	const struct config_key *best = NULL;
	unsigned best_distance = 0;

	for (size_t i = 0; i < o->n_keys; i++) {
		unsigned distance = edit_distance(name, o->keys[i].name);

		/* Half of the letters may differ. */
		if (distance * 2 <= strlen(o->keys[i].name) && (!best || distance < best_distance)) {
			best = &o->keys[i];
			best_distance = distance;
		}
	}
	return best;
}

static void allowed_words(const struct config_key *k, char *buf, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; k->words[i] && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s",
					i == 0            ? ""
					: k->words[i + 1] ? ", "
							  : " or ",
					k->words[i]);
}

void config_key_allowed(const struct config_key *k, char *buf, size_t size)
{
	switch (k->kind) {
	case KEY_NUMBER:
		snprintf(buf, size, "%u..%u", k->min, k->max);
		break;
	case KEY_WORKERS:
		snprintf(buf, size, "%u..%u, auto, or a list of as many mappings", k->min, k->max);
		break;
	case KEY_WORD:
		allowed_words(k, buf, size);
		break;
	case KEY_NAME:
		snprintf(buf, size, "up to %zu letters, digits and _ . -, a letter or digit first", k->size - 1);
		break;
	case KEY_TEXT:
		snprintf(buf, size, "text of up to %zu bytes without blanks, / and :", k->size - 1);
		break;
	case KEY_PATH:
		snprintf(buf, size, "a path of up to %zu bytes", k->size - 1);
		break;
	case KEY_MODE:
		snprintf(buf, size, "octal text, \"%04o\"..\"%04o\"", k->min, k->max);
		break;
	case KEY_OBJECT:
		snprintf(buf, size, "a mapping of keys to values");
		break;
	case KEY_LIST:
		snprintf(buf, size, "a list of up to %u mappings", k->max);
		break;
	}
}

static bool set_number(const struct config_key *k, unsigned *field, const char *text, int base)
{
	char *end;
	unsigned long value;

	if (!isdigit((unsigned char)*text))
		return false;
	value = strtoul(text, &end, base);
	if (*end || value < k->min || value > k->max)
		return false;
	*field = (unsigned)value;
	return true;
}

static bool set_auto(const struct config_key *k, unsigned *field, const char *text)
{
	cpu_set_t cpus;
	unsigned n = 1;

	if (strcmp(text, "auto") != 0)
		return set_number(k, field, text, 10);
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		n = (unsigned)CPU_COUNT(&cpus);
	*field = MIN(MAX(n, k->min), k->max);
	return true;
}

static bool set_word(const struct config_key *k, unsigned *field, const char *text)
{
	for (unsigned i = 0; k->words[i]; i++) {
		if (strcmp(k->words[i], text) == 0) {
			*field = i;
			return true;
		}
	}
	return false;
}

static bool name_allows(unsigned char c, bool first)
{
	return c < 0x80 && (isalnum(c) || (!first && strchr("_.-", c)));
}

static bool text_allows(unsigned char c, bool first)
{
	(void)first;
	return c > ' ' && c != 0x7f && c != '/' && c != ':';
}

static bool path_allows(unsigned char c, bool first)
{
	(void)first;
	return c >= ' ' && c != 0x7f;
}

static bool set_string(const struct config_key *k, char *field, const char *text, bool (*allows)(unsigned char, bool))
{
	size_t len = strlen(text);

	if (len == 0 || len >= k->size)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!allows((unsigned char)text[i], i == 0))
			return false;
	memset(field, 0, k->size);
	memcpy(field, text, len);
	return true;
}

bool config_key_set_text(const struct config_key *k, void *field, const char *text)
{
	static_assert(sizeof(enum port_type) == sizeof(unsigned) && sizeof(mode_t) == sizeof(unsigned),
		      "enums and modes are stored through unsigned *");

	switch (k->kind) {
	case KEY_NUMBER:
		return set_number(k, field, text, 10);
	case KEY_WORKERS:
		return set_auto(k, field, text);
	case KEY_WORD:
		return set_word(k, field, text);
	case KEY_NAME:
		return set_string(k, field, text, name_allows);
	case KEY_TEXT:
		return set_string(k, field, text, text_allows);
	case KEY_PATH:
		return set_string(k, field, text, path_allows);
	case KEY_MODE:
		return set_number(k, field, text, 8);
	default:
		return false;
	}
}
