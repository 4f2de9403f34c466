#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes seeds/vhost/: whole sessions in the form that fuzz_vhost.c takes."""
import pathlib
import struct

MEM, EVENT, PAIR = 0x01, 0x11, 0x51  # one descriptor: memory, an eventfd, one of a pair of sockets
USER, GUEST, SIZE = 0x7F0000000000, 0x100000000, 1 << 20
VERSION_1, PROTOCOL, LOG_ALL, PACKED, IN_ORDER, EVENT_IDX = 1 << 32, 1 << 30, 1 << 26, 1 << 34, 1 << 35, 1 << 29
LOG_SHMFD, VRING_F_LOG = 1 << 1, 1
CONFIG, DEVICE_STATE, SKIP_DRAIN = 1 << 9, 1 << 19, 1 << 20 | 1 << 23
ACCESS_PLATFORM, BACKEND_REQ, INBAND = 1 << 33, 1 << 5, 1 << 14


def parcel(body, fds=0):
    return bytes([fds, len(body)]) + body


def msg(request, payload=b"", fds=0, flags=1):
    return parcel(struct.pack("=III", request, flags, len(payload)) + payload, fds)


def u64(request, value, fds=0, flags=1):
    return msg(request, struct.pack("=Q", value), fds, flags)


def state(request, index, num):
    return msg(request, struct.pack("=II", index, num))


def region(offset=0, size=SIZE):
    return struct.pack("=QQQQ", GUEST + offset, size, USER + offset, offset)


def addresses(i, flags=0, log=0):
    at = USER + i * 0x2000
    return msg(9, struct.pack("=IIQQQQ", i, flags, at, at + 0x1000, at + 0x800, log))


def ring(i, size=64, base=0):
    return quiet_ring(i, size, base) + u64(12, i, EVENT) + u64(13, i, EVENT)


def quiet_ring(i, size=64, base=0):
    return state(8, i, size) + state(10, i, base) + addresses(i)


def kick(i):
    return msg(35, struct.pack("=II", i, 0), flags=9)


def negotiate(protocol, features=0):
    return msg(1) + msg(15) + u64(16, protocol) + msg(3) + u64(2, VERSION_1 | PROTOCOL | features)


def log(size=1 << 17 | 0x20, offset=0x80000, fds=MEM):
    """A bit for each page up to the end of memory."""
    return msg(6, struct.pack("=QQ", size, offset), fds)


def write(at, data):
    return parcel(struct.pack(">H", at // 4) + data, 0x80)


def answer(request):
    return parcel(b"\xff\xff" + struct.pack("=IIIQ", request, 5, 8, 0), 0x80)


def more(i, idx):
    """The driver of a split ring makes buffers available again."""
    return write(i * 0x2000 + 0x800, struct.pack("=HH", 0, idx))


def table(n=1):
    part = SIZE // n
    return msg(5, struct.pack("=II", n, 0) + b"".join(region(i * part, part) for i in range(n)), n)


def iotlb(kind, iova, size, perm=3, to=None):
    return msg(22, struct.pack("=QQQBB6x", iova, size, USER + iova if to is None else to, perm, kind), flags=9)


def update(iova, size, **more):
    return iotlb(2, iova, size, **more)


def invalidate(iova, size):
    return iotlb(3, iova, size)


def enable(*rings):
    return b"".join(state(18, i, 1) for i in rings)


def inflight(n_rings, size=64, offset=0):
    area = struct.pack("=QQHHI", n_rings * (16 + 16 * size + 63) // 64 * 64, offset, n_rings, size, 0)
    return msg(31, area) + msg(32, area, MEM)


ALL = 0x1B01D
running = negotiate(ALL) + table() + ring(0) + ring(1) + enable(0, 1)
packed = negotiate(ALL | LOG_SHMFD, PACKED | IN_ORDER | EVENT_IDX) + table() + ring(0, base=0x8000) + ring(1, base=0x8000)
all_logged = VERSION_1 | PROTOCOL | LOG_ALL
seeds = {
    "qemu": negotiate(ALL) + msg(17) + msg(36) + u64(20, 1500, flags=9) + msg(37, bytes(8) + region(), MEM, 9)
    + ring(0) + ring(1) + ring(2) + ring(3) + enable(0, 1) + u64(39, 7) + msg(40) + state(11, 0, 0) + state(11, 1, 0),
    "virtio-user": msg(3) + negotiate(1 | 8 | 1 << 16) + table(4) + ring(0) + ring(1) + enable(0, 1) + table(2)
    + state(11, 0, 0),
    "legacy": msg(1) + msg(3) + u64(2, 0) + table() + ring(0) + ring(1),
    "memory": running + msg(38, bytes(8) + region()) + msg(37, bytes(8) + region(), MEM) + table(4),
    "reset": running + msg(4) + ring(0) + msg(34) + u64(2, 0) + ring(1),
    "polling": running + u64(12, 0x100) + u64(13, 0x101) + u64(14, 1, EVENT) + state(23, 2, 0) + u64(19, 0x525400123456),
    "refused": running + state(8, 2, 3) + u64(12, 2, MEM, 9) + table(2),
    "pieces": b"".join(parcel(bytes([b]), MEM if i == 20 else 0) for i, b in enumerate(table()[2:])),
    # As QEMU migrates: a log, its eventfd, what goes into buffers, what goes into rings; and all of it back.
    "log": negotiate(ALL | LOG_SHMFD) + table() + log() + msg(7, fds=EVENT) + u64(2, all_logged) + ring(0) + ring(1) + enable(0, 1)
    + addresses(0, VRING_F_LOG, GUEST + 0x1000) + more(0, 8) + addresses(1, VRING_F_LOG, GUEST + 0x3000) + more(1, 6)
    + addresses(0) + more(0, 12) + u64(2, VERSION_1 | PROTOCOL) + state(11, 0, 0) + state(11, 1, 0),
    "log-packed": packed + log() + msg(7, fds=EVENT) + u64(2, all_logged | PACKED | IN_ORDER | EVENT_IDX)
    + addresses(0, VRING_F_LOG, GUEST + 0x1000) + addresses(1, VRING_F_LOG, GUEST + 0x3000) + enable(0, 1)
    + write(0x40, struct.pack("=QIHH", GUEST + 0x5000, 9, 0, 0x82) * 2) + state(11, 0, 0),
    "log-short": negotiate(ALL | LOG_SHMFD) + table() + log(4096) + u64(2, all_logged) + ring(0) + enable(0) + more(0, 8),
    "log-twice": negotiate(ALL | LOG_SHMFD) + table() + log() + log(1 << 18) + msg(7, fds=EVENT) + msg(7, fds=EVENT) + ring(0)
    + addresses(0, VRING_F_LOG, GUEST) + enable(0) + more(0, 8),
    "log-refused": negotiate(ALL | LOG_SHMFD) + table() + log(1 << 40) + msg(7, fds=MEM) + log(fds=EVENT) + log(0),
    "log-unasked": negotiate(ALL) + table() + msg(7, fds=EVENT) + log(),
    "packed": packed + enable(0, 1) + write(0x40, struct.pack("=QIHH", GUEST + 0x5000, 9, 5, 0x82)) + state(11, 0, 0)
    + ring(0, base=0x8005) + enable(0),
    "inflight": negotiate(ALL) + inflight(4) + table() + ring(0) + ring(1) + enable(0, 1) + state(11, 0, 0)
    + inflight(2, 64, 0x8000) + ring(0),
    "inflight-packed": packed + state(11, 0, 0) + inflight(2, 64, 0x8000) + ring(0, base=0x8000) + enable(0)
    + write(0x40, struct.pack("=QIHH", GUEST + 0x5000, 9, 5, 0x82)) + state(11, 0, 0) + ring(0, base=0x8000),
    "config-transfer": negotiate(ALL | CONFIG | DEVICE_STATE | SKIP_DRAIN) + table() + ring(0) + enable(0)
    + msg(24, struct.pack("=III", 6, 4, 0) + bytes(4)) + msg(25, struct.pack("=III", 8, 2, 1) + b"\x01\0")
    + state(45, 0, 0) + msg(42, struct.pack("=II", 0, 0), EVENT) + msg(43) + msg(42, struct.pack("=II", 1, 0), MEM) + msg(43),
    # Addresses for the IOMMU are those of the front-end: the rings' areas are named by them.
    "iotlb": negotiate(ALL | BACKEND_REQ, ACCESS_PLATFORM) + msg(21, fds=PAIR) + table() + ring(0) + ring(1) + enable(0, 1)
    + update(USER, 0x8000, to=USER) + update(GUEST + 0x3F000, 0x1000, perm=2, to=USER + 0x3F000)
    + update(GUEST + 0x40000, 0x8000, to=USER + 0x40000) + more(0, 8) + invalidate(GUEST + 0x40000, 0x1000) + answer(1) + more(0, 12)
    + invalidate(USER, 0x1000) + update(USER, 0x1000, to=USER) + more(1, 6) + invalidate(0, 0) + state(11, 0, 0),
    "iotlb-pieces": negotiate(ALL | BACKEND_REQ, ACCESS_PLATFORM | PACKED) + msg(21, fds=PAIR) + table(2) + ring(0, 512, 0x8000)
    + update(USER, 0x1000, to=USER + 0x9000) + update(USER + 0x1000, 0x1000, to=USER + 0x4000) + enable(0)
    + update(GUEST, 1 << 20, to=USER) + update(GUEST, 1 << 19, to=USER) + table(),
    "iotlb-refused": negotiate(ALL | BACKEND_REQ, ACCESS_PLATFORM) + msg(21, fds=PAIR) + table() + update(0, 0) + update(1, 4096)
    + update(0, 1 << 63) + update(0, 4096, perm=0) + iotlb(1, 0, 4096) + msg(21, fds=EVENT),
    # Rings start with a kick; calls go to a channel, then to another one; one ring gets a descriptor, one loses it, one breaks.
    "inband": negotiate(ALL | BACKEND_REQ | INBAND) + msg(21, fds=PAIR) + table() + quiet_ring(0) + quiet_ring(1) + kick(0) + kick(1)
    + enable(0, 1) + more(0, 8) + kick(0) + answer(4) * 2 + more(0, 12) + kick(0) + u64(13, 0, EVENT) + kick(1) + u64(13, 0x100) + u64(12, 0x101) + msg(21, fds=PAIR)
    + state(11, 1, 0) + kick(1) + more(1, 6) + kick(1) + state(35, 2, 0) + more(1, 30000),
    "inband-alone": negotiate(ALL & ~8 | BACKEND_REQ | INBAND),
    "many-fds": negotiate(ALL) + parcel(struct.pack("=III", 5, 1, 264), 9),
}
folder = pathlib.Path(__file__).parent / "seeds" / "vhost"
folder.mkdir(parents=True, exist_ok=True)
for name, data in seeds.items():
    (folder / name).write_bytes(data)
