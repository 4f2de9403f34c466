/* SPDX-License-Identifier: Apache-2.0 */
/* echo_rig.h - A rig whose back-end is an echo device, and front-ends that attach to it, all in the test's one thread. */
#ifndef RINGWAY_TESTS_VHOST_ECHO_RIG_H
#define RINGWAY_TESTS_VHOST_ECHO_RIG_H

#include "echo_device.h"
#include "vhost/frontend.h"
#include "vhost_peer.h"

extern struct echo_device echo; /* the rig's */

/* In place of rig_setup(): with packed rings, in-order and an IOMMU on offer as well. */
int echo_setup(void **state);
/* In place of rig_create(). */
void echo_create(struct rig *rig);
/* Let back-end and device do what there is to do. */
void echo_turn(struct rig *rig);
/* Fill in what a front-end needs to find the rig and to have it work meanwhile. */
void echo_configure(struct rig *rig, struct vhost_frontend_config *config);
/* A front-end, configured so, for vhost_frontend_destroy(). No pairs are one. */
struct vhost_frontend *echo_attach(struct rig *rig, struct vhost_frontend_config config);

#endif
