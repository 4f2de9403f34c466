#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes seeds/{parse,gso,fit,gro}/: packets of every kind, in the forms that the fuzz targets take."""
import pathlib
import struct

MACS = bytes.fromhex("020000000002020000000001")
V4 = bytes([10, 1, 2, 3, 192, 168, 77, 9])
V6 = bytes.fromhex("fd001234" + "00" * 10 + "0a01" + "fd001234" + "00" * 10 + "0a02")
TCPV4, UFO, TCPV6, USO, OVER4, OVER6, ECN = 1, 3, 4, 5, 0x20, 0x40, 0x80


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(v6, proto, payload, ident=1, ext=b"", options=b""):
    if v6:
        first = 60 if ext else proto
        return struct.pack("!IHBB", 6 << 28, len(ext) + len(payload), first, 64) + V6 + ext + payload
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 + words, 0, 4 * words + len(payload), ident, 0x4000, 64, proto, 0) + V4 + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def l4(v6, proto, header, field, payload, partial):
    pseudo = (V6 if v6 else V4) + struct.pack("!II", proto, len(header) + len(payload))
    value = ~checksum(pseudo) & 0xFFFF if partial else checksum(pseudo + header + payload)
    return header[:field] + struct.pack("!H", value) + header[field + 2:] + payload


def tcp(v6, payload, seq=0, flags=0x10, options=b"", partial=False):
    header = struct.pack("!HHIIBBHHH", 1000, 80, seq, 7, (20 + len(options)) << 2, flags, 500, 0, 0) + options
    return l4(v6, 6, header, 16, payload, partial)


def udp(v6, payload, port=53, partial=False):
    return l4(v6, 17, struct.pack("!HHHH", 1000, port, 8 + len(payload), 0), 6, payload, partial)


def ether(v6, packet, tags=0):
    return MACS + b"".join(bytes([0x81, 0, 0, 100 + i]) for i in range(tags)) + (b"\x86\xdd" if v6 else b"\x08\0") + packet


def request(frame, gso=0, size=0, start=0, offset=0, outer=0, inner=0, flags=1, how=0, caps=0, stop=0, zeros=0):
    return struct.pack("<BBHHBBHHHHHH", how, stop, caps, zeros, flags, gso, 0, size, start, offset, outer, inner) + frame


def gso_seeds():
    payload = bytes(range(256)) * 2
    ext, options, ts = bytes([17, 0, 1, 4, 0, 0, 0, 0]), b"\1" * 8, bytes.fromhex("0101080a0000000100000002")
    for v6 in (False, True):
        l3 = 40 if v6 else 20
        for tags in range(3):
            start = 14 + 4 * tags + l3
            yield request(ether(v6, ip(v6, 6, tcp(v6, payload, flags=0x99, options=ts, partial=True)), tags),
                          TCPV6 if v6 else TCPV4, 100, start, 16, how=tags, stop=tags)
            yield request(ether(v6, ip(v6, 17, udp(v6, payload, partial=True)), tags), USO, 100, start, 6, how=tags, caps=0x1ff)
            yield request(ether(v6, ip(v6, 17, udp(v6, payload, partial=True)), tags), UFO, 104, start, 6, caps=1)
        yield request(ether(v6, ip(v6, 6, tcp(v6, payload, partial=True))), 0, 0, 14 + l3, 16)
        yield request(ether(v6, ip(v6, 6, tcp(v6, payload))), (TCPV6 if v6 else TCPV4) | ECN, 200, flags=0)
        yield request(ether(v6, ip(v6, 6, tcp(v6, payload, partial=True))), TCPV6 if v6 else TCPV4, 1448, 14 + l3, 16, zeros=30000)
        for outer6 in (False, True):
            inner = ether(v6, ip(v6, 6, tcp(v6, payload, partial=True)))
            outer = ether(outer6, ip(outer6, 17, udp(outer6, b"\x08" + bytes(7) + inner, 4789, True)))
            th = 14 + (40 if outer6 else 20)
            yield request(outer, (TCPV6 if v6 else TCPV4) | (OVER6 if outer6 else OVER4), 100, th + 30 + l3, 16, th, th + 30, 9)
    yield request(ether(True, ip(True, 17, udp(True, payload, partial=True), ext=ext)), UFO, 104, 14 + 48, 6)
    yield request(ether(False, ip(False, 6, tcp(False, payload, partial=True), options=options)), TCPV4, 100, 14 + 28, 16)


def parse_seeds():
    for v6 in (False, True):
        yield ether(v6, ip(v6, 6, tcp(v6, b"x" * 20, options=b"\1" * 40)), 2)
        yield ether(v6, ip(v6, 17, udp(v6, b"x")), 1)
        yield ether(v6, ip(v6, 17, udp(v6, b"\x08" + bytes(7) + ether(not v6, ip(not v6, 6, tcp(not v6, b"x"))), 4789)))
        yield ether(v6, ip(v6, 17, udp(v6, b"\x02\0\x65\x58" + bytes(12) + ether(v6, ip(v6, 17, udp(v6, b"x"))), 6081)))
    yield ether(True, ip(True, 58, bytes([135, 0, 0, 0]) + bytes(20)))
    yield ether(True, ip(True, 44, bytes([6, 0, 0, 8]) + bytes(24)))
    yield MACS + bytes.fromhex("0806000108000604") + bytes(22)


def train(v6, is_udp, n, **changes):
    frames = b""
    for i in range(n):
        payload = bytes([i]) * (100 if i < n - 1 else 60)
        packet = udp(v6, payload) if is_udp else tcp(v6, payload, 100 * i, 0x18 if i == n - 1 else 0x10)
        frame = ether(v6, ip(v6, 17 if is_udp else 6, packet, i), changes.get("tags", 0))
        if i == changes.get("spoil"):
            frame = frame[:-1] + b"\xff"
        frames += struct.pack("<H", len(frame)) + frame
    return frames


def gro_seeds():
    for v6 in (False, True):
        for is_udp in (False, True):
            yield b"\1" + train(v6, is_udp, 6)
            yield b"\7" + train(v6, is_udp, 6, spoil=3, tags=1)
    yield b"\1" + train(False, False, 5) + train(True, True, 5) + train(False, False, 5)
    for v6 in (False, True):
        for is_udp in (False, True):
            yield b"\x81" + train(v6, is_udp, 6)


def main():
    here = pathlib.Path(__file__).parent / "seeds"
    for name, seeds in ("parse", parse_seeds), ("gso", gso_seeds), ("fit", gso_seeds), ("gro", gro_seeds):
        (here / name).mkdir(parents=True, exist_ok=True)
        for i, seed in enumerate(seeds()):
            (here / name / f"{i:02}").write_bytes(seed)


main()
