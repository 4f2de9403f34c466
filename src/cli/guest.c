/* SPDX-License-Identifier: Apache-2.0 */
/* guest.c - Arguments of QEMU and elements of libvirt for a vhost-user port.
 *
 * A vhost-user back-end maps the guest's memory, so that must be shared: a memfd. Queues of 1024 entries are the most that QEMU
 * allows, and let a burst wait in the ring. A device with queues needs a vector for each ring, one for configuration changes
 * and one for the control queue: 2N + 2. */
#include <stdint.h>
#include <string.h>

#include "cli/guest.h"

enum { RING_SIZE = 1024, MTU_DEFAULT = 1500 };

void guest_mac(const char *port, const char *host, char mac[18])
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a over both, a 0 between them */

	for (const char *c = host; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	hash *= 0x100000001b3;
	for (const char *c = port; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	/* The low bits of the last characters do not reach far up by themselves. */
	hash ^= hash >> 32;
	hash *= 0xd6e8feb86659fd93;
	hash ^= hash >> 32;
	snprintf(mac, 18, "02:%02x:%02x:%02x:%02x:%02x", (unsigned)(hash >> 32 & 0xff), (unsigned)(hash >> 24 & 0xff),
		 (unsigned)(hash >> 16 & 0xff), (unsigned)(hash >> 8 & 0xff), (unsigned)(hash & 0xff));
}

/* QEMU reads a comma as the end of a value, two as one. */
static void double_commas(const char *text, char *buf, size_t size)
{
	size_t len = 0;

	for (; *text && len + 2 < size; text++) {
		if (*text == ',')
			buf[len++] = ',';
		buf[len++] = *text;
	}
	buf[len] = 0;
}

static void add(json_t *args, const char *option, json_t *value)
{
	json_array_append_new(args, json_string(option));
	json_array_append_new(args, value);
}

/* An id has to begin with a letter, a port's name need not. */
static void add_port(json_t *args, const struct guest_port *p, const char *host, const struct guest_options *o)
{
	char path[1024], mac[18], mtu[24] = "", queues[48] = "";

	double_commas(p->socket, path, sizeof(path));
	guest_mac(p->name, host, mac);
	if (p->mtu != MTU_DEFAULT)
		snprintf(mtu, sizeof(mtu), ",host_mtu=%u", p->mtu);
	if (p->queues > 1)
		snprintf(queues, sizeof(queues), ",mq=on,vectors=%u", o->without_msix ? 0 : 2 * p->queues + 2);
	else if (o->without_msix)
		snprintf(queues, sizeof(queues), ",vectors=0");
	add(args, "-chardev",
	    json_sprintf("socket,id=ringway-%s,path=%s,%s", p->name, path,
			 p->daemon_listens ? "reconnect=1" : "server=on"));
	add(args, "-netdev",
	    json_sprintf("vhost-user,id=net-%s,chardev=ringway-%s,queues=%u", p->name, p->name, p->queues));
	add(args, "-device",
	    json_sprintf("virtio-net-pci,netdev=net-%s,mac=%s%s%s,rx_queue_size=%d,tx_queue_size=%d", p->name, mac,
			 queues, mtu, RING_SIZE, RING_SIZE));
}

json_t *guest_qemu_args(const struct guest_port *ports, size_t n, const char *host, const struct guest_options *o)
{
	json_t *args = json_array();

	add(args, "-m", json_string(o->memory));
	add(args, "-object", json_sprintf("memory-backend-memfd,id=ringway-mem,size=%s,share=on", o->memory));
	add(args, "-machine", json_string("memory-backend=ringway-mem"));
	for (size_t i = 0; i < n; i++)
		add_port(args, &ports[i], host, o);
	return args;
}

void guest_print_word(const char *word, FILE *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%";

	if (*word && strspn(word, plain) == strlen(word)) {
		fputs(word, out);
		return;
	}
	fputc('\'', out);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\'", out);
		fputc(*word, out);
	}
	fputc('\'', out);
}

static void print_xml(const char *text, FILE *out)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '\'':
			fputs("&apos;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

void guest_libvirt_xml(const struct guest_port *port, const char *host, FILE *out)
{
	char mac[18];

	guest_mac(port->name, host, mac);
	fputs("<!-- Into <domain>: ringwayd maps the guest's memory, so that has to be shared. -->\n"
	      "<memoryBacking>\n"
	      "  <source type='memfd'/>\n"
	      "  <access mode='shared'/>\n"
	      "</memoryBacking>\n"
	      "\n"
	      "<!-- Into <devices>. -->\n"
	      "<interface type='vhostuser'>\n",
	      out);
	fprintf(out, "  <mac address='%s'/>\n  <source type='unix' path='", mac);
	print_xml(port->socket, out);
	if (port->daemon_listens)
		fputs("' mode='client'>\n    <reconnect enabled='yes' timeout='1'/>\n  </source>\n", out);
	else
		fputs("' mode='server'/>\n", out);
	fprintf(out, "  <model type='virtio'/>\n  <driver queues='%u' rx_queue_size='%d' tx_queue_size='%d'/>\n",
		port->queues, RING_SIZE, RING_SIZE);
	if (port->mtu != MTU_DEFAULT)
		fprintf(out, "  <mtu size='%u'/>\n", port->mtu);
	fputs("</interface>\n", out);
}
