# SPDX-License-Identifier: Apache-2.0
"""Owns what a test starts."""

import contextlib
import itertools
import os
import pathlib
import shutil
import tempfile

from .daemon import Daemon
from .guest import Guest, Nic
from .netns import Netns
from .process import BUILD, GUEST_DIR, Process, Skip, lacking
from .testpmd import Testpmd


class Lab(contextlib.ExitStack):
    """A context: what was made in it is ended when it ends, last first.

    The folder is under /tmp for the sake of short socket names. RINGWAY_KEEP=1 keeps it.
    """

    def __enter__(self):
        super().__enter__()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ringway-", dir="/tmp"))
        self.dir.chmod(0o755)
        if not os.environ.get("RINGWAY_KEEP"):
            self.callback(shutil.rmtree, self.dir, ignore_errors=True)
        self.numbers = itertools.count(1)
        return self

    def daemon(self, config, start=True, **options):
        """Started, and made to end cleanly with the lab."""
        if not (BUILD / "ringwayd").exists():
            raise Skip(f"no {BUILD / 'ringwayd'}")
        daemon = Daemon(config, self.dir / f"d{next(self.numbers)}", **options)
        self.callback(daemon.kill)
        self.push(lambda failed, *_: None if failed else daemon.stop())
        return daemon.start() if start else daemon

    def network(self, ports, network=None, **options):
        """A daemon with one network "lan" of these ports: names of vhost-user ports, or whole trees."""
        ports = [{"name": p, "type": "vhost-user"} if isinstance(p, str) else p for p in ports]
        top = options.pop("top", {})
        return self.daemon({**top, "networks": [{"name": "lan", **(network or {}), "ports": ports}]}, **options)

    def guest(self, sockets, name=None, options="", wait=True, **more):
        """Boots a guest with one network card per socket."""
        program = lacking("qemu-system-x86_64")
        if program:
            raise Skip(f"no {program}")
        if not (GUEST_DIR / "accel").exists():
            raise Skip(f"no guest in {GUEST_DIR}: tools/mkguest makes it")
        number = next(self.numbers)
        nics = [s if isinstance(s, Nic) else Nic(s, f"52:54:00:00:{number:02x}:{i + 1:02x}", options)
                for i, s in enumerate(sockets)]
        guest = Guest(name or f"g{number}", nics, self.dir, **more)
        self.callback(guest.kill)
        return guest.start(wait)

    def testpmd(self, ports, wait=True, **options):
        testpmd = Testpmd(ports, self.dir, **options)
        self.callback(testpmd.kill)
        if wait:
            testpmd.wait()
        return testpmd

    def netns(self):
        program = lacking("ip")
        if program:
            raise Skip(f"no {program}")
        netns = Netns(self.dir)
        self.callback(netns.delete)
        return netns

    def process(self, argv, log, **options):
        process = Process(argv, self.dir / log, **options)
        self.callback(process.kill)
        return process
