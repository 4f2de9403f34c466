# SPDX-License-Identifier: Apache-2.0
"""What a running daemon has given up, and what it says to those who ask for it.

Everything else that these tests run is sandboxed as well: that it works is their part.
"""

import ctypes
import json
import os
import pathlib
import pwd
import signal
import socket
import stat

import pytest

from lab import CliError
from lab.process import IS_ROOT, eventually
from rest import Rest

VHOST = {"type": "vhost-user"}
CHOWN, DAC_OVERRIDE, FOWNER, NET_ADMIN = (1 << bit for bit in (0, 1, 3, 12))  # capability.h
LANDLOCK_VERSION = (444, None, 0, 1)  # landlock_create_ruleset(2)

needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root has capabilities to give up")
needs_landlock = pytest.mark.skipif(ctypes.CDLL(None).syscall(*LANDLOCK_VERSION) < 1, reason="the kernel has no Landlock")


class Started:
    """A daemon with options of the test's choice."""

    def __init__(self, lab, config, *options, as_nobody=False):
        daemon = lab.daemon(config, start=False)
        if not as_nobody:
            os.chown(daemon.run_dir, os.geteuid(), os.getegid())
        argv = [daemon.dir / "ringwayd", "-c", daemon.config_path, "--run-dir", daemon.run_dir, *options]
        self.process = lab.process(argv, f"{daemon.dir.name}.log", as_nobody=as_nobody)
        self.run_dir, self.config_path = daemon.run_dir, daemon.config_path
        self.rest = Rest(self.run_dir / "api.sock")
        eventually(lambda: "is ready" in self.process.log() or not self.process.running(), what="ringwayd is ready")
        assert self.process.running(), self.process.log_tail()

    def threads(self):
        """The fields of /proc/PID/task/TID/status, by the thread's name."""
        found = {}
        for path in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/status"):
            fields = dict(line.split(":", 1) for line in path.read_text().splitlines())
            found[fields["Name"].strip()] = {key: value.strip() for key, value in fields.items()}
        return found

    def capabilities(self):
        return {name: int(fields["CapPrm"], 16) | int(fields["CapEff"], 16) for name, fields in self.threads().items()}


def config(*ports, **more):
    return {"workers": 2, "networks": [{"name": "lan", "ports": list(ports)}], **more}


def test_every_thread_is_limited(lab):
    threads = Started(lab, config({"name": "vm1", **VHOST}), as_nobody=True).threads()
    assert threads.keys() == {"ringwayd", "closer", "worker/0", "worker/1"}
    for fields in threads.values():
        assert (fields["NoNewPrivs"], fields["Seccomp"], int(fields["CapEff"], 16)) == ("1", "2", 0)


def test_nothing_is_limited_when_told_so(lab):
    for fields in Started(lab, config(), "--no-sandbox", as_nobody=True).threads().values():
        assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("0", "0")


@needs_root
@pytest.mark.parametrize("ports, expected", [
    ([{"name": "vm1", **VHOST}], 0),
    ([{"name": "vm1", "socket_owner": "nobody", **VHOST}], CHOWN | FOWNER),
    ([{"name": "vm1", "socket_group": "nogroup", **VHOST}], CHOWN | FOWNER),
    ([{"name": "vm1", "mode": "client", **VHOST}], DAC_OVERRIDE),
    ([{"name": "vm1", **VHOST}, {"name": "rwsand0", "type": "tap"}], NET_ADMIN),
    ([], CHOWN | FOWNER | DAC_OVERRIDE | NET_ADMIN),
], ids=["plain", "owner", "group", "client", "tap", "none"])
def test_root_keeps_what_its_ports_need(lab, ports, expected):
    kept = Started(lab, config(*ports)).capabilities()
    assert kept == {"ringwayd": expected, "closer": 0, "worker/0": 0, "worker/1": 0}


@needs_root
def test_run_directory_of_another_user(lab):
    daemon = lab.daemon(config({"name": "vm1", **VHOST}), start=False)
    argv = [daemon.dir / "ringwayd", "-c", daemon.config_path, "--run-dir", daemon.run_dir]
    process = lab.process(argv, "other.log")
    eventually(lambda: "is ready" in process.log(), what="ringwayd is ready")
    assert "dac_override" in process.log()


@needs_root
def test_owner_of_a_socket(lab):
    started = Started(lab, config({"name": "vm1", "socket_owner": "nobody", "socket_group": "nogroup",
                                   "socket_mode": "0660", **VHOST}))
    status = os.stat(started.run_dir / "vm1.sock")
    nobody = pwd.getpwnam("nobody")
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (nobody.pw_uid, nobody.pw_gid, 0o660)


@needs_root
def test_change_of_user(lab):
    started = Started(lab, config({"name": "rwsand0", "type": "tap"}), "--user", "nobody")
    nobody = pwd.getpwnam("nobody")
    control = started.threads()["ringwayd"]
    assert set(control["Uid"].split()) == {str(nobody.pw_uid)} and set(control["Gid"].split()) == {str(nobody.pw_gid)}
    assert started.capabilities()["ringwayd"] == NET_ADMIN
    assert started.rest.post("/api/ports", {"name": "vm1", "network": "lan", **VHOST}).status == 201
    assert os.stat(started.run_dir / "vm1.sock").st_uid == nobody.pw_uid


def test_ports_that_an_ordinary_user_adds(lab):
    """At run time, to a daemon without capabilities, in its sandbox. What does not work says what would."""
    netns = lab.netns()
    netns.tap("t0", queues=2)
    daemon = lab.network(["vm1"], netns=netns.name)

    def add(name, *options):
        return daemon.cli("port", "add", name, "--network", "lan", *options)

    add("vm2", "--type", "vhost-user")
    add("host", "--type", "tap", "--ifname", "t0")
    with pytest.raises(CliError, match="ifname: port host is on the device t0 already"):
        add("twice", "--type", "tap", "--ifname", "t0")
    with pytest.raises(CliError, match="no permission to create the tap device t1; as root: ip tuntap add dev t1 mode tap user nobody"):
        add("other", "--type", "tap", "--ifname", "t1")
    with pytest.raises(CliError, match="may not give it to that owner or group"):
        add("vm3", "--type", "vhost-user", "--socket-owner", "root")
    daemon.cli("port", "del", "host")
    add("again", "--type", "tap", "--ifname", "t0", "--queues", "2")
    assert [p["name"] for p in daemon.cli("port", "list")] == ["vm1", "vm2", "again"]


def test_unknown_user_ends_the_start(lab):
    daemon = lab.daemon(config(), start=False)
    argv = [daemon.dir / "ringwayd", "--run-dir", daemon.run_dir, "--user", "nobody-of-this-name"]
    process = lab.process(argv, "user.log")
    assert process.wait() == 1
    assert "no user is called 'nobody-of-this-name'" in process.log()


@pytest.fixture
def elsewhere(lab):
    path = lab.dir / "elsewhere"
    path.mkdir()
    path.chmod(0o777)
    return path


@needs_landlock
def test_socket_elsewhere_is_refused(lab, elsewhere):
    started = Started(lab, config(), as_nobody=True)
    port = {"name": "vm1", "network": "lan", "socket": str(elsewhere / "vm1.sock"), **VHOST}
    reply = started.rest.post("/api/ports", port)
    assert (reply.status, reply.json["field"]) == (403, "socket")
    assert "sandbox" in reply.json["detail"] and "--allow-path" in reply.json["detail"]
    assert not (elsewhere / "vm1.sock").exists()
    dotted = f"{started.run_dir}/../../elsewhere/vm1.sock"
    assert started.rest.post("/api/ports", {**port, "socket": dotted}).status == 403


def test_socket_elsewhere_when_allowed(lab, elsewhere):
    started = Started(lab, config(), "--allow-path", str(elsewhere), as_nobody=True)
    port = {"name": "vm1", "network": "lan", "socket": str(elsewhere / "vm1.sock"), **VHOST}
    assert started.rest.post("/api/ports", port).status == 201
    assert started.rest.delete("/api/ports/vm1").status == 204
    assert not (elsewhere / "vm1.sock").exists()


def test_directories_of_the_configuration_are_allowed(lab, elsewhere):
    started = Started(lab, config({"name": "vm1", "socket": str(elsewhere / "vm1.sock"), **VHOST}), as_nobody=True)
    port = {"name": "vm2", "network": "lan", "socket": str(elsewhere / "vm2.sock"), **VHOST}
    assert started.rest.post("/api/ports", port).status == 201


@needs_landlock
def test_files_elsewhere_are_out_of_reach(lab, elsewhere):
    """The kernel says no, not only our own check: a configuration that has become a link leads nowhere."""
    started = Started(lab, config({"name": "vm1", **VHOST}), as_nobody=True)
    other = elsewhere / "other.yaml"
    other.write_text(json.dumps(config({"name": "vm2", **VHOST})))
    other.chmod(0o644)
    started.config_path.unlink()
    started.config_path.symlink_to(other)
    started.process.signal(1)
    eventually(lambda: "Permission denied" in started.process.log(), what="the link is refused")
    assert [p["name"] for p in started.rest.get("/api/ports").json["ports"]] == ["vm1"]


def test_reload(lab):
    started = Started(lab, config({"name": "vm1", **VHOST}), as_nobody=True)
    started.config_path.write_text(json.dumps(config({"name": "vm2", **VHOST})))
    started.process.signal(1)
    eventually(lambda: "applied" in started.process.log(), what="the configuration is read again")
    assert [p["name"] for p in started.rest.get("/api/ports").json["ports"]] == ["vm2"]


def test_tells_the_service_manager(lab):
    """The library asks the kernel more than it sends."""
    path = lab.dir / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20)
        path.chmod(0o777)
        daemon = lab.network(["a"], env={"NOTIFY_SOCKET": str(path)})
        assert b"READY=1" in manager.recv(1000)
        daemon.process.signal(signal.SIGHUP)
        assert b"RELOADING=1" in manager.recv(1000) and b"READY=1" in manager.recv(1000)
        assert daemon.cli("status")
