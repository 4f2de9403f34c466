/* SPDX-License-Identifier: Apache-2.0 */
/* test_cli.c - The parts of `ringway` that need no daemon: command lines, numbers, tables, what guests are told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "cli/args.h"
#include "cli/format.h"
#include "cli/guest.h"
#include "cli/table.h"
#include "control/config_schema.h"

enum { WORDS_MAX = 12 };

static const struct cli_option options[] = { { "watch", NULL, "w" }, { "count", "N", "n" }, { 0 } };
static const struct cli_command stats = { NULL, "stats", "[PORT]", 0, 1, "Show.", options, NULL, true, NULL };
static const struct cli_command port_add = { "port", "add", "NAME", 1, 1, "Add.", NULL, &port_schema, true, NULL };

/* Split at blanks and parse; the message, "" when there is none. */
static const char *parse(struct cli_args *args, const struct cli_command *command, const char *line)
{
	static char copy[256], *argv[WORDS_MAX + 1], *message;
	size_t len;
	int argc = 0, status;
	FILE *err;

	free(message);
	message = NULL;
	err = open_memstream(&message, &len);
	assert_non_null(err);
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word && argc < WORDS_MAX; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	*args = (struct cli_args){ 0 };
	status = cli_args_parse(args, command, argc, argv, err);
	fclose(err);
	assert_int_equal(status, *message ? 2 : 0);
	return message;
}

static void test_options(void **state)
{
	struct cli_args args;

	(void)state;
	assert_string_equal(parse(&args, &stats, "stats"), "");
	assert_int_equal(args.n_words, 0);
	assert_null(cli_option(&args, "watch"));
	assert_false(args.json);

	assert_string_equal(parse(&args, &stats, "stats --json vm1 --watch --count=3 --run-dir /x"), "");
	assert_int_equal(args.n_words, 1);
	assert_string_equal(args.words[0], "vm1");
	assert_string_equal(cli_option(&args, "watch"), "");
	assert_string_equal(cli_option(&args, "count"), "3");
	assert_string_equal(args.run_dir, "/x");
	assert_true(args.json);

	assert_string_equal(parse(&args, &stats, "stats --api-socket /y/z"), "");
	assert_string_equal(args.api_socket, "/y/z");
	assert_null(args.run_dir);

	assert_string_equal(parse(&args, &stats, "stats -- --odd"), "");
	assert_string_equal(args.words[0], "--odd");

	/* Help is given whatever else is missing. */
	assert_string_equal(parse(&args, &port_add, "add -h"), "");
	assert_true(args.help);
}

static void test_schema_options(void **state)
{
	struct cli_args args;

	(void)state;
	assert_string_equal(parse(&args, &port_add, "add vm1 --queues 2 --socket-mode 0660 --mode client"), "");
	for (size_t i = 0; i < port_schema.n_keys; i++) {
		const char *name = port_schema.keys[i].name;
		const char *expected = strcmp(name, "queues") == 0        ? "2"
				       : strcmp(name, "socket_mode") == 0 ? "0660"
				       : strcmp(name, "mode") == 0        ? "client"
									  : NULL;

		if (expected)
			assert_string_equal(args.key_values[i], expected);
		else
			assert_null(args.key_values[i]);
	}
}

static void test_wrong_command_lines(void **state)
{
	static const struct {
		const struct cli_command *command;
		const char *line, *message;
	} rows[] = {
		{ &stats, "stats a b", "ringway: unexpected argument 'b'\nTry 'ringway stats --help'.\n" },
		{ &stats, "stats --bad", "ringway: option --bad is not known here\nTry 'ringway stats --help'.\n" },
		{ &stats, "stats --version",
		  "ringway: option --version is not known here\nTry 'ringway stats --help'.\n" },
		{ &stats, "stats -x", "ringway: option -x is not known here\nTry 'ringway stats --help'.\n" },
		{ &stats, "stats --count", "ringway: option --count needs a value\nTry 'ringway stats --help'.\n" },
		{ &port_add, "add", "ringway: an argument is missing: NAME\nTry 'ringway port add --help'.\n" },
		{ &port_add, "add a --name b",
		  "ringway: option --name is not known here\nTry 'ringway port add --help'.\n" },
		{ &port_add, "add a --socket_mode 1",
		  "ringway: option --socket_mode is not known here\nTry 'ringway port add --help'.\n" },
	};
	struct cli_args args;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(parse(&args, rows[i].command, rows[i].line), rows[i].message);
}

static void test_global_options(void **state)
{
	char name[] = "ringway", json[] = "--json", verb[] = "stats", watch[] = "--watch",
	     *argv[] = { name, json, verb, watch, NULL };
	struct cli_args args = { 0 };
	int next;

	(void)state;
	assert_int_equal(cli_args_parse_global(&args, 4, argv, &next, stderr), 0);
	assert_int_equal(next, 2);
	assert_true(args.json);
	assert_int_equal(cli_args_parse(&args, &stats, 4 - next, argv + next, stderr), 0);
	assert_true(args.json);
	assert_non_null(cli_option(&args, "watch"));
}

static void test_numbers(void **state)
{
	static const struct {
		uint64_t n;
		const char *text;
	} counts[] = {
		{ 0, "0" },
		{ 999, "999" },
		{ 1000, "1,000" },
		{ 12345678, "12,345,678" },
		{ UINT64_MAX, "18,446,744,073,709,551,615" },
	};
	static const struct {
		double value;
		const char *text;
	} quantities[] = {
		{ 0, "0 B" },
		{ 999, "999 B" },
		{ 999.4, "999 B" },
		{ 999.6, "1.00 kB" },
		{ 1000, "1.00 kB" },
		{ 9994, "9.99 kB" },
		{ 9996, "10.0 kB" },
		{ 99960, "100 kB" },
		{ 999600, "1.00 MB" },
		{ 1234567890, "1.23 GB" },
		{ 18446744073709551615.0, "18.4 EB" },
	};
	static const struct {
		double seconds;
		const char *text;
	} durations[] = {
		{ 0, "0.0 s" },          { 4.25, "4.2 s" },     { 60, "1 min 0 s" },
		{ 3599, "59 min 59 s" }, { 3600, "1 h 0 min" }, { 90061, "1 d 1 h" },
	};
	char buf[FORMAT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		assert_string_equal(format_count(buf, counts[i].n), counts[i].text);
	for (size_t i = 0; i < ARRAY_SIZE(quantities); i++)
		assert_string_equal(format_quantity(buf, quantities[i].value, "B"), quantities[i].text);
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++)
		assert_string_equal(format_duration(buf, durations[i].seconds), durations[i].text);
}

static void assert_printed(struct table *t, const char *expected)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	table_print(t, "nothing", out);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static void test_table(void **state)
{
	struct table *t = table_create("A|>NUMBER|C");

	(void)state;
	table_cell(t, "%s", "caf\xc3\xa9");
	table_count(t, 1234567);
	table_cell(t, "x");
	table_cell(t, "longer");
	table_count(t, 1);
	table_cell(t, "%s", "");
	table_cell(t, "\033[31m");
	table_count(t, 22);
	table_cell(t, "a\nb");
	assert_printed(t, "A          NUMBER  C\n"
			  "caf\xc3\xa9    1,234,567  x\n"
			  "longer          1\n"
			  "?[31m          22  a?b\n");
	assert_printed(table_create("A|B"), "nothing\n");

	t = table_create("|");
	table_cell(t, "name");
	table_cell(t, "x");
	table_cell(t, "MTU");
	table_cell(t, "1500");
	assert_printed(t, "name  x\nMTU   1500\n");
}

/* IEEE 802, 8.2: bit 1 of the first octet says locally administered, bit 0 group. */
static void test_mac(void **state)
{
	char mac[18], again[18], other[18];
	unsigned first;

	(void)state;
	guest_mac("vm1", "host", mac);
	guest_mac("vm1", "host", again);
	assert_string_equal(mac, again);
	assert_int_equal(strlen(mac), 17);
	assert_int_equal(sscanf(mac, "%2x:", &first), 1);
	assert_int_equal(first & 3, 2);
	guest_mac("vm2", "host", other);
	assert_string_not_equal(mac, other);
	guest_mac("vm1", "tsoh", other);
	assert_string_not_equal(mac, other);
	guest_mac("1", "hostvm", other);
	assert_string_not_equal(mac, other);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* 40 bits are enough for all ports of all networks: no two of 10000 names share an address. */
static void test_macs_differ(void **state)
{
	enum { N = 10000 };
	char(*macs)[18] = calloc(N, sizeof(*macs));

	(void)state;
	assert_non_null(macs);
	for (unsigned i = 0; i < N; i++) {
		char name[16];

		snprintf(name, sizeof(name), "vm%u", i);
		guest_mac(name, "", macs[i]);
	}
	qsort(macs, N, sizeof(*macs), compare);
	for (unsigned i = 1; i < N; i++)
		assert_string_not_equal(macs[i - 1], macs[i]);
	free(macs);
}

static void assert_args(const struct guest_port *port, bool without_msix, const char *tail)
{
	const struct guest_options o = { "2G", without_msix };
	json_t *args = guest_qemu_args(port, 1, "", &o);
	char line[1024] = "", mac[18], expected[1024];
	const json_t *word;
	size_t i;

	json_array_foreach (args, i, word)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s%s", i ? " " : "",
			 json_string_value(word));
	json_decref(args);
	guest_mac(port->name, "", mac);
	snprintf(
	    expected, sizeof(expected),
	    "-m 2G -object memory-backend-memfd,id=ringway-mem,size=2G,share=on -machine memory-backend=ringway-mem ");
	for (size_t len = strlen(expected); *tail && len + 20 < sizeof(expected); tail++) {
		if (*tail == '@')
			len += (size_t)snprintf(expected + len, sizeof(expected) - len, "%s", mac);
		else
			expected[len++] = *tail;
		expected[len] = 0;
	}
	assert_string_equal(line, expected);
}

/* '@' stands for the MAC address. */
static void test_qemu_args(void **state)
{
	static const struct guest_port plain = { "vm1", "/r/vm1.sock", 1, 1500, true };
	static const struct guest_port large = { "1", "/a,b", 4, 9000, false };

	(void)state;
	assert_args(&plain, false,
		    "-chardev socket,id=ringway-vm1,path=/r/vm1.sock,reconnect=1 "
		    "-netdev vhost-user,id=net-vm1,chardev=ringway-vm1,queues=1 "
		    "-device virtio-net-pci,netdev=net-vm1,mac=@,rx_queue_size=1024,tx_queue_size=1024");
	assert_args(&plain, true,
		    "-chardev socket,id=ringway-vm1,path=/r/vm1.sock,reconnect=1 "
		    "-netdev vhost-user,id=net-vm1,chardev=ringway-vm1,queues=1 "
		    "-device virtio-net-pci,netdev=net-vm1,mac=@,vectors=0,rx_queue_size=1024,tx_queue_size=1024");
	assert_args(&large, false,
		    "-chardev socket,id=ringway-1,path=/a,,b,server=on "
		    "-netdev vhost-user,id=net-1,chardev=ringway-1,queues=4 "
		    "-device virtio-net-pci,netdev=net-1,mac=@,mq=on,vectors=10,host_mtu=9000,"
		    "rx_queue_size=1024,tx_queue_size=1024");
}

static void test_shell_words(void **state)
{
	static const char *const rows[][2] = {
		{ "socket,id=a,path=/r/x.sock", "socket,id=a,path=/r/x.sock" },
		{ "", "''" },
		{ "a b", "'a b'" },
		{ "it's", "'it'\\''s'" },
		{ "$x;`y`", "'$x;`y`'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);

		assert_non_null(out);
		guest_print_word(rows[i][0], out);
		fclose(out);
		assert_string_equal(text, rows[i][1]);
		free(text);
	}
}

static void test_libvirt(void **state)
{
	static const struct guest_port port = { "vm1", "/r/<'&.sock", 2, 9000, true };
	static const char *const parts[] = {
		"<source type='memfd'/>",
		"<access mode='shared'/>",
		"<interface type='vhostuser'>",
		"<source type='unix' path='/r/&lt;&apos;&amp;.sock' mode='client'>",
		"<driver queues='2' rx_queue_size='1024' tx_queue_size='1024'/>",
		"<mtu size='9000'/>",
	};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	guest_libvirt_xml(&port, "", out);
	fclose(out);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		assert_non_null(strstr(text, parts[i]));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_schema_options),
		cmocka_unit_test(test_wrong_command_lines),
		cmocka_unit_test(test_global_options),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_macs_differ),
		cmocka_unit_test(test_qemu_args),
		cmocka_unit_test(test_shell_words),
		cmocka_unit_test(test_libvirt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
