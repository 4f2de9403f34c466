# SPDX-License-Identifier: Apache-2.0
"""A new daemon takes over from the running one, or does not, while two front-ends exchange frames.

    vhost-pair ---vhost-user, twice--- ringwayd ... the next ringwayd

No frame may be lost or come twice, whatever becomes of the handover; no connection may end.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from lab import BUILD, CliError, eventually
from lab.process import IS_ROOT, PATIENCE, TOP
from rest import Rest

NEWCOMER = TOP / "tests" / "lab" / "newcomer.py"
HANDOVERS = 5
AS_NOBODY = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--"] if IS_ROOT else []


@contextlib.contextmanager
def traffic(daemon, *options):
    """Frames that must all arrive once. What the pair has counted is in the dictionary, afterwards."""
    counts = {}
    argv = [BUILD / "tests" / "vm" / "vhost-pair", "-w", "64", *options, daemon.socket("a"), daemon.socket("b"), "200000000"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as pair:
        try:
            eventually(lambda: daemon.counters("b")["tx"]["frames"] > 1000, what="frames move")
            yield counts
            moved = daemon.counters("b")["tx"]["frames"]
            eventually(lambda: daemon.counters("b")["tx"]["frames"] > moved + 1000, what="frames still move")
            pair.send_signal(signal.SIGTERM)
            out, err = pair.communicate(timeout=60 * PATIENCE)
        finally:
            pair.kill()
    assert pair.returncode == 0, out + err
    counts.update(json.loads(out))
    assert counts["lost"] == 0 and counts["repeated"] == 0


def nothing_ended(daemon):
    assert "disconnected" not in daemon.log and "connection ended" not in daemon.log
    assert daemon.log.count("front-end has connected") == 2


def counters(daemon):
    return {(name, way): daemon.counters(name)[way] for name in "ab" for way in ("rx", "tx")}


def assert_not_less(now, before):
    for key, value in before.items():
        assert all(now[key][name] >= n for name, n in value.items() if name != "drops"), key


@pytest.mark.parametrize(("queues", "options"), [
    (1, []), (1, ["-p"]), (1, ["-i"]), (1, ["-p", "-i"]), (1, ["-b"]), (1, ["-p", "-b"]), (2, ["-q", "2"]), (4, ["-q", "4", "-p"])],
    ids=["split", "packed", "split, inflight", "packed, inflight", "in-band", "packed, in-band", "2 queues", "4 queues, packed"])
def test_no_frame_is_lost(lab, queues, options):
    ports = [{"name": name, "type": "vhost-user", "queues": queues} for name in "ab"]
    daemon = lab.network(ports, top={"workers": min(queues, 2)})
    pauses, log = [], daemon.process.log_path
    with traffic(daemon, *options) as counts:
        known = {entry["mac"]: entry["port"] for entry in daemon.cli("fdb")}
        fds = daemon.open_fds()
        for _ in range(HANDOVERS):
            before, pid = counters(daemon), daemon.process.pid
            status = daemon.handover()
            assert status["took_over"]["pid"] == pid and status["pid"] == daemon.process.pid != pid
            assert_not_less(counters(daemon), before)
            pauses.append(status["took_over"]["pause_ns"] / 1e6)
        assert {entry["mac"]: entry["port"] for entry in daemon.cli("fdb")} == known
        eventually(lambda: daemon.open_fds() == fds, what=f"the daemon is back at {fds} open descriptors")
    assert log == daemon.process.log_path
    eventually(lambda: not any(p["connected"] for p in daemon.cli("port", "list")), what="the front-ends are gone")
    assert daemon.log.count("front-end has connected") == 2
    print(f"{counts['sent']} frames, none lost, none twice; longest gap {counts['longest_gap_ms']:.2f} ms, "
          f"no frame moved for at most {max(pauses):.2f} ms")


# Those who come to nothing

def refused(daemon, way):
    """What a newcomer of newcomer.py sees."""
    argv = [*AS_NOBODY, sys.executable, NEWCOMER, daemon.run_dir, way]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60 * PATIENCE)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


WAYS = ["version", "garbage", *(f"{what} after {step}" for step in ("state", "places") for what in ("dies", "refuses", "silent"))]


def test_newcomers_that_fail(lab):
    daemon = lab.network(["a", "b"])
    pid = daemon.process.pid
    with traffic(daemon) as counts:
        fds = daemon.open_fds()
        for way in WAYS:
            if way == "silent after state":  # waited for while frames move
                continue
            refused(daemon, way)
            moved = daemon.counters("b")["tx"]["frames"]
            eventually(lambda: daemon.counters("b")["tx"]["frames"] > moved + 1000, what=f"frames move: {way}")
            assert daemon.cli("status")["pid"] == pid
        eventually(lambda: daemon.open_fds() == fds, what=f"the daemon is back at {fds} open descriptors")
        nothing_ended(daemon)
        assert daemon.handover()["took_over"]["pid"] == pid  # and now one that works
    assert daemon.log.count("this process goes on") == len(WAYS) - 1
    print(f"{counts['sent']} frames, longest gap {counts['longest_gap_ms']:.2f} ms")


def test_version_that_is_not_read(lab):
    daemon = lab.network(["a"])
    (answer,) = refused(daemon, "version")
    assert "does not read documents of version 1" in answer["refused"]


@pytest.mark.parametrize("script", ["exit 1", "kill -9 $$", "exec sleep 0.1"])
def test_program_that_dies_at_start(lab, script):
    daemon = lab.network(["a", "b"])
    program = daemon.dir / "broken"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    pid = daemon.process.pid
    with traffic(daemon):
        with pytest.raises(CliError, match="ended without taking over; the daemon that ran goes on"):
            daemon.handover("--exec", program)
        assert daemon.cli("status")["pid"] == pid
        nothing_ended(daemon)


def test_program_that_is_not_there(lab):
    daemon = lab.network(["a"])
    with pytest.raises(CliError, match="No such file"):
        daemon.handover("--exec", "/nowhere/ringwayd")


@pytest.mark.skipif(not IS_ROOT, reason="only root can be another user")
def test_another_user(lab):
    daemon = lab.network(["a"])
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(daemon.run_dir / "handover.sock"))
        s.sendall(b"x")
        with contextlib.suppress(ConnectionResetError):
            assert s.recv(1000) == b""
    assert "another user's" in daemon.log
    assert (daemon.run_dir / "handover.sock").stat().st_mode & 0o777 == 0o600


@contextlib.contextmanager
def between(lab, daemon, way):
    """The next newcomer's document is changed."""
    process = lab.process([sys.executable, NEWCOMER, daemon.run_dir, way], f"{way.replace(' ', '-')}.log", as_nobody=True)
    eventually(lambda: "listening" in process.log(), what="it stands in between")
    yield process
    process.wait()


@pytest.mark.parametrize("way", ["adds keys", "lacks keys"])
def test_document_of_a_newer_or_an_older_program(lab, way):
    daemon = lab.network(["a", "b"])
    with traffic(daemon), between(lab, daemon, way):
        pid = daemon.process.pid
        assert daemon.handover()["took_over"]["pid"] == pid
        nothing_ended(daemon)


@pytest.mark.parametrize(("way", "why"), [
    ("another version", "the state is of version 2, this program reads 1"),
    ("other places", "its rings cannot go on")])
def test_document_that_the_new_one_cannot_take(lab, way, why):
    """The second one comes when no frame moves any more. The front-ends use one of the two queues."""
    daemon = lab.network([{"name": name, "type": "vhost-user", "queues": 2} for name in "ab"])
    with traffic(daemon), between(lab, daemon, way):
        pid = daemon.process.pid
        with pytest.raises(CliError) as error:
            daemon.handover()
        assert why in error.value.stderr
        assert daemon.cli("status")["pid"] == pid
        nothing_ended(daemon)
    assert "it refuses: " in daemon.log and why in daemon.log and "this process goes on" in daemon.log


# What goes along

def test_what_was_changed_since_the_start(lab):
    daemon = lab.network(["a", {"name": "b", "type": "vhost-user", "queues": 2}])
    daemon.cli("port", "add", "c", "--network", "lan")
    daemon.cli("port", "del", "a")
    before = {p["name"]: p["id"] for p in daemon.cli("port", "list")}
    inode = (daemon.run_dir / "api.sock").stat().st_ino
    daemon.write_config({"networks": [{"name": "lan", "ports": [{"name": "d", "type": "vhost-user"}, {"name": "a", "type": "vhost-user"}]}]})
    daemon.handover()
    # c by the API stays; a was deleted there, and the file says of it what it said before; b went from the file, d is new in it.
    now = {p["name"]: p["id"] for p in daemon.cli("port", "list")}
    assert now.keys() == {"c", "d"} and now["c"] == before["c"] and now["d"] not in before.values()
    assert (daemon.run_dir / "api.sock").stat().st_ino == inode
    daemon.handover()
    assert {p["name"]: p["id"] for p in daemon.cli("port", "list")} == now
    daemon.stop()
    assert not list(daemon.run_dir.glob("*.sock"))


def test_file_is_followed_with_bound_workers(lab):
    workers = [{"cpu": min(os.sched_getaffinity(0))}]
    daemon = lab.network(["a"], top={"workers": workers})
    daemon.write_config({"workers": workers, "networks": [{"name": "lan", "ports": [{"name": n, "type": "vhost-user"} for n in "ab"]}]})
    daemon.handover()
    assert {p["name"] for p in daemon.cli("port", "list")} == {"a", "b"}
    assert daemon.cli("config", "get")["workers"] == workers


def test_api_can_be_reached_all_the_while(lab):
    """Requests that the old daemon has not answered are lost with it, as its connections are; nobody is turned away."""
    daemon = lab.network(["a"])
    pids, faults, stop = set(), [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                pids.add(Rest(daemon.run_dir / "api.sock").get("/api/status").json["pid"])
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                pass
            except OSError as error:
                faults.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        seen = {daemon.process.pid, daemon.handover()["pid"]}
        eventually(lambda: pids >= seen, what="both have answered")
    finally:
        stop.set()
        thread.join()
    assert not faults


def test_sandbox_stays_on(lab):
    daemon = lab.network(["a"])
    daemon.handover()
    for thread in os.listdir(f"/proc/{daemon.process.pid}/task"):
        with open(f"/proc/{daemon.process.pid}/task/{thread}/status") as status:
            fields = dict(line.split(":", 1) for line in status)
        assert int(fields["Seccomp"]) == 2 and int(fields["NoNewPrivs"]) == 1 and int(fields["CapEff"], 16) == 0


# Sends numbered frames into one device, which come out of another, until its stdin ends.
THROUGH_TAPS = """
import select, socket, struct, sys, time
a, b = (socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) for _ in range(2))
a.bind(("t0", 0)), b.bind(("t1", 0))
b.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
ends, sent, seen, gap = [], 0, [], 0.0
last = time.monotonic()
while len(seen) < sent or not ends:
    ends = ends or select.select([sys.stdin], [], [], 0)[0]
    if not ends:
        a.send(bytes.fromhex("020000000002" "020000000001" "88b5") + struct.pack("!I", sent) + bytes(60))
        sent += 1
    while select.select([b], [], [], 0.001)[0]:
        frame = b.recv(2000)
        if frame[12:14] == b"\\x88\\xb5":
            seen.append(struct.unpack("!I", frame[14:18])[0])
            now = time.monotonic()
            gap, last = max(gap, now - last), now
    if time.monotonic() - last > 10:
        break
print(sent, sent - len(set(seen)), len(seen) - len(set(seen)), f"{gap * 1000:.2f}")
"""


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_daemon_that_became_another_user(lab):
    """Root's tool starts a daemon of root's, which becomes the user of the running one."""
    daemon = lab.daemon({"networks": [{"name": "lan", "ports": [{"name": "a", "type": "vhost-user"}]}]}, start=False)
    argv = [daemon.dir / "ringwayd", "-c", daemon.config_path, "--run-dir", daemon.run_dir, "--user", "nobody"]
    daemon.process = lab.process(argv, daemon.dir / "ringwayd.log")
    eventually(daemon.answers, what="ringwayd answers")
    assert daemon.handover(as_user=None)["took_over"]
    assert os.stat(f"/proc/{daemon.process.pid}/fd").st_uid != 0 or os.stat(f"/proc/{daemon.process.pid}").st_uid != 0


def test_tap(lab):
    netns = lab.netns()
    for name in ("t0", "t1"):
        netns.tap(name)
        netns.run(f"ip link set {name} up txqueuelen 10000")
    ports = [{"name": name, "type": "tap", "ifname": name} for name in ("t0", "t1")]
    daemon = lab.network(ports, netns=netns.name)
    argv = ["ip", "netns", "exec", netns.name, sys.executable, "-c", THROUGH_TAPS]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sender:
        try:
            for _ in range(HANDOVERS):
                moved = daemon.counters("t1")["tx"]["frames"]
                eventually(lambda: daemon.counters("t1")["tx"]["frames"] > moved + 100, what="frames move")
                daemon.handover()
            out, _ = sender.communicate(timeout=60 * PATIENCE)
        finally:
            sender.kill()
    sent, lost, repeated, gap = out.split()
    assert int(sent) > 100 * HANDOVERS and lost == repeated == "0"
    print(f"{sent} frames, none lost, none twice; longest gap {gap} ms")
