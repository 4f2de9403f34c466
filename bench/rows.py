# SPDX-License-Identifier: Apache-2.0
"""What is measured: the rows of the table, and how each gets its samples."""

import dataclasses
import json
import re
import subprocess
import time

from lab.process import BUILD

from peers.peer import LOAD_CORE, SWITCH_CORE, on_core


class Failed(Exception):
    """No figure; says why."""


def run(argv, netns=None, timeout=60):
    argv = [str(a) for a in argv]
    if netns:
        argv = ["ip", "netns", "exec", netns.name, *argv]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed("takes too long") from None
    if done.returncode:
        raise Failed((done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1])
    return done.stdout


@dataclasses.dataclass
class Sample:
    value: float
    note: str = ""


@dataclasses.dataclass
class Row:
    key: str
    title: str
    unit: str
    more_is_better: bool = True
    quick: bool = False

    def sample(self, peer, seconds):
        raise NotImplementedError


# Between two vhost-user sockets


@dataclasses.dataclass
class LoopRow(Row):
    args: tuple = ()
    length: int = 60
    offload: bool = False

    def loop(self, peer, *args):
        if self.length > peer.largest:
            raise Failed(f"takes no more than {peer.largest} bytes")
        argv = on_core(LOAD_CORE, BUILD / "vhost-loop", "-l", self.length, *self.args, *args, *peer.loop_args(self),
                       *peer.sockets)
        result = json.loads(run(argv, timeout=30))
        if result["different"]:
            raise Failed(f"{result['different']} buffers differ from what was sent")
        return result


class Rate(LoopRow):
    def sample(self, peer, seconds):
        result = self.loop(peer, "-t", seconds, "-k", 1, "-w", min(0.3, seconds))
        note = f"lost {result['lost']}" if result["lost"] else ""
        scale = self.length / 1e9 if self.unit == "GB/s" else 1e-6
        return Sample(result["frames_per_s"][0] * scale, note)


class Latency(LoopRow):
    def sample(self, peer, seconds):
        result = self.loop(peer, "-1", "-t", seconds, "-k", 1, "-w", 0)["latency"]
        return Sample(result["median_ns"] / 1000, f"p99 {result['p99_ns'] / 1000:.2f}")


class Idle(Row):
    """Share of a core that the switch takes while nothing moves."""

    def sample(self, peer, seconds):
        time.sleep(0.3)
        start, before = time.monotonic(), peer.cpu_s()
        time.sleep(seconds)
        return Sample(100 * (peer.cpu_s() - before) / (time.monotonic() - start))


# The switch's own code, with guests that take none of its time


class Flat(Row):
    """What a frame of 60 bytes costs, whatever the number of ports or of addresses."""

    def sample(self, peer, seconds):
        row = "split-60" if self.key == "ports-2" else self.key
        repetitions = max(20, int(100 * seconds))
        result = json.loads(run(on_core(SWITCH_CORE, BUILD / "bench-switch", "-j", "-r", repetitions, row), timeout=120))
        return Sample(result["ns"], f"{result['cycles']:.0f} cycles")


@dataclasses.dataclass
class Workers(Row):
    """Frames of two workers on two cores against those of one with the same four guests."""

    row: str = ""
    arrangement: str = ""

    def sample(self, peer, seconds):
        repetitions = max(20, int(100 * seconds))
        result = json.loads(run([BUILD / "bench-workers", "-j", "-r", repetitions, self.row], timeout=120))
        two, one = result[self.arrangement], result["one"]
        return Sample(two / one, f"{two:.2f} against {one:.2f} Mframe/s")


# Between two network namespaces


class HostRow(Row):
    def sample(self, peer, seconds):
        start, before = time.monotonic(), peer.cpu_s()
        sample = self.measure(peer, seconds)
        if peer.pids:
            share = 100 * (peer.cpu_s() - before) / (time.monotonic() - start)
            sample.note = f"{sample.note} switch {share:.0f} %".strip()
        return sample

    def iperf(self, peer, seconds, *args):
        # Without a switch process, the receiver has the switch's core.
        core = LOAD_CORE if peer.pids else SWITCH_CORE
        server = peer.lab.process(on_core(core, "iperf3", "-s", "-1"), "iperf3.log", netns=peer.server.name)
        try:
            time.sleep(0.3)
            return json.loads(run(on_core(LOAD_CORE, "iperf3", "-c", peer.address, "-t", max(1, round(seconds)), "-J", *args),
                                  netns=peer.client, timeout=seconds + 30))["end"]
        finally:
            server.kill()


@dataclasses.dataclass
class Tcp(HostRow):
    streams: int = 1

    def measure(self, peer, seconds):
        return Sample(self.iperf(peer, seconds, "-P", self.streams)["sum_received"]["bits_per_second"] / 1e9)


class Udp(HostRow):
    """Datagrams of 18 bytes make frames of 60."""

    def measure(self, peer, seconds):
        end = self.iperf(peer, seconds, "-u", "-b", 0, "-l", 18)["sum"]
        return Sample((end["packets"] - end["lost_packets"]) / end["seconds"] / 1e6)


@dataclasses.dataclass
class UdpLoop(HostRow):
    """The same frames from a sender that waits for what is on its way, so that nothing but the switch is measured."""

    def measure(self, peer, seconds):
        result = json.loads(run(on_core(LOAD_CORE, BUILD / "host-loop", "-t", seconds, "-k", 1, "-w", min(0.3, seconds),
                                        peer.client.name, peer.server.name, peer.address), timeout=60))
        note = f"lost {result['lost']}" if result["lost"] else ""
        return Sample(result["frames_per_s"][0] / 1e6, note)


@dataclasses.dataclass
class Ping(HostRow):
    options: tuple = ()
    count: int = 500

    def measure(self, peer, seconds):
        if not peer.can_ping:
            raise Failed("answers pings itself")
        count = max(50, int(self.count * min(1, seconds)))
        out = run(on_core(LOAD_CORE, "ping", "-n", *self.options, "-c", count, peer.address), netns=peer.client)
        times = sorted(float(t) for t in re.findall(r"time=([0-9.]+) ms", out))
        if not times:  # quiet: the mean of its summary
            return Sample(float(re.search(r"= [0-9.]+/([0-9.]+)/", out).group(1)) * 1000)
        return Sample(times[len(times) // 2] * 1000)


def loop_rows():
    for title, length, unit, args, offload in (("60 B", 60, "Mframe/s", (), False), ("252 B", 252, "Mframe/s", (), False),
                                               ("1514 B", 1514, "Mframe/s", (), False),
                                               ("64 KB", 65226, "GB/s", ("-q", 1024, "-n", 24, "-b", 8), True)):
        for kind in ("split", "packed"):
            more = ("-p",) if kind == "packed" else ()
            yield Rate(f"{kind}-{length}", f"{title}, {kind}", unit, quick=kind == "split" or length == 60,
                       args=args + more, length=length, offload=offload)
        if length == 60:
            yield Rate("split-60-one-buffer", "60 B, split, not mergeable", unit, args=("-M",), length=length)
            yield Rate("packed-60-one-buffer", "60 B, packed, not mergeable", unit, args=("-M", "-p"), length=length)
    yield Rate("split-60-event-idx", "60 B, split, event index", "Mframe/s", args=("-e",))
    yield Latency("latency", "one frame in flight", "us", False, True)
    yield Idle("idle", "idle", "% of a core", False, True)


def alone_rows():
    for n in (2, 16, 64, 256):
        yield Flat(f"ports-{n}", f"60 B, {n} ports", "ns a frame", False, n == 256)
    for n in (16, 256, 4096, 32768, 100000):
        yield Flat(f"addresses-{n}", f"60 B, {n:,} addresses", "ns a frame", False, n in (16, 100000))
    for row, title in (("split-60", "60 B, split"), ("packed-60", "60 B, packed"), ("split-1514", "1514 B, split")):
        for arrangement, what in (("apart", "a pair of guests each"), ("across", "every frame from core to core")):
            yield Workers(f"workers-{arrangement}-{row}", f"two workers, {what}, {title}", "x one worker",
                          quick=row == "split-60", row=row, arrangement=arrangement)


ALONE_ROWS = list(alone_rows())
LOOP_ROWS = list(loop_rows())
CROWD_ROWS = [dataclasses.replace(row, key=f"crowd-{row.key}", quick=row.key == "split-60") for row in LOOP_ROWS
              if row.key in ("split-60", "packed-60", "split-1514", "latency", "idle")]
HOST_ROWS = [
    Tcp("tcp-1", "TCP, 1 stream", "Gbit/s", quick=True, streams=1),
    Tcp("tcp-4", "TCP, 4 streams", "Gbit/s", streams=4),
    Udp("udp-60", "UDP, 60 B, iperf3", "Mframe/s"),
    UdpLoop("udp-60-loop", "UDP, 60 B, one thread at both ends", "Mframe/s", quick=True),
    Ping("ping", "ping, 1 ms apart", "us", False, True, options=("-i", "0.001")),
    Ping("ping-flood", "ping, flood", "us", False, options=("-f", "-q"), count=5000),
]
