# SPDX-License-Identifier: Apache-2.0
"""docs/protocol.md has a row for every number of the specification, and says of each what the source says: what it knows works."""

import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
PAGE = (TOP / "docs/protocol.md").read_text()
WIRE = (TOP / "src/vhost/wire.h").read_text()
PORT = (TOP / "src/port/port_vhost.c").read_text()
HEADERS = [pathlib.Path("/usr/include/linux", name) for name in ("virtio_config.h", "virtio_ring.h", "virtio_net.h")]
HEADERS.append(TOP / "src/virtio/virtio_compat.h")

LAST_MESSAGE, LAST_PROTOCOL_FEATURE = 45, 23  # of the specification (QEMU 11)


def rows(title):
    """{number: (names in the row, verdict)} of the tables under a heading, but for those of the other side's messages."""
    section = PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0].split("\nMessages of the back-end", 1)[0]
    found = {}
    for line in section.splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if not re.match(r"\d", cells[0]):
            continue
        first, _, last = cells[0].partition(" to ")
        numbers = range(int(first), int(last) + 1) if last else [int(n) for n in cells[0].split(",")]
        for n in numbers:
            assert n not in found, f"{title}: two rows for {n}"
            found[n] = re.findall(r"`(\w+)`", cells[1]), cells[2]
    return found


def constants(text, prefix):
    """{name without the prefix: number} of an enum or of macros."""
    return {name: int(n) for name, n in re.findall(rf"(?<!\w){prefix}(\w+)\s*=?\s+(\d+)\b", text)}


def feature_bits():
    found = {}
    for header in HEADERS:
        found |= constants(header.read_text(), r"#define VIRTIO_(?:NET_F_|RING_F_|F_)")
    return {name: bit for name, bit in found.items() if "UDP_TUNNEL" not in name and not name.startswith("HDR")}


def is_named(name, names):
    """`_KICK` in a row stands for a name that ends so, and `GET_` for one that begins so."""
    return any(name == n or (n[0] == "_" and name.endswith(n)) or (n[-1] == "_" and name.startswith(n)) for n in names)


MESSAGES = constants(WIRE.split("enum vhost_user_request {")[1].split("}")[0], "VHOST_USER_")
MESSAGES.pop("NONE", None)  # no message
PROTOCOL_FEATURES = constants(WIRE.split("enum vhost_user_protocol_feature {")[1].split("}")[0], "VHOST_USER_PROTOCOL_F_")


@pytest.mark.parametrize("title, last, known", [("Messages of the front-end", LAST_MESSAGE, MESSAGES),
                                                ("Protocol features", LAST_PROTOCOL_FEATURE, PROTOCOL_FEATURES)])
def test_numbers_of_the_specification(title, last, known):
    table = rows(title)
    first = min(known.values())
    assert sorted(table) == list(range(first, last + 1))
    assert {n for n, (_, verdict) in table.items() if verdict == "works"} == set(known.values())
    for name, n in known.items():
        assert is_named(name, table[n][0]), f"{name} is {n}"
    assert {verdict for _, verdict in table.values()} <= {"works", "no"}


def test_virtio_features():
    table, bits = rows("Virtio features"), feature_bits()
    for name, bit in bits.items():
        if bit < 64:
            assert bit in table and (is_named(name, table[bit][0]) or name == "IOMMU_PLATFORM"), f"{name} is {bit}"
    offered = {bits[name] for name in re.findall(r"BIT\(VIRTIO_(?:NET_F_|RING_F_|F_)(\w+)\)",
                                                 PORT.split("OFFERED =")[1].split(";")[0])}
    offered |= {bits["RING_RESET"], 26, 30}  # of some ports, and the back-end's own
    assert {bit for bit, (_, verdict) in table.items() if verdict == "works"} == offered
