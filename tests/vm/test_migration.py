# SPDX-License-Identifier: Apache-2.0
"""A guest that moves from one QEMU to another, back and forth, while a TCP connection runs to it.

    guest m, here or there ---vhost-user--- port here  \
                           ---vhost-user--- port there  ringwayd, network lan
    guest peer             ---vhost-user--- port peer  /

By precopy, the pages that the switch wrote into m's receive buffers reach the other side only if it reported them. By postcopy,
m runs at the other side before its memory is there: whoever needs a page asks for it.

QEMU 7.2 itself loses pages that an emulated guest writes while it is migrated, the more the longer that takes: one without any
network card, writing memory, crashed three times in four. So migrations are short here, and m has little else to do.
"""

import itertools
import os
import time

import pytest

from lab import Nic, eventually
from lab.process import GUEST_DIR
from lab.transfer import MB

FULL = os.environ.get("RINGWAY_FULL")
# In full, 20 for each kind of ring.
MOVES = 5 if FULL else 2
LOADS = [(how, towards) for how in ("precopy", "postcopy") for towards in ("m", "peer")]
SIDES = ("here", "there")
M, PEER = "10.0.0.1", "10.0.0.2"


class Traveller:
    """One guest in whichever QEMU runs it now."""

    def __init__(self, lab, daemon, options):
        self.lab, self.daemon, self.options = lab, daemon, options
        self.names = itertools.count()
        self.side = 0
        self.guest = self.qemu()

    def qemu(self, *args):
        nic = Nic(self.daemon.socket(SIDES[self.side]), "52:54:00:00:00:aa", self.options)
        return self.lab.guest([nic], f"m{next(self.names)}", wait=not args, extra_args=args)

    def move(self, when_most_is_sent=None):
        """To the other side. `when_most_is_sent` is called when nearly all of the memory was sent for the first time. What QEMU says of
        it."""
        source, path = self.guest, self.lab.dir / f"migration{next(self.names)}"
        self.side = 1 - self.side
        self.allow_postcopy(source, False)  # it may have come so itself
        target = self.qemu("-incoming", f"unix:{path}")
        eventually(path.exists, what="the target listens")
        if when_most_is_sent:
            source.qmp("migrate-set-parameters", **{"max-bandwidth": 20 * MB, "downtime-limit": 1})
        source.qmp("migrate", uri=f"unix:{path}")
        if when_most_is_sent:
            eventually(lambda: 0 < source.qmp("query-migrate").get("ram", {}).get("remaining", 0) < 5 * MB, timeout=60)
            source.qmp("migrate-set-parameters", **{"max-bandwidth": 100000})
            when_most_is_sent()
            assert source.qmp("query-migrate")["status"] == "active"
            source.qmp("migrate-set-parameters", **{"max-bandwidth": 100 * MB, "downtime-limit": 300})
        return self.follow(source, target)

    def move_by_postcopy(self):
        """To the other side, where it runs at once; its memory comes when it is needed, or later. What QEMU says of it."""
        source, path = self.guest, self.lab.dir / f"migration{next(self.names)}"
        self.side = 1 - self.side
        target = self.qemu("-incoming", "defer")
        for guest in source, target:
            self.allow_postcopy(guest, True)
        target.qmp("migrate-incoming", uri=f"unix:{path}")
        source.qmp("migrate-set-parameters", **{"max-bandwidth": 20 * MB})
        source.qmp("migrate", uri=f"unix:{path}")
        eventually(lambda: source.qmp("query-migrate")["status"] == "active", what="memory is sent")
        source.qmp("migrate-start-postcopy")
        return self.follow(source, target)

    @staticmethod
    def allow_postcopy(guest, state):
        guest.qmp("migrate-set-capabilities", capabilities=[{"capability": "postcopy-ram", "state": state}])

    def follow(self, source, target):
        info = eventually(lambda: self.finished(source), timeout=120, every=0.1, what="the migration ends")
        assert info["status"] == "completed", f"{info}\n{target.evidence()}"
        # Who waits for a command's end hears of it from the new QEMU.
        target.jobs, target.ids, source.jobs = source.jobs, source.ids, {}
        source.kill()
        self.guest = target
        return info

    @staticmethod
    def finished(guest):
        info = guest.qmp("query-migrate")
        return info if info.get("status") in ("completed", "failed", "cancelled") else None


@pytest.fixture(scope="module", params=["split", "packed"])
def net(request, module_lab):
    class Net:
        pass

    net = Net()
    net.daemon = module_lab.network([*SIDES, "peer"])
    net.ring = request.param
    net.peer = module_lab.guest([net.daemon.socket("peer")], f"{request.param}-peer", wait=False)
    net.m = Traveller(module_lab, net.daemon, "packed=on" if request.param == "packed" else "")
    net.peer.wait_boot()
    net.m.guest.address(0, f"{M}/24")
    net.peer.address(0, f"{PEER}/24")
    assert net.peer.ping(M)
    features = net.daemon.port("here")["features"]
    assert ("ring_packed" in features) == (request.param == "packed"), features
    return net


def tell(net, what, info):
    print(f"{net.ring}, {what}: downtime {info['downtime']} ms of {info['total-time']} ms, "
          f"{info['ram']['dirty-sync-count']} rounds, {info['ram']['postcopy-requests']} pages asked for")


@pytest.mark.parametrize("how, towards", LOADS if FULL else [LOADS[0], LOADS[3]])
def test_connection_outlives_moves(net, how, towards):
    n_bytes = (60 if (GUEST_DIR / "accel").read_text().strip() == "tcg" else 4000) * MB
    for _ in range(MOVES):
        ends = {"m": net.m.guest, "peer": net.peer}
        receiver, address = ends.pop(towards), M if towards == "m" else PEER
        receiving = receiver.submit("xfer recv 5001", 240)
        sending = ends.popitem()[1].submit(f"sleep 0.2; xfer send {address} 5001 {n_bytes} 9", 240)
        time.sleep(0.5)
        info = net.m.move() if how == "precopy" else net.m.move_by_postcopy()
        assert receiving.answer.empty() and sending.answer.empty(), "the transfer was over before the move"
        sent, received = sending.json(), receiving.json()
        assert sent["bytes"] == received["bytes"] == n_bytes
        assert sent["sha256"] == received["sha256"]
        tell(net, f"{how}, load towards {towards}", info)
        if how == "postcopy":
            assert info["ram"]["postcopy-requests"] > 0


def test_what_nobody_has_read_yet_moves_along(net):
    """Frames that come when their buffers have been sent to the other side, and that the guest itself does not touch."""
    for _ in range(2):
        receiving = net.m.guest.submit("xfer recv 5002", 240)
        net.m.guest.run("sleep 0.3; kill -STOP $(pidof xfer)")
        sending = []

        def send():
            sending.append(net.peer.submit(f"xfer send {M} 5002 60000 4", 240))
            time.sleep(1)

        info = net.m.move(when_most_is_sent=send)
        net.m.guest.run("kill -CONT $(pidof xfer)")
        sent, received = sending[0].json(), receiving.json()
        assert sent["bytes"] == received["bytes"] == 60000
        assert sent["sha256"] == received["sha256"]
        tell(net, "data not read", info)


def test_network_follows_at_once(net):
    """What is sent to the guest goes to its new port, though it has said nothing itself."""
    net.m.move()
    assert net.daemon.port("here" if net.m.side == 0 else "there")["features"]
    assert net.peer.ping(M)
