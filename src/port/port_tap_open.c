/* SPDX-License-Identifier: Apache-2.0 */
/* port_tap_open.c - Creating a tap device, or taking one that was made for this user, and switching its offloads on. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "base/log.h"
#include "port/port_tap_priv.h"
#include "virtio/virtio_compat.h"

/* syscalls control: openat ioctl(*,TUNSETIFF) ioctl(*,TUNSETVNETHDRSZ) ioctl(*,TUNSETVNETLE) ioctl(*,TUNSETOFFLOAD) close
 * ioctl(*,SIOCSIFMTU) ioctl(*,SIOCGIFFLAGS) ioctl(*,SIOCSIFFLAGS) */
/* For if_nametoindex():
 *
 * syscalls control: socket(AF_UNIX) socket(AF_INET) ioctl(*,SIOCGIFINDEX) close */

#define TUN_PATH "/dev/net/tun"

enum {
	TUN_F_TSO = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
	TUN_F_USO = TUN_F_USO4 | TUN_F_USO6, /* the kernel takes both or none */

	/* What the kernel takes from us, whatever we take from it: TUNSETOFFLOAD is about the other direction. It came with USO
	 * in both directions at once, Linux 6.2. */
	CAPS_ALWAYS = OFFLOAD_CAP_CSUM | OFFLOAD_CAP_TSO4 | OFFLOAD_CAP_TSO6 | OFFLOAD_CAP_ECN | OFFLOAD_CAP_UFO,
	CAPS_USO = OFFLOAD_CAP_USO4 | OFFLOAD_CAP_USO6,
};

/* Texts */

static void user_name(char *buf, size_t size)
{
	const struct passwd *pw = getpwuid(geteuid());

	if (pw)
		snprintf(buf, size, "%s", pw->pw_name);
	else
		snprintf(buf, size, "%u", (unsigned)geteuid());
}

static void explain_no_permission(const struct port_tap_config *config, char *err, size_t err_size)
{
	const char *name = config->ifname;
	bool exists = if_nametoindex(name) != 0;
	char user[64], remove[64] = "";

	user_name(user, sizeof(user));
	if (exists)
		snprintf(remove, sizeof(remove), "ip tuntap del dev %.15s mode tap; ", name);
	snprintf(err, err_size, "%s tap device %s; as root: %sip tuntap add dev %s mode tap user %s%s vnet_hdr",
		 exists ? "another user owns the" : "no permission to create the", name, remove, name, user,
		 config->queues > 1 ? " multi_queue" : "");
}

static void explain_attach(const struct port_tap_config *config, int error, char *err, size_t err_size)
{
	const char *name = config->ifname;

	switch (error) {
	case EPERM:
		explain_no_permission(config, err, err_size);
		break;
	case EBUSY:
		snprintf(err, err_size, "tap device %s is in use by another program", name);
		break;
	case E2BIG:
		snprintf(err, err_size, "tap device %s has no more queues: another program uses some", name);
		break;
	case EINVAL:
		snprintf(err, err_size, "interface %s exists and is not a tap device, or the name is not allowed",
			 name);
		break;
	default:
		snprintf(err, err_size, "cannot open tap device %s: %s", name, strerror(error));
		break;
	}
}

static void explain_open(int error, char *err, size_t err_size)
{
	const char *hint = "";

	if (error == ENOENT || error == ENODEV || error == ENXIO)
		hint = "; is the kernel module 'tun' loaded?";
	else if (error == EACCES || error == EPERM)
		hint = "; its mode is 0666 on most systems";
	snprintf(err, err_size, "cannot open %s: %s%s", TUN_PATH, strerror(error), hint);
}

/* Queues */

/* Open one queue. The kernel's negative errno from `attach`ing it, or from opening with *opened == false. */
static int open_queue(const char *ifname, int flags, struct ifreq *ifr, bool *opened)
{
	int error, fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	*opened = fd >= 0;
	if (fd < 0)
		return -errno;
	*ifr = (struct ifreq){ .ifr_flags = (short)flags };
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", ifname);
	if (ioctl(fd, TUNSETIFF, ifr) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/* Open the first queue, which shows what kind of device it is: it was made with multi_queue or without, and the kernel refuses the
 * other with EINVAL. */
static int open_first_queue(const struct port_tap_config *config, struct tap_device *dev, bool *multi, char *err,
			    size_t err_size)
{
	const int base = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	struct ifreq ifr;
	bool opened;
	int fd;

	*multi = config->queues > 1;
	fd = open_queue(config->ifname, base | (*multi ? IFF_MULTI_QUEUE : 0), &ifr, &opened);
	if (fd == -EINVAL && opened == true) {
		*multi = !*multi;
		fd = open_queue(config->ifname, base | (*multi ? IFF_MULTI_QUEUE : 0), &ifr, &opened);
	}
	if (fd < 0) {
		if (opened)
			explain_attach(config, -fd, err, err_size);
		else
			explain_open(-fd, err, err_size);
		return fd;
	}
	dev->fds[0] = fd;
	dev->n_queues = 1;
	memcpy(dev->ifname, ifr.ifr_name, sizeof(dev->ifname));
	return 0;
}

static int open_other_queues(const struct port_tap_config *config, struct tap_device *dev, char *err, size_t err_size)
{
	while (dev->n_queues < config->queues) {
		struct ifreq ifr;
		bool opened;
		int fd = open_queue(dev->ifname, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE, &ifr, &opened);

		if (fd < 0) {
			explain_attach(config, -fd, err, err_size);
			return fd;
		}
		dev->fds[dev->n_queues++] = fd;
	}
	return 0;
}

/* Offloads */

static int set_header(int fd)
{
	int len = VNET_HDR_LEN, little_endian = 1;

	if (ioctl(fd, TUNSETVNETHDRSZ, &len) < 0 || ioctl(fd, TUNSETVNETLE, &little_endian) < 0)
		return -errno;
	return 0;
}

/* The kernel refuses the whole set for one bit that it does not know. */
static int set_offloads(int fd, uint32_t *caps)
{
	static const unsigned tries[] = { TUN_F_TSO | TUN_F_UFO | TUN_F_USO, TUN_F_TSO | TUN_F_UFO, TUN_F_TSO,
					  TUN_F_CSUM, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)tries[i]) == 0) {
			*caps = CAPS_ALWAYS | (tries[i] & TUN_F_USO ? CAPS_USO : 0);
			return 0;
		}
	}
	return -errno;
}

static int set_up_queues(struct tap_device *dev, char *err, size_t err_size)
{
	for (unsigned q = 0; q < dev->n_queues; q++) {
		int error = set_header(dev->fds[q]);

		if (!error)
			error = set_offloads(dev->fds[q], &dev->caps);
		if (error) {
			snprintf(err, err_size, "the kernel refuses offloads on tap device %s: %s", dev->ifname,
				 strerror(-error));
			return error;
		}
	}
	return 0;
}

/* The device */

int tap_device_open(const struct port_tap_config *config, struct tap_device *dev, char *err, size_t err_size)
{
	bool multi;
	int error;

	*dev = (struct tap_device){ 0 };
	if (strlen(config->ifname) >= IFNAMSIZ) {
		snprintf(err, err_size, "interface name '%s' is longer than %d characters", config->ifname,
			 IFNAMSIZ - 1);
		return -EINVAL;
	}
	error = open_first_queue(config, dev, &multi, err, err_size);
	if (!error && multi)
		error = open_other_queues(config, dev, err, err_size);
	if (!error)
		error = set_up_queues(dev, err, err_size);
	if (error)
		tap_device_close(dev);
	else if (dev->n_queues < config->queues)
		log_warning("port %s: tap device %s was made without multi_queue and has 1 queue instead of %u",
			    config->name, dev->ifname, config->queues);
	return error;
}

void tap_device_close(struct tap_device *dev)
{
	while (dev->n_queues > 0)
		close(dev->fds[--dev->n_queues]);
}

static struct ifreq request_for(const struct tap_device *dev)
{
	struct ifreq ifr = { 0 };

	memcpy(ifr.ifr_name, dev->ifname, sizeof(ifr.ifr_name));
	return ifr;
}

static void report_failure(const struct tap_device *dev, const char *what)
{
	log_at(errno == EPERM ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "tap device %s: cannot %s: %s", dev->ifname, what,
	       strerror(errno));
}

void tap_device_configure(const struct tap_device *dev, int sock, unsigned mtu)
{
	struct ifreq ifr = request_for(dev);

	ifr.ifr_mtu = (int)mtu;
	if (ioctl(sock, SIOCSIFMTU, &ifr) < 0)
		report_failure(dev, "set its MTU");
	ifr = request_for(dev);
	if (ioctl(sock, SIOCGIFFLAGS, &ifr) < 0) {
		report_failure(dev, "read its flags");
		return;
	}
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr) < 0)
		report_failure(dev, "set it up");
}
