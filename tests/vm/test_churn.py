# SPDX-License-Identifier: Apache-2.0
"""Ports are added, used and deleted a hundred times; nothing is left of them.

Each time two vhost-user ports exchange frames of many sizes, and with root a tap port sends some to each. Watched by
ASan, which fails the daemon at its end, and by valgrind, with what stays open as well.
"""

import os
import pathlib
import re
import subprocess

from lab import BUILD, Skip, eventually, lacking
from lab.process import IS_ROOT

TIMES = 100
FRAMES = 20
SUPPRESSIONS = pathlib.Path(__file__).parent / "valgrind.supp"
ASAN_BUILD = pathlib.Path(os.environ.get("RINGWAY_ASAN_BUILD", BUILD / "check" / "asan"))


def use(daemon):
    pair = subprocess.run([BUILD / "tests" / "vm" / "vhost-pair", daemon.socket("a"), daemon.socket("b"), str(FRAMES)],
                          capture_output=True, text=True, timeout=60)
    assert pair.returncode == 0, pair.stderr


def churn(daemon, netns, times):
    for _ in range(times):
        daemon.cli("port", "add", "a", "--type", "vhost-user")
        daemon.cli("port", "add", "b", "--type", "vhost-user")
        if netns:
            daemon.cli("port", "add", "host", "--type", "tap", "--ifname", "rw0")
        use(daemon)
        if netns:
            assert daemon.counters("host")["rx"]["frames"] + daemon.counters("host")["tx"]["frames"] > 0
            daemon.cli("port", "del", "host")
        daemon.cli("port", "del", "a")
        daemon.cli("port", "del", "b")
    assert daemon.cli("port", "list") == []


def back_to(daemon, fds):
    """The daemon closes what a peer leaves behind once it has seen it go, which is after the peer has gone. So the count of before may
    have had one that was about to close, the connection of `ringway status` at the start."""
    eventually(lambda: daemon.process.open_fds() <= fds, what=f"the daemon is back at {fds} open descriptors")


def make_netns(lab):
    if not IS_ROOT:
        return None
    netns = lab.netns()
    netns.tap("rw0")
    netns.run("ip link set rw0 up")
    return netns


def make_daemon(lab, netns, **options):
    return lab.network([], netns=netns.name if netns else None, **options)


def test_asan_finds_no_leak(lab):
    if not (ASAN_BUILD / "ringwayd").exists():
        raise Skip(f"no {ASAN_BUILD / 'ringwayd'}: tools/check asan makes it")
    netns = make_netns(lab)
    daemon = make_daemon(lab, netns, build=ASAN_BUILD, env={"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1"})
    fds = daemon.process.open_fds()
    churn(daemon, netns, TIMES)
    daemon.tool = ASAN_BUILD / "ringway"
    churn(daemon, netns, 1)
    back_to(daemon, fds)
    daemon.stop()


def test_valgrind_finds_no_leak(lab):
    program = lacking("valgrind")
    if program:
        raise Skip(f"no {program}")
    netns = make_netns(lab)
    daemon = make_daemon(lab, netns, wrapper=["valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite,possible",
                                              "--errors-for-leak-kinds=definite,possible", "--error-exitcode=99", f"--suppressions={SUPPRESSIONS}",
                                              "--track-fds=yes"])
    churn(daemon, netns, TIMES)
    daemon.stop()
    still_open = re.findall(r"Open (?:file descriptor|AF_\w+ socket) (\d+)", daemon.log)
    # stdin, stdout and stderr are not ours; valgrind keeps some of its own far up.
    assert [fd for fd in map(int, still_open) if 2 < fd < 500] == []


def test_front_ends_come_and_go_without_a_word(lab):
    """The ports stay, the front-ends are killed in the middle of it."""
    daemon = lab.network(["a", "b"])
    fds = daemon.process.open_fds()
    for _ in range(TIMES // 4):
        argv = [BUILD / "tests" / "vm" / "vhost-pair", daemon.socket("a"), daemon.socket("b"), "1000000"]
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as pair:
            try:
                pair.wait(0.02)
            except subprocess.TimeoutExpired:
                pair.kill()
        use(daemon)
    back_to(daemon, fds)
