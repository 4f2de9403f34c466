/* SPDX-License-Identifier: Apache-2.0 */
/* tap_fixture.h - Two network namespaces, a tap port in each, and a thread that is the wire between the ports.
 *
 *	namespace 0: tap "a", 10.77.0.1, fd77::1  <- port 0 -- thread -- port 1 ->  namespace 1: tap "b", 10.77.0.2, fd77::2
 *
 * So what a socket of one namespace sends to the other crosses both ports. */
#ifndef TESTS_NET_TAP_FIXTURE_H
#define TESTS_NET_TAP_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "port/port_tap.h"

enum { EXIT_SKIP = 77 };

struct tap_pair {
	int ns[2]; /* namespaces; the thread that calls is in either of them */
	struct port *ports[2];
	pthread_t wire;
	bool stop;
};

/* Leave the program with EXIT_SKIP and a reason when this machine does not let us make namespaces and tap devices. */
void skip_unless_possible(void);

/* Make a namespace and go there. */
int namespace_create(void);
void namespace_enter(int ns);

/* A port on a tap device in the namespace where the caller is; fails the test with the error's text. */
struct port *tap_create(const char *ifname, unsigned queues, struct event_loop *loop);
void tap_destroy(struct port *port);

void tap_pair_setup(struct tap_pair *p);
/* Start the wire. */
void tap_pair_run(struct tap_pair *p);
/* Stop the wire, leave counters to be looked at. */
void tap_pair_stop(struct tap_pair *p);
void tap_pair_teardown(struct tap_pair *p);

/* The address of a side, 0 or 1. `port` in host order. Returns its length. */
socklen_t side_address(int side, int family, uint16_t port, struct sockaddr_storage *out);
/* A socket in the namespace of a side. */
int side_socket(const struct tap_pair *p, int side, int family, int type);

/* An AF_PACKET socket that sees what arrives on `ifname`, in the caller's namespace; with virtio_net_hdr (10 bytes) in front. */
int packet_socket(const char *ifname, uint16_t ethertype);

#endif
