# SPDX-License-Identifier: Apache-2.0
"""`ringway qemu-args` prints what makes a guest of these ports; a shell takes it as it is."""

import shlex

from lab.guest import MEMORY_MB
from lab.transfer import MB, tcp


def test_printed_arguments_attach_guests(lab):
    daemon = lab.network(["vm1", "vm2", "vm3"])
    memory = ("--memory", f"{MEMORY_MB}M", "--tcg")
    pasted = [shlex.split(daemon.cli("qemu-args", *ports, *memory, text=True)) for ports in (("vm1",), ("vm2", "vm3"))]
    one, two = (lab.guest([], f"g{i}", attach_args=args, wait=False) for i, args in enumerate(pasted))
    for guest in (one, two):
        guest.wait_boot()
    one.address(0, "10.0.0.1/24")
    two.address(0, "10.0.0.2/24")
    assert one.ping("10.0.0.2")
    tcp(one, two, "10.0.0.2", 5 * MB)
    macs = {one.out("cat /sys/class/net/eth0/address"), *(two.out(f"cat /sys/class/net/eth{i}/address") for i in (0, 1))}
    assert len(macs) == 3
    assert all(daemon.port(p)["connected"] for p in ("vm1", "vm2", "vm3"))
