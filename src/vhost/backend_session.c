/* SPDX-License-Identifier: Apache-2.0 */
/* backend_session.c - Handlers of messages about the device as a whole: features, status, MTU, reset. */
#include <errno.h>
#include <inttypes.h>

#include "vhost/backend_internal.h"

/* Features */

VHOST_HANDLER(vhost_handle_get_features)
{
	(void)r;
	p->u64 = vhost_backend_offered_features(b);
	return 0;
}

bool vhost_backend_any_ring_runs(const struct vhost_backend *b)
{
	for (unsigned i = 0; i < b->n_rings; i++)
		if (vhost_ring_is_in_use(&b->rings[i]))
			return true;
	return false;
}

static int follow_iommu(struct vhost_backend *b)
{
	int err = vhost_backend_any_ring_runs(b) ? 0 : vhost_iotlb_follow_features(b);

	return err < 0 ? vhost_backend_reason(b, err, "%s", strerrordesc_np(-err)) : 0;
}

/* QEMU repeats this for every queue pair, the same each time, while the pairs before run already. Logging is switched on and off
 * while they run. */
VHOST_HANDLER(vhost_handle_set_features)
{
	uint64_t unknown = p->u64 & ~vhost_backend_offered_features(b);

	(void)r;
	if (unknown)
		return vhost_backend_reason(b, -EPROTO, "features %#" PRIx64 " were not offered", unknown);
	if (((p->u64 ^ b->features) & ~(1ull << VHOST_F_LOG_ALL)) && vhost_backend_any_ring_runs(b))
		return vhost_backend_reason(b, -EPROTO, "features change while rings are running");
	b->features_changed = p->u64 != b->features;
	b->features = p->u64;
	vhost_backend_set_logs(b);
	b->has_features = true;
	return follow_iommu(b);
}

VHOST_HANDLER(vhost_handle_get_protocol_features)
{
	(void)r;
	p->u64 = vhost_backend_offered_protocol_features(b);
	return 0;
}

/* What must not be negotiated without something else. */
static const struct {
	unsigned feature;
	uint64_t needs;
} dependencies[] = {
	{ VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN,
	  1ull << VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT | 1ull << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD },
	{ VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
	  1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK },
};

static bool any_ring_started(const struct vhost_backend *b)
{
	for (unsigned i = 0; i < b->n_rings; i++)
		if (b->rings[i].started)
			return true;
	return false;
}

VHOST_HANDLER(vhost_handle_set_protocol_features)
{
	const uint64_t inband = 1ull << VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS;
	uint64_t unknown = p->u64 & ~vhost_backend_offered_protocol_features(b);

	(void)r;
	if (unknown)
		return vhost_backend_reason(b, -EPROTO, "protocol features %#" PRIx64 " were not offered", unknown);
	for (size_t i = 0; i < ARRAY_SIZE(dependencies); i++)
		if ((p->u64 >> dependencies[i].feature & 1) && (dependencies[i].needs & ~p->u64))
			return vhost_backend_reason(b, -EPROTO, "protocol feature %u without %#" PRIx64,
						    dependencies[i].feature, dependencies[i].needs & ~p->u64);
	if (((p->u64 ^ b->protocol_features) & inband) && any_ring_started(b))
		return vhost_backend_reason(b, -EPROTO, "protocol feature %u changes while rings are started",
					    VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS);
	b->protocol_features = p->u64;
	b->speaks_inband = b->speaks_inband && (p->u64 & inband);
	return follow_iommu(b);
}

/* For a network device these are pairs. */
VHOST_HANDLER(vhost_handle_get_queue_num)
{
	(void)r;
	p->u64 = b->config.queue_pairs;
	return 0;
}

/* Owner, reset */

/* There is one front-end to a connection: nothing to remember. Some send it more than once. */
VHOST_HANDLER(vhost_handle_set_owner)
{
	(void)b, (void)p, (void)r;
	return 0;
}

/* Deprecated. The specification recommends to disable the rings; stopped they are as well, because the front-ends that used
 * it set them up from the beginning afterwards. */
VHOST_HANDLER(vhost_handle_reset_owner)
{
	(void)p, (void)r;
	for (unsigned i = 0; i < b->n_rings; i++) {
		vhost_ring_stop(b, &b->rings[i]);
		vhost_ring_end_journal(b, &b->rings[i]);
		b->rings[i].enabled = false;
		vhost_ring_mark_changed(b, &b->rings[i]);
	}
	return 0;
}

/* The memory map stays: a front-end that adds and removes single regions counts on that. */
VHOST_HANDLER(vhost_handle_reset_device)
{
	(void)p, (void)r;
	for (unsigned i = 0; i < b->n_rings; i++) {
		vhost_ring_reset(b, &b->rings[i]);
		vhost_ring_end_journal(b, &b->rings[i]);
	}
	b->features = 0;
	b->has_features = false;
	b->features_changed = true;
	b->status = 0;
	vhost_iotlb_turn_off(b);
	return 0;
}

/* Status, MTU, announcement */

VHOST_HANDLER(vhost_handle_get_status)
{
	(void)r;
	p->u64 = b->status;
	return 0;
}

/* The status is the driver's (VIRTIO 1.2, 2.1). Nothing hangs on it here: rings have messages of their own, and QEMU sets 0 before
 * it asks where the rings stand. */
VHOST_HANDLER(vhost_handle_set_status)
{
	(void)r;
	if (p->u64 > UINT8_MAX)
		return vhost_backend_reason(b, -EINVAL, "device status %#" PRIx64, p->u64);
	b->status = (uint8_t)p->u64;
	return 0;
}

VHOST_HANDLER(vhost_handle_set_mtu)
{
	(void)r;
	/* VIRTIO 1.2, 5.1.4: at least 68 */
	if (p->u64 < 68 || p->u64 > b->config.mtu)
		return vhost_backend_reason(b, -EINVAL, "MTU %" PRIu64 " is not from 68 to %u", p->u64, b->config.mtu);
	b->mtu = (uint16_t)p->u64;
	b->state_changed = true;
	return 0;
}

VHOST_HANDLER(vhost_handle_send_rarp)
{
	(void)r;
	b->ops->announce(b->arg, (const uint8_t *)&p->u64);
	return 0;
}
