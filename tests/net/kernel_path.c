/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_path.c - Two taps and a redirection. */
#include "kernel_path.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/if_tun.h>

#include "packet/frame.h"
#include "packet/proto/bytes.h"
#include "tap_fixture.h"

enum {
	OUT_QUEUE_FRAMES = 70000, /* one frame may be cut into single bytes */
	MARKER_PATIENCE_MS = 5000,
	MARKER_LEN = 60,
	MARKER_ETHERTYPE = 0x88b5, /* for experiments (IEEE 802) */
	MACS_LEN = 12,
};

static const uint8_t macs[MACS_LEN] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };

static int open_tap(const char *ifname, short flags, unsigned offloads)
{
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags) };
	const int hdr_len = VNET_HDR_LEN, le = 1;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	assert_return_code(ctl, errno);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	assert_return_code(ioctl(fd, TUNSETIFF, &ifr), errno);
	assert_return_code(ioctl(fd, TUNSETVNETHDRSZ, &hdr_len), errno);
	assert_return_code(ioctl(fd, TUNSETVNETLE, &le), errno);
	assert_return_code(ioctl(fd, TUNSETOFFLOAD, offloads), errno);
	ifr.ifr_qlen = OUT_QUEUE_FRAMES;
	assert_return_code(ioctl(ctl, SIOCSIFTXQLEN, &ifr), errno);
	ifr.ifr_flags = IFF_UP;
	assert_return_code(ioctl(ctl, SIOCSIFFLAGS, &ifr), errno);
	close(ctl);
	return fd;
}

/* Kernels differ in which classifiers they have. */
static void redirect(void)
{
	static const char *const all[] = { "matchall", "u32 match u32 0 0" };
	char cmd[256];

	if (system("tc qdisc add dev kin ingress") == 0) {
		for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
			snprintf(cmd, sizeof(cmd),
				 "tc filter add dev kin parent ffff: protocol all pref 1 %s "
				 "action mirred egress redirect dev kout 2>/dev/null",
				 all[i]);
			if (system(cmd) == 0)
				return;
		}
	}
	fputs("skipped: tc cannot redirect: needs iproute2, sch_ingress, cls_matchall or cls_u32, act_mirred\n",
	      stderr);
	exit(EXIT_SKIP);
}

/* The kernel holds on to a train for a while, to see whether more comes. */
static void hold_trains(const char *ifname, unsigned ns)
{
	char cmd[128];

	/* sysfs shows the devices of the namespace in which it was mounted */
	snprintf(cmd, sizeof(cmd),
		 "unshare -m sh -c 'mount -t sysfs sys /sys && echo %u > /sys/class/net/%s/gro_flush_timeout'", ns,
		 ifname);
	assert_int_equal(system(cmd), 0);
}

void kernel_path_open(struct kernel_path *k, enum kernel_direction direction)
{
	const unsigned all = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	bool merges = direction == KERNEL_MERGES;

	k->n_markers = 0;
	k->in = open_tap("kin", merges ? IFF_NAPI : 0, 0);
	k->out = open_tap("kout", 0, merges ? all : 0);
	redirect();
	if (merges)
		hold_trains("kin", 20000000);
}

void kernel_path_close(struct kernel_path *k)
{
	close(k->in);
	close(k->out);
}

bool kernel_path_write(struct kernel_path *k, const struct vnet_hdr *h, const uint8_t *frame, size_t len)
{
	struct iovec iov[2] = { { (void *)(uintptr_t)h, sizeof(*h) }, { (void *)(uintptr_t)frame, len } };
	ssize_t n = writev(k->in, iov, 2);

	if (n < 0 && errno == EINVAL)
		return false;
	assert_return_code(n, errno);
	assert_int_equal(n, sizeof(*h) + len);
	return true;
}

bool kernel_path_read(struct kernel_path *k, int timeout_ms, struct vnet_hdr *h, struct frames *to)
{
	static uint8_t frame[FRAME_LEN_MAX];
	struct iovec iov[2] = { { h, sizeof(*h) }, { frame, sizeof(frame) } };
	struct pollfd pfd = { .fd = k->out, .events = POLLIN };
	size_t len;
	ssize_t n;

	do {
		n = readv(k->out, iov, 2);
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			if (poll(&pfd, 1, timeout_ms) == 0)
				return false;
			continue;
		}
		assert_true((size_t)n >= sizeof(*h) + FRAME_LEN_MIN);
	} while (n < 0 || memcmp(frame, macs, MACS_LEN) != 0);
	len = (size_t)n - sizeof(*h);
	memcpy(frames_add(to, len), frame, len);
	return true;
}

static bool is_marker(const struct bytes *b, uint64_t nr)
{
	return b->len == MARKER_LEN && load_be16(b->data + MACS_LEN) == MARKER_ETHERTYPE &&
	       memcmp(b->data + MACS_LEN + 2, &nr, sizeof(nr)) == 0;
}

void kernel_path_drain(struct kernel_path *k, struct frames *to)
{
	const struct vnet_hdr none = { 0 };
	uint8_t marker[MARKER_LEN] = { 0 };
	struct vnet_hdr h;

	k->n_markers++;
	memcpy(marker, macs, MACS_LEN);
	store_be16(marker + MACS_LEN, MARKER_ETHERTYPE);
	memcpy(marker + MACS_LEN + 2, &k->n_markers, sizeof(k->n_markers));
	assert_true(kernel_path_write(k, &none, marker, sizeof(marker)));
	do {
		if (!kernel_path_read(k, MARKER_PATIENCE_MS, &h, to))
			fail_msg("the kernel gives nothing back");
	} while (!is_marker(&to->at[to->n - 1], k->n_markers));
	free(to->at[--to->n].data);
}
