# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch's userspace datapath, each time a private one: over DPDK's vhost ports, or over taps."""

import os
import pathlib
import shutil
import subprocess

from lab import hugepages
from lab.process import BUILD

from .peer import LOAD_CORE, SWITCH_CORE, HostPeer, LoopPeer, Unavailable, on_core, wait_for

SCHEMA = pathlib.Path("/usr/share/openvswitch/vswitch.ovsschema")
WITH_DPDK = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
PROGRAMS = ("ovsdb-tool", "ovsdb-server", "ovs-vsctl")


class Ovs:
    """ovsdb-server and ovs-vswitchd in a directory of their own, with a bridge br0."""

    def __init__(self, peer, settings, main_core, netns=None):
        self.peer, self.dir = peer, peer.dir
        self.env = {"OVS_RUNDIR": str(self.dir), "OVS_LOGDIR": str(self.dir), "OVS_DBDIR": str(self.dir)}
        daemon = WITH_DPDK if os.path.exists(WITH_DPDK) else shutil.which("ovs-vswitchd")
        if not daemon:
            raise Unavailable("no ovs-vswitchd")
        db, self.socket = self.dir / "conf.db", self.dir / "db.sock"
        subprocess.run(["ovsdb-tool", "create", db, SCHEMA], check=True)
        peer.lab.process(["ovsdb-server", db, f"--remote=punix:{self.socket}", f"--pidfile={self.dir}/db.pid"],
                         "ovsdb.log", env=self.env, netns=netns)
        wait_for(self.socket.exists, "ovsdb-server's socket")
        self.vsctl("--no-wait", "init")
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", *(f"other_config:{s}" for s in settings))
        self.daemon = peer.lab.process(
            on_core(main_core, daemon, f"unix:{self.socket}", f"--pidfile={self.dir}/vswitchd.pid"),
            f"{self.dir.name}.log", env=self.env, netns=netns)
        peer.pids = [self.daemon.pid]
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev")

    def vsctl(self, *args):
        argv = ["ovs-vsctl", f"--db=unix:{self.socket}", "--timeout=20", *args]
        done = subprocess.run(argv, env={**os.environ, **self.env}, capture_output=True, text=True)
        if done.returncode:
            raise Unavailable(f"ovs-vsctl {args[0]}: {done.stderr.strip()}")


class Loop(LoopPeer):
    name = "OVS-DPDK"
    programs = PROGRAMS
    largest = 9000

    def start(self):
        if not os.path.exists(WITH_DPDK):
            raise Unavailable("no OVS with DPDK")
        hugepages.need(self.lab, 1024)
        ovs = Ovs(self, ["dpdk-init=true", f"pmd-cpu-mask={1 << SWITCH_CORE:#x}", f"dpdk-lcore-mask={1 << LOAD_CORE:#x}",
                         "dpdk-socket-mem=1024", "dpdk-extra=--in-memory --no-pci"], LOAD_CORE)
        for name in ("v0", "v1"):
            ovs.vsctl("add-port", "br0", name, "--", "set", "Interface", name, "type=dpdkvhostuser", "mtu_request=9000")
        self.sockets = [self.dir / "v0", self.dir / "v1"]
        wait_for(lambda: all(s.exists() for s in self.sockets), "OVS's sockets")
        # It sets its ports up when the first guest attaches, and moves no frame until the next one does.
        subprocess.run(on_core(LOAD_CORE, BUILD / "vhost-loop", "-1", "-k", 1, *self.sockets), capture_output=True, timeout=30)


class Taps(HostPeer):
    name = "OVS taps"
    programs = PROGRAMS
    tso = "false"

    def start(self):
        netns = self.lab.netns()
        ovs = Ovs(self, [f"userspace-tso-enable={self.tso}"], SWITCH_CORE, netns.name)
        for name in ("ta", "tb"):
            ovs.vsctl("add-port", "br0", name, "--", "set", "Interface", name, "type=internal")
        self.join(("ta", netns), ("tb", netns))


class TapsTso(Taps):
    name = "OVS taps TSO"
    tso = "true"
