/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_compat.h - Constants of the kernel's uapi headers that those of Debian 12 (Linux 6.1) do not have yet.
 *
 * The one place for them. Each names the header and the Linux version that has it, so that it can go when we build on that. */
#ifndef RINGWAY_VIRTIO_VIRTIO_COMPAT_H
#define RINGWAY_VIRTIO_VIRTIO_COMPAT_H

#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

/* linux/virtio_config.h: 5.18, 6.4, 6.9, 6.9 */
#ifndef VIRTIO_F_RING_RESET
#define VIRTIO_F_RING_RESET 40
#endif
#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA 38
#endif
#ifndef VIRTIO_F_NOTIF_CONFIG_DATA
#define VIRTIO_F_NOTIF_CONFIG_DATA 39
#endif
#ifndef VIRTIO_F_ADMIN_VQ
#define VIRTIO_F_ADMIN_VQ 41
#endif

/* linux/virtio_net.h: UDP segmentation offload, 6.2 */
#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4 54
#endif
#ifndef VIRTIO_NET_F_GUEST_USO6
#define VIRTIO_NET_F_GUEST_USO6 55
#endif
#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_HOST_USO 56
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* linux/virtio_net.h: notification coalescing per queue, 6.6 */
#ifndef VIRTIO_NET_F_VQ_NOTF_COAL
#define VIRTIO_NET_F_VQ_NOTF_COAL 52
#endif

/* linux/virtio_net.h: segmentation of UDP tunnels, 6.17. The feature bits lie beyond the 64 that VHOST_USER_SET_FEATURES
 * carries. */
#ifndef VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO
#define VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO 65
#endif
#ifndef VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM
#define VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM 66
#endif
#ifndef VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO
#define VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO 67
#endif
#ifndef VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM
#define VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM 68
#endif
#ifndef VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM
#define VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM 8
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4
#define VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 0x20
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6
#define VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6 0x40
#endif

/* linux/if_tun.h: 6.2, 6.17 */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#endif
#ifndef TUN_F_USO6
#define TUN_F_USO6 0x40
#endif
#ifndef TUN_F_UDP_TUNNEL_GSO
#define TUN_F_UDP_TUNNEL_GSO 0x080
#endif
#ifndef TUN_F_UDP_TUNNEL_GSO_CSUM
#define TUN_F_UDP_TUNNEL_GSO_CSUM 0x100
#endif

#endif
