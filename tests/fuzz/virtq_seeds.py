#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes seeds/virtq/: rings that go round, in the form that fuzz_virtq.c takes."""
import pathlib
import struct

PACKED, INDIRECT_DESC, EVENT_IDX, WRITABLE = 1, 2, 4, 8
NEXT, WRITE, INDIRECT = 1, 2, 4
AVAIL, USED = 0x400, 0x800  # where the areas are
TABLE, BUF, FAR = 0xFF8, 0x1800, 0x5000  # a table across two pages; buffers


def at(gpa):
    return gpa if gpa < 0x2000 else gpa - 0x3000


def write(gpa, data):
    return struct.pack(">BHB", 0, at(gpa), len(data)) + data


def pop(n=1, few=0):
    return bytes([1, n - 1 | (0x80 if few else 0)])


def push(n=1):
    return bytes([2, n - 1])


PUBLISH, UNPOP, NOTIFY, ENABLE, DISABLE, RESTART = (bytes([i]) for i in range(3, 9))
TURN = pop(8) + push(8) + PUBLISH + NOTIFY


def desc(addr, length, flags=0, last=0):
    return struct.pack("<QIHH", addr, length, flags, last)


def packed(addr, length, flags=0, buffer_id=0, wrap=1):
    return struct.pack("<QIHH", addr, length, buffer_id, flags | (0x80 if wrap else 0x8000))


def avail(idx, *heads):
    return write(AVAIL, struct.pack(f"<HH{len(heads)}H", 0, idx, *heads))


def split_ring(flags):
    w = WRITE if flags & WRITABLE else 0
    yield write(0, desc(BUF, 100, w) + desc(BUF, 12, w | NEXT, 2) + desc(FAR, 60, w)) + avail(2, 0, 1) + TURN
    yield write(0, desc(TABLE, 48, INDIRECT)) + write(
        TABLE, desc(BUF, 12, w | NEXT, 1) + desc(0xFF0, 32, w | NEXT, 2) + desc(FAR, 0, w)
    ) + avail(1, 0) + TURN
    yield write(0, desc(BUF, 9, w | NEXT, 1) + desc(TABLE + 8, 16, INDIRECT)) + write(
        TABLE + 8, desc(FAR, 7, w)
    ) + avail(1, 0) + DISABLE + TURN
    yield write(0, desc(BUF, 9, w | NEXT, 0)) + avail(1, 0) + TURN
    yield write(0, desc(0x1FF0, 17, w)) + avail(1, 0) + TURN
    yield avail(9, 0) + TURN
    yield write(0, desc(BUF, 1, w) * 4) + avail(3, 3, 1, 2) + pop(3) + UNPOP * 3 + ENABLE + pop(2) + push(
        2
    ) + PUBLISH + RESTART + TURN


def packed_ring(flags):
    w = WRITE if flags & WRITABLE else 0
    yield write(0, packed(BUF, 100, w) + packed(BUF, 12, w | NEXT) + packed(FAR, 60, w, 2)) + TURN
    yield write(0, packed(TABLE, 48, INDIRECT, 3)) + write(
        TABLE, desc(BUF, 12, 0, w) + desc(0xFF0, 32, 0, w) + desc(FAR, 0, 0, w)
    ) + TURN
    two_laps = b"".join(write(16 * i, packed(BUF, 5, w, i, lap == 0)) + TURN for lap in range(2) for i in range(4))
    yield ENABLE + two_laps + DISABLE + TURN
    yield write(0, packed(BUF, 0, w | NEXT) * 4) + TURN
    yield write(0, packed(BUF, 5, w) + packed(BUF, 5, w | NEXT) + packed(BUF, 5, w | INDIRECT)) + TURN
    yield write(AVAIL, struct.pack("<HH", 0x8001, 2)) + write(0, packed(BUF, 5, w) * 3) + pop(
        3
    ) + UNPOP * 2 + RESTART + TURN
    yield write(0, packed(BUF, 5, w | NEXT) * 3 + packed(BUF, 5, w)) + pop(1, few=1) + push() + PUBLISH + ENABLE


out = pathlib.Path(__file__).parent / "seeds" / "virtq"
out.mkdir(parents=True, exist_ok=True)
for features in (0, 1, INDIRECT_DESC | EVENT_IDX, 7, 14, 15):
    kind, size, programs = ("packed", 3, packed_ring) if features & PACKED else ("split", 2, split_ring)
    for i, program in enumerate(programs(features)):
        (out / f"{kind}-{features:x}-{i}").write_bytes(bytes([features, size]) + program)
