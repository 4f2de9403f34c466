/* SPDX-License-Identifier: Apache-2.0 */
/* guest.h - What a virtual machine monitor has to be told to attach a guest to a vhost-user port. */
#ifndef RINGWAY_CLI_GUEST_H
#define RINGWAY_CLI_GUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct guest_port {
	const char *name;
	const char *socket; /* absolute */
	unsigned queues;
	unsigned mtu;
	bool daemon_listens; /* else the guest's side does */
};

struct guest_options {
	const char *memory;
	bool without_msix;
};

/* A stable, locally administered address: of the port's name and of `host`, something that differs from host to host. */
void guest_mac(const char *port, const char *host, char mac[18]);

/* QEMU's arguments for a guest with these ports, as a list of text: memory first, then each port. */
json_t *guest_qemu_args(const struct guest_port *ports, size_t n, const char *host, const struct guest_options *o);
/* A word of a command line, quoted for the shell if that is needed. */
void guest_print_word(const char *word, FILE *out);

void guest_libvirt_xml(const struct guest_port *port, const char *host, FILE *out);

#endif
