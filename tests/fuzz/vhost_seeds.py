#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes seeds/vhost/: whole sessions in the form that fuzz_vhost.c takes."""
import pathlib
import struct

MEM, EVENT = 0x01, 0x11  # one descriptor: memory, an eventfd
USER, GUEST, SIZE = 0x7F0000000000, 0x100000000, 1 << 20
VERSION_1, PROTOCOL = 1 << 32, 1 << 30


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


def ring(i, size=64):
    at = USER + i * 0x2000
    addr = struct.pack("=IIQQQQ", i, 0, at, at + 0x1000, at + 0x800, 0)
    return state(8, i, size) + state(10, i, 0) + msg(9, addr) + u64(12, i, EVENT) + u64(13, i, EVENT)


def negotiate(protocol):
    return msg(1) + msg(15) + u64(16, protocol) + msg(3) + u64(2, VERSION_1 | PROTOCOL)


def table(n=1):
    part = SIZE // n
    return msg(5, struct.pack("=II", n, 0) + b"".join(region(i * part, part) for i in range(n)), n)


def enable(*rings):
    return b"".join(state(18, i, 1) for i in rings)


ALL = 0x1A01D
running = negotiate(ALL) + table() + ring(0) + ring(1) + enable(0, 1)
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
    "many-fds": negotiate(ALL) + parcel(struct.pack("=III", 5, 1, 264), 9),
}
folder = pathlib.Path(__file__).parent / "seeds" / "vhost"
folder.mkdir(parents=True, exist_ok=True)
for name, data in seeds.items():
    (folder / name).write_bytes(data)
