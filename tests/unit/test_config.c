/* SPDX-License-Identifier: Apache-2.0 */
/* test_config.c - Documents and what becomes of them: the values, or the exact message.
 *
 * Limits and defaults are those of ringway.yaml(5), written down here a second time. Documents are YAML, read as the file `f`. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "control/config.h"
#include "control/config_schema.h"
#include "control/config_yaml.h"

/* Read a document the way config_read_file() does; the message, or "" when it is good. */
static const char *problem_of(const char *text)
{
	static char message[1024];
	struct config_yaml yaml;
	struct config_error e;
	struct config c;
	int err = config_yaml_parse(&yaml, text, strlen(text), "f", &e);

	message[0] = 0;
	if (!err) {
		err = config_from_json(yaml.tree, &c, &e);
		if (err)
			config_yaml_locate(&yaml, "f", &e);
		config_yaml_deinit(&yaml);
		config_deinit(&c);
	}
	if (err) {
		assert_int_equal(err, -EINVAL);
		config_error_format(&e, message, sizeof(message));
	}
	return message;
}

static void assert_problems(const char *const (*rows)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_string_equal(problem_of(rows[i][0]), rows[i][1]);
}

#define PORT(keys) "networks:\n- name: lan\n  ports:\n  - {" keys "}\n"

static void test_bad_numbers(void **state)
{
	static const char *const rows[][2] = {
		{ "workers: 0", "f:1: workers: is 0, allowed: 1..64, auto, or a list of as many mappings" },
		{ "workers: 65", "f:1: workers: is 65, allowed: 1..64, auto, or a list of as many mappings" },
		{ "workers: all",
		  "f:1: workers: is the text \"all\", allowed: 1..64, auto, or a list of as many mappings" },
		{ "workers: '2'",
		  "f:1: workers: is the text \"2\", allowed: 1..64, auto, or a list of as many mappings" },
		{ "workers: -1", "f:1: workers: is -1, allowed: 1..64, auto, or a list of as many mappings" },
		{ "workers: 2.5",
		  "f:1: workers: is the number 2.5, allowed: 1..64, auto, or a list of as many mappings" },
		{ "workers: true", "f:1: workers: is true, allowed: 1..64, auto, or a list of as many mappings" },
		{ "workers:", "f:1: workers: is empty, allowed: 1..64, auto, or a list of as many mappings" },
		{ "workers: [1]", "f:1: workers[0]: is the number 1, allowed: a mapping of keys to values" },
		{ "workers: []", "f:1: workers: has no entries, allowed: 1..64" },
		{ "workers: [{}]", "f:1: workers[0].cpu: is missing, allowed: 0..1023" },
		{ "workers: [{cpu: 0}, {cpu: 1024}]", "f:1: workers[1].cpu: is 1024, allowed: 0..1023" },
		{ "workers: [{cpu: auto}]", "f:1: workers[0].cpu: is the text \"auto\", allowed: 0..1023" },
		{ "workers:\n- {cpu: 3}\n- {cpu: 1}\n- {cpu: 3}",
		  "f:4: workers[2].cpu: is 3, which workers[0].cpu is already" },
		{ "workers: [{cpus: 1}]", "f:1: workers[0].cpus: is not a known key, the nearest one is: cpu" },
		{ "workers: {n: 1}",
		  "f:1: workers: is a mapping, allowed: 1..64, auto, or a list of as many mappings" },
		{ "busy_poll_us: 10001", "f:1: busy_poll_us: is 10001, allowed: 0..10000" },
		{ "busy_poll_us: 4294967346", "f:1: busy_poll_us: is 4294967346, allowed: 0..10000" },
		{ "busy_poll_us: 99999999999999999999", "f:1: busy_poll_us: is the number 1e20, allowed: 0..10000" },
		{ "networks: [{name: a, mtu: 67}]", "f:1: networks[0].mtu: is 67, allowed: 68..65535" },
		{ "networks: [{name: a, mtu: 65536}]", "f:1: networks[0].mtu: is 65536, allowed: 68..65535" },
		{ "networks: [{name: a, fdb_size: 63}]", "f:1: networks[0].fdb_size: is 63, allowed: 64..1048576" },
		{ "networks: [{name: a, fdb_ageing_s: 86401}]",
		  "f:1: networks[0].fdb_ageing_s: is 86401, allowed: 0..86400" },
		{ PORT("name: a, type: tap, queues: 99"), "f:4: networks[0].ports[0].queues: is 99, allowed: 1..16" },
		{ PORT("name: a, type: tap, queues: 0"), "f:4: networks[0].ports[0].queues: is 0, allowed: 1..16" },
	};

	(void)state;
	assert_problems(rows, ARRAY_SIZE(rows));
}

static void test_bad_text(void **state)
{
	static const char *const rows[][2] = {
		{ "poll: sometimes", "f:1: poll: is \"sometimes\", allowed: adaptive, always or never" },
		{ "poll: 1", "f:1: poll: is the number 1, allowed: adaptive, always or never" },
		{ PORT("name: a, type: bridge"),
		  "f:4: networks[0].ports[0].type: is \"bridge\", allowed: vhost-user or tap" },
		{ "networks:\n- name: 7", "f:2: networks[0].name: is the number 7, "
					  "allowed: up to 31 letters, digits and _ . -, a letter or digit first" },
		{ "networks:\n- name: -a", "f:2: networks[0].name: is \"-a\", "
					   "allowed: up to 31 letters, digits and _ . -, a letter or digit first" },
		{ "networks:\n- name: a/b", "f:2: networks[0].name: is \"a/b\", "
					    "allowed: up to 31 letters, digits and _ . -, a letter or digit first" },
		{ "networks:\n- name: \"\\u00e9\\e\"",
		  "f:2: networks[0].name: is \"\\u00E9\\u001B\", "
		  "allowed: up to 31 letters, digits and _ . -, a letter or digit first" },
		{ "networks:\n- name: a2345678901234567890123456789012",
		  "f:2: networks[0].name: is \"a2345678901234567890123456789012\", "
		  "allowed: up to 31 letters, digits and _ . -, a letter or digit first" },
		{ PORT("name: a, type: tap, ifname: a2345678901234567"),
		  "f:4: networks[0].ports[0].ifname: is \"a2345678901234567\", "
		  "allowed: text of up to 15 bytes without blanks, / and :" },
		{ PORT("name: a, type: tap, ifname: 'r w'"),
		  "f:4: networks[0].ports[0].ifname: is \"r w\", "
		  "allowed: text of up to 15 bytes without blanks, / and :" },
		{ PORT("name: a, type: tap, ifname: .."),
		  "f:4: networks[0].ports[0].ifname: is \"..\", which is no name for a device" },
		{ PORT("name: a, type: tap, ifname: 'tap%d'"),
		  "f:4: networks[0].ports[0].ifname: is \"tap%d\", which is no name for a device" },
		{ PORT("name: a23456789012345x, type: tap"),
		  "f:4: networks[0].ports[0].ifname: is missing, and the port's name is too long for a device, "
		  "allowed: text of up to 15 bytes without blanks, / and :" },
		{ PORT("name: a, type: vhost-user, socket: ''"),
		  "f:4: networks[0].ports[0].socket: is \"\", allowed: a path of up to 107 bytes" },
		{ PORT("name: a, type: vhost-user, socket_mode: 600"),
		  "f:4: networks[0].ports[0].socket_mode: is the number 600, allowed: octal text, \"0000\"..\"0777\"" },
		{ PORT("name: a, type: vhost-user, socket_mode: '0800'"),
		  "f:4: networks[0].ports[0].socket_mode: is \"0800\", allowed: octal text, \"0000\"..\"0777\"" },
		{ PORT("name: a, type: vhost-user, socket_mode: '4777'"),
		  "f:4: networks[0].ports[0].socket_mode: is \"4777\", allowed: octal text, \"0000\"..\"0777\"" },
		{ "api: {socket: "
		  "a234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
		  "1234567}",
		  "" },
		{ "api: {socket: "
		  "a234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
		  "12345678}",
		  "f:1: api.socket: is \"a2345678901234567890123456789012345678901234567890123456789..., "
		  "allowed: a path of up to 107 bytes" },
	};

	(void)state;
	assert_problems(rows, ARRAY_SIZE(rows));
}

static void test_bad_shape(void **state)
{
	static const char *const rows[][2] = {
		{ "- workers", "f:1: is a list, allowed: a mapping of keys to values" },
		{ "workers", "f:1: is the text \"workers\", allowed: a mapping of keys to values" },
		{ "api: api.sock", "f:1: api: is the text \"api.sock\", allowed: a mapping of keys to values" },
		{ "networks: {name: lan}", "f:1: networks: is a mapping, allowed: a list of up to 1024 mappings" },
		{ "networks:\n- lan", "f:2: networks[0]: is the text \"lan\", allowed: a mapping of keys to values" },
		{ "networks:\n-\n", "f:2: networks[0].name: is missing, "
				    "allowed: up to 31 letters, digits and _ . -, a letter or digit first" },
		{ "networks:\n- name: a\n- mtu: 1500\n",
		  "f:3: networks[1].name: is missing, "
		  "allowed: up to 31 letters, digits and _ . -, a letter or digit first" },
		{ PORT("name: a"), "f:4: networks[0].ports[0].type: is missing, allowed: vhost-user or tap" },
		{ PORT("name: a, type: tap,\n    mode: client"),
		  "f:5: networks[0].ports[0].mode: is not a key of ports of type tap" },
		{ PORT("name: a, type: vhost-user, ifname: b"),
		  "f:4: networks[0].ports[0].ifname: is not a key of ports of type vhost-user" },
	};

	(void)state;
	assert_problems(rows, ARRAY_SIZE(rows));
}

static void test_unknown_keys(void **state)
{
	static const char *const rows[][2] = {
		{ "poll: never\nworker: 2", "f:2: worker: is not a known key, the nearest one is: workers" },
		{ "busy_pol: 2", "f:1: busy_pol: is not a known key, the nearest one is: busy_poll_us" },
		{ "Networks: []", "f:1: Networks: is not a known key, the nearest one is: networks" },
		{ "vlan: 1",
		  "f:1: vlan: is not a known key, allowed: workers, poll, busy_poll_us, accounting, api, networks" },
		{ "api: {sokcet: x}", "f:1: api.sokcet: is not a known key, the nearest one is: socket" },
		{ "networks:\n- name: a\n  mut: 1500\n",
		  "f:3: networks[0].mut: is not a known key, the nearest one is: mtu" },
		{ PORT("name: a, type: tap, queue: 2"),
		  "f:4: networks[0].ports[0].queue: is not a known key, the nearest one is: queues" },
		{ PORT("name: a, type: tap, socket-mode: 2"),
		  "f:4: networks[0].ports[0].socket-mode: is not a known key, the nearest one is: socket_mode" },
		{ "\"\\e[31m\": 1",
		  "f:1: ?[31m: is not a known key, allowed: workers, poll, busy_poll_us, accounting, api, networks" },
		{ "? ''\n: 1",
		  "f:1: is not a known key, allowed: workers, poll, busy_poll_us, accounting, api, networks" },
	};

	(void)state;
	assert_problems(rows, ARRAY_SIZE(rows));
}

static void test_duplicates(void **state)
{
	static const char *const rows[][2] = {
		{ "networks:\n- name: lan\n- name: lan\n",
		  "f:3: networks[1].name: is \"lan\", which networks[0].name is already" },
		{ "networks:\n- name: lan\n  ports:\n  - {name: a, type: tap}\n- name: wan\n  ports:\n"
		  "  - {name: a, type: vhost-user}\n",
		  "f:7: networks[1].ports[0].name: is \"a\", which networks[0].ports[0].name is already" },
		{ PORT("name: a, type: vhost-user}\n  - {name: b, type: vhost-user, socket: a.sock"),
		  "f:5: networks[0].ports[1].socket: is \"a.sock\", which networks[0].ports[0].socket is already" },
		{ PORT("name: api, type: vhost-user"),
		  "f:4: networks[0].ports[0].socket: is \"api.sock\", which api.socket is already" },
		{ PORT("name: a, type: tap, ifname: b}\n  - {name: b, type: tap"),
		  "f:5: networks[0].ports[1].ifname: is \"b\", which networks[0].ports[0].ifname is already" },
		{ PORT("name: a, type: tap}\n  - {name: b, type: vhost-user, socket: a"), "" },
	};

	(void)state;
	assert_problems(rows, ARRAY_SIZE(rows));
}

static void read_good(const char *text, struct config *c)
{
	struct config_yaml yaml;
	struct config_error e;

	assert_int_equal(config_yaml_parse(&yaml, text, strlen(text), "f", &e), 0);
	assert_int_equal(config_from_json(yaml.tree, c, &e), 0);
	config_yaml_deinit(&yaml);
}

static void assert_top_defaults(const struct config *c)
{
	assert_int_equal(c->workers, 1);
	assert_int_equal(c->poll, POLL_ADAPTIVE);
	assert_int_equal(c->busy_poll_us, 50);
	assert_string_equal(c->api_socket, "api.sock");
	assert_int_equal(c->n_networks, 0);
}

static void test_defaults(void **state)
{
	static const char *const empty[] = { "", "{}", "# nothing\n", "---\n", "networks:\napi:\n", "networks: []" };
	struct config c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
		read_good(empty[i], &c);
		assert_top_defaults(&c);
		config_deinit(&c);
	}
	config_init_default(&c);
	assert_top_defaults(&c);
	config_deinit(&c);

	read_good("networks:\n- name: n\n  ports:\n  - {name: v, type: vhost-user}\n  - {name: t, type: tap}\n", &c);
	assert_int_equal(c.n_networks, 1);
	assert_int_equal(c.networks[0].mtu, 1500);
	assert_int_equal(c.networks[0].fdb_size, 8192);
	assert_int_equal(c.networks[0].fdb_port_limit, 0);
	assert_int_equal(c.networks[0].fdb_ageing_s, 300);
	assert_int_equal(c.networks[0].n_ports, 2);
	assert_int_equal(c.networks[0].ports[0].queues, 1);
	assert_string_equal(c.networks[0].ports[0].socket, "v.sock");
	assert_int_equal(c.networks[0].ports[0].role, SOCKET_SERVER);
	assert_int_equal(c.networks[0].ports[0].socket_mode, 0600);
	assert_string_equal(c.networks[0].ports[0].socket_owner, "");
	assert_string_equal(c.networks[0].ports[0].ifname, "");
	assert_string_equal(c.networks[0].ports[1].ifname, "t");
	assert_string_equal(c.networks[0].ports[1].socket, "");
	config_deinit(&c);
}

static const char full[] = "workers: 4\n"
			   "poll: never\n"
			   "busy_poll_us: 0\n"
			   "api: {socket: /run/x/api.sock}\n"
			   "networks:\n"
			   "- name: lan\n"
			   "  mtu: 9000\n"
			   "  fdb_size: 64\n"
			   "  fdb_port_limit: 10\n"
			   "  fdb_ageing_s: 0\n"
			   "  ports:\n"
			   "  - {name: vm1, type: vhost-user, socket: /tmp/a b.sock, queues: 16, mode: client,\n"
			   "     socket_mode: 0660, socket_owner: qemu, socket_group: '107',\n"
			   "     ring_reset: on}\n"
			   "  - {name: host.x_y-z0, type: tap, ifname: rw0, queues: 2}\n"
			   "- {name: 'no', ports: }\n";

static void test_values(void **state)
{
	const struct port_config *p;
	struct config c;

	(void)state;
	read_good(full, &c);
	assert_int_equal(c.workers, 4);
	assert_int_equal(c.poll, POLL_NEVER);
	assert_int_equal(c.busy_poll_us, 0);
	assert_string_equal(c.api_socket, "/run/x/api.sock");
	assert_int_equal(c.n_networks, 2);
	assert_string_equal(c.networks[0].name, "lan");
	assert_int_equal(c.networks[0].mtu, 9000);
	assert_int_equal(c.networks[0].fdb_size, 64);
	assert_int_equal(c.networks[0].fdb_port_limit, 10);
	assert_int_equal(c.networks[0].fdb_ageing_s, 0);
	assert_int_equal(c.networks[0].n_ports, 2);
	p = &c.networks[0].ports[0];
	assert_string_equal(p->name, "vm1");
	assert_int_equal(p->type, PORT_TYPE_VHOST_USER);
	assert_string_equal(p->socket, "/tmp/a b.sock");
	assert_int_equal(p->queues, 16);
	assert_int_equal(p->role, SOCKET_CLIENT);
	assert_int_equal(p->socket_mode, 0660);
	assert_string_equal(p->socket_owner, "qemu");
	assert_string_equal(p->socket_group, "107");
	assert_int_equal(p->ring_reset, 1);
	p = &c.networks[0].ports[1];
	assert_string_equal(p->name, "host.x_y-z0");
	assert_int_equal(p->type, PORT_TYPE_TAP);
	assert_string_equal(p->ifname, "rw0");
	assert_int_equal(p->queues, 2);
	assert_string_equal(c.networks[1].name, "no");
	assert_int_equal(c.networks[1].n_ports, 0);
	config_deinit(&c);
}

static void test_auto_workers(void **state)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct config c;

	(void)state;
	read_good("workers: auto", &c);
	assert_in_range(c.workers, 1, MIN(cpus, 64));
	config_deinit(&c);
}

static void test_pinned_workers(void **state)
{
	struct config c;
	json_t *tree, *expected;

	(void)state;
	read_good("workers: [{cpu: 2}, {cpu: 0}, {cpu: 1023}]", &c);
	assert_int_equal(c.workers, 3);
	assert_int_equal(c.n_pinned, 3);
	assert_int_equal(c.pinned[0].cpu, 2);
	assert_int_equal(c.pinned[1].cpu, 0);
	assert_int_equal(c.pinned[2].cpu, 1023);
	tree = config_to_json(&c, false);
	expected = json_pack("[{s:i}, {s:i}, {s:i}]", "cpu", 2, "cpu", 0, "cpu", 1023);
	assert_true(json_equal(json_object_get(tree, "workers"), expected));
	json_decref(tree);
	json_decref(expected);
	config_deinit(&c);
}

/* What is written reads back as the same, whether defaults are written out or not, and by way of YAML as well. */
static void test_round_trip(void **state)
{
	(void)state;
	for (int with_defaults = 0; with_defaults <= 1; with_defaults++) {
		struct config_error e;
		struct config c, again;
		json_t *tree, *second;
		char *text;

		read_good(full, &c);
		tree = config_to_json(&c, with_defaults);
		assert_int_equal(config_from_json(tree, &again, &e), 0);
		second = config_to_json(&again, with_defaults);
		assert_true(json_equal(tree, second));
		config_deinit(&again);
		json_decref(second);

		text = config_yaml_write(tree);
		assert_non_null(text);
		read_good(text, &again);
		second = config_to_json(&again, with_defaults);
		assert_true(json_equal(tree, second));
		config_deinit(&again);
		json_decref(second);
		free(text);
		json_decref(tree);
		config_deinit(&c);
	}
}

static void test_only_what_differs_is_written(void **state)
{
	struct config c;
	json_t *tree, *expected;

	(void)state;
	read_good("{workers: 1, poll: adaptive, api: {socket: api.sock}, networks: [{name: n, mtu: 1500, ports: ["
		  "{name: v, type: vhost-user, socket: v.sock, mode: server, socket_mode: 0600, queues: 1},"
		  "{name: t, type: tap, ifname: t}, {name: u, type: tap, ifname: rw1}]}]}",
		  &c);
	tree = config_to_json(&c, false);
	expected = json_pack("{s:[{s:s, s:[{s:s,s:s},{s:s,s:s},{s:s,s:s,s:s}]}]}", "networks", "name", "n", "ports",
			     "name", "v", "type", "vhost-user", "name", "t", "type", "tap", "name", "u", "type", "tap",
			     "ifname", "rw1");
	assert_true(json_equal(tree, expected));
	json_decref(tree);
	json_decref(expected);
	config_deinit(&c);
}

/* The error of a REST body: no file, no line. */
static void test_json_error(void **state)
{
	json_t *tree = json_pack("{s:s, s:s, s:i}", "name", "vm1", "type", "tap", "queues", 99);
	struct config_error e;
	struct port_config port;
	struct network_config network;
	char text[256];

	(void)state;
	assert_int_equal(port_config_from_json(tree, &port, &e), -EINVAL);
	config_error_format(&e, text, sizeof(text));
	assert_string_equal(text, "queues: is 99, allowed: 1..16");
	json_decref(tree);

	tree = json_pack("{s:s, s:[{s:s, s:s}, {s:s, s:s}]}", "name", "n", "ports", "name", "a", "type", "tap", "name",
			 "a", "type", "tap");
	assert_int_equal(network_config_from_json(tree, &network, &e), -EINVAL);
	config_error_format(&e, text, sizeof(text));
	assert_string_equal(text, "ports[1].name: is \"a\", which ports[0].name is already");
	json_decref(tree);

	tree = json_stringn("a\0b", 3);
	assert_int_equal(port_config_from_json(tree, &port, &e), -EINVAL);
	json_decref(tree);
	tree = json_pack("{s:o, s:s}", "name", json_stringn("a\0b", 3), "type", "tap");
	assert_int_equal(port_config_from_json(tree, &port, &e), -EINVAL);
	config_error_format(&e, text, sizeof(text));
	assert_string_equal(text, "name: is the text \"a\\u0000b\", "
				  "allowed: up to 31 letters, digits and _ . -, a letter or digit first");
	json_decref(tree);
}

static void assert_defaults_fit(const struct config_object *o)
{
	char field[CONFIG_PATH_MAX] __attribute__((aligned(8)));

	for (size_t i = 0; i < o->n_keys; i++) {
		const struct config_key *k = &o->keys[i];

		assert_non_null(k->help);
		assert_true(k->size <= sizeof(field));
		if (k->fallback && !config_key_set_text(k, field, k->fallback))
			fail_msg("default of %s is outside its limits", k->name);
		if (k->object)
			assert_defaults_fit(k->object);
	}
}

static void test_table(void **state)
{
	(void)state;
	assert_defaults_fit(&config_schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_bad_shape),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_auto_workers),
		cmocka_unit_test(test_pinned_workers),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_only_what_differs_is_written),
		cmocka_unit_test(test_json_error),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
