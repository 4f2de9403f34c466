/* SPDX-License-Identifier: Apache-2.0 */
/* echo_exchange.h - Frames out to an echo device (echo_device.h), and back: whole, in order, with the header they went with. */
#ifndef RINGWAY_TESTS_VHOST_ECHO_EXCHANGE_H
#define RINGWAY_TESTS_VHOST_ECHO_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

struct vhost_frontend;

/* Bytes that differ from those of other seeds and other places. */
void echo_fill_frame(uint8_t *frame, size_t len, unsigned seed);
/* Send frames of these lengths on a pair, as many of the `n` as fit into the ring at once, and insist on getting them back. How many. */
unsigned echo_exchange(struct vhost_frontend *f, unsigned pair, const size_t *lengths, unsigned n);

#endif
