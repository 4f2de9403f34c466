/* SPDX-License-Identifier: Apache-2.0 */
/* echo_rig.c - One rig, one device; front-ends come and go. */
#include "echo_rig.h"

#include <linux/virtio_config.h>

struct echo_device echo;

void echo_create(struct rig *rig)
{
	rig_create(rig);
	assert_non_null(rig->b);
	echo = (struct echo_device){ .b = rig->b, .n_pairs = rig->config.queue_pairs };
}

int echo_setup(void **state)
{
	int err = rig_setup_bare(state);
	struct rig *rig = *state;

	rig->config.features |= BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER);
	echo_create(rig);
	return err;
}

void echo_turn(struct rig *rig)
{
	event_loop_turn(rig->loop, 0);
	if (rig->b)
		echo_device_run(&echo);
}

static void let_others_work(void *arg)
{
	echo_turn(arg);
}

void echo_configure(struct rig *rig, struct vhost_frontend_config *config)
{
	config->socket = rig->path;
	config->while_waiting = let_others_work;
	config->arg = rig;
}

struct vhost_frontend *echo_attach(struct rig *rig, struct vhost_frontend_config c)
{
	struct vhost_frontend *f;
	char err[256] = "";
	int error;

	echo_configure(rig, &c);
	c.queue_pairs = c.queue_pairs ? c.queue_pairs : 1;
	f = vhost_frontend_create(&c, &error, err, sizeof(err));
	if (!f)
		fail_msg("%s (%d); back-end: %s", err, error, vhost_backend_error(rig->b));
	return f;
}
