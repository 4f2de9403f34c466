/* SPDX-License-Identifier: Apache-2.0 */
/* backend_config.c - Handlers of messages about the configuration space (VIRTIO 1.2, 5.1.4).
 *
 * For front-ends that leave it to the back-end, as crosvm does. QEMU has one of its own for network devices. The address is the
 * front-end's affair: VIRTIO_NET_F_MAC is not offered, and its bytes are zero. What is not known here reads as unknown, what lies behind
 * the fields as zero. Nothing in it changes while a connection lasts. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "vhost/backend_internal.h"

struct config_space {
	union {
		struct virtio_net_config net;
		uint8_t bytes[VHOST_USER_CONFIG_MAX];
	};
};

static struct config_space config_space(const struct vhost_backend *b)
{
	return (struct config_space){ .net = {
					  .status = htole16(VIRTIO_NET_S_LINK_UP),
					  .max_virtqueue_pairs = htole16((uint16_t)b->config.queue_pairs),
					  .mtu = htole16(b->config.mtu),
					  .speed = htole32(UINT32_MAX),
					  .duplex = UINT8_MAX,
				      } };
}

/* The message has as many bytes as it says. -EPROTO: it has not; -ERANGE: it is about bytes that there are not. */
static int check_range(struct vhost_backend *b, const struct vhost_user_config *c)
{
	if (c->size != b->socket.msg.header.size - VHOST_USER_CONFIG_HEADER)
		return vhost_backend_reason(b, -EPROTO, "payload of %" PRIu32 " bytes for %" PRIu32 " bytes",
					    b->socket.msg.header.size, c->size);
	if (c->offset > VHOST_USER_CONFIG_MAX - c->size)
		return vhost_backend_reason(b, -ERANGE, "%" PRIu32 " bytes at %" PRIu32, c->size, c->offset);
	return 0;
}

/* "uses zero length of payload to indicate an error" */
VHOST_HANDLER(vhost_handle_get_config)
{
	const struct config_space space = config_space(b);
	int err = check_range(b, &p->config);

	(void)r;
	if (err == -ERANGE)
		b->reply_size = 0;
	else if (err == 0)
		memcpy(p->config.bytes, space.bytes + p->config.offset, p->config.size);
	return err == -EPROTO ? err : 0;
}

/* A driver has nothing to write there: the address is read-only where there is a control queue. After a migration the front-end says
 * what the source had, which has to be what we have. */
VHOST_HANDLER(vhost_handle_set_config)
{
	const struct config_space space = config_space(b);
	int err = check_range(b, &p->config);

	(void)r;
	if (err < 0)
		return err;
	if (!(p->config.flags & VHOST_USER_CONFIG_MIGRATION))
		return vhost_backend_reason(b, -EPERM, "the driver has nothing to write at %" PRIu32, p->config.offset);
	if (memcmp(p->config.bytes, space.bytes + p->config.offset, p->config.size) != 0)
		return vhost_backend_reason(b, -EINVAL, "%" PRIu32 " bytes at %" PRIu32 " differ from ours",
					    p->config.size, p->config.offset);
	return 0;
}
