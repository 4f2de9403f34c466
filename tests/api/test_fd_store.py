# SPDX-License-Identifier: Apache-2.0
"""systemd stops the daemon and starts it again; what it keeps meanwhile makes the front-ends notice nothing.

The service manager is a part of the test, as the machines that these tests run on often have none of their own.
"""

import os
import signal

import pytest

from lab import eventually
from lab.service_manager import ServiceManager
from test_handover import counters, assert_not_less, traffic


@pytest.fixture
def managed(lab):
    manager = ServiceManager(lab.dir)
    daemon = lab.network(["a", {"name": "b", "type": "vhost-user", "queues": 2}], start=False, env=manager.env, wrapper=manager.wrapper)
    return manager, daemon.start()


def restart(manager, daemon, meanwhile=lambda: None):
    daemon.process.signal(signal.SIGTERM)
    assert daemon.process.wait() == 0
    eventually(lambda: "document" in manager.store, what="everything is in the store")
    meanwhile()
    daemon.start()


def test_no_frame_is_lost(managed):
    manager, daemon = managed
    gaps = []
    with traffic(daemon) as counts:
        for _ in range(3):
            before, fdb, pid = counters(daemon), daemon.cli("fdb"), daemon.process.pid
            restart(manager, daemon)
            took_over = daemon.cli("status")["took_over"]
            assert took_over["pid"] == pid
            gaps.append(took_over["pause_ns"] / 1e6)
            assert_not_less(counters(daemon), before)
            assert {e["mac"] for e in daemon.cli("fdb")} == {e["mac"] for e in fdb}
            eventually(lambda: not manager.store, what="the store is empty")
    assert daemon.log.count("front-end has connected") == 2
    print(f"{counts['sent']} frames, none lost, none twice; no frame moved for at most {max(gaps):.2f} ms")


def test_store_of_no_use(managed):
    """A start like any other, then; the front-ends see that their connections are gone."""
    manager, daemon = managed

    def spoil():
        fd = os.open("/dev/null", os.O_RDONLY)
        os.close(manager.store["document"])
        manager.store["document"] = fd

    restart(manager, daemon, spoil)
    assert daemon.cli("status")["took_over"] is None
    assert "what the service manager has kept for this daemon cannot be read" in daemon.log
    assert {p["name"] for p in daemon.cli("port", "list")} == {"a", "b"}


def test_version_that_is_not_read(managed):
    manager, daemon = managed

    def change():
        fd = manager.store["document"]
        text = os.pread(fd, 1 << 20, 0).replace(b'"version":1', b'"version":2')
        os.pwrite(fd, text, 0)

    restart(manager, daemon, change)
    assert daemon.cli("status")["took_over"] is None
    assert "the state is of version 2, this program reads 1" in daemon.log
    eventually(lambda: not manager.store, what="the store is empty")


def test_tool_leaves_it_to_systemd(managed):
    manager, daemon = managed
    with pytest.raises(Exception, match="systemctl restart"):
        daemon.handover()
