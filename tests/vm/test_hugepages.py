# SPDX-License-Identifier: Apache-2.0
"""A guest whose memory is huge pages, with one whose memory is not."""

import re

from lab import hugepages
from lab.guest import MEMORY_MB
from lab.transfer import MB, tcp, udp


def huge_mb(pid):
    """Megabytes of mappings whose pages are huge."""
    with open(f"/proc/{pid}/smaps") as smaps:
        sizes = re.findall(r"^Size: +(\d+) kB\nKernelPageSize: +(\d+) kB$", smaps.read(), re.MULTILINE)
    return sum(int(size) for size, page in sizes if int(page) >= 2048) // 1024


def test_guest_in_huge_pages(lab):
    hugepages.need(lab, MEMORY_MB)
    daemon = lab.network(["huge", "small"])
    huge = lab.guest([daemon.socket("huge")], "huge", wait=False, huge_pages=True)
    small = lab.guest([daemon.socket("small")], "small", wait=False)
    for guest, address in ((huge, "10.9.0.1"), (small, "10.9.0.2")):
        guest.wait_boot()
        guest.address(0, f"{address}/24")
    assert huge.ping("10.9.0.2")
    assert huge_mb(daemon.process.pid) == MEMORY_MB  # they are huge in the switch, too
    tcp(huge, small, "10.9.0.2", 8 * MB)
    tcp(small, huge, "10.9.0.1", 8 * MB)
    udp(small, huge, "10.9.0.1", 20, 9000)
