# SPDX-License-Identifier: Apache-2.0
"""A Linux guest under QEMU, and the agent in it that runs commands.

The agent's end of the conversation is tests/vm/guest/agent.c, and says how it goes.
"""

import dataclasses
import itertools
import json
import os
import pathlib
import queue
import socket
import threading
import time

from .process import GUEST_DIR, PATIENCE, Process

MEMORY_MB = 256

# An emulated boot is as long as what the kernel does in it: no self-tests, no probing.
KERNEL_ARGS = (
    "console=ttyS0 quiet no_timer_check mitigations=off nokaslr cryptomgr.notests kfence.sample_interval=0 "
    "initcall_blacklist=crypto_kdf108_init,init_kprobe_trace net.ifnames=0 panic=0"
)


class GuestError(Exception):
    pass


@dataclasses.dataclass
class Nic:
    """One network card. `options` are further properties of virtio-net-pci: "csum=off,mrg_rxbuf=off"."""

    socket: pathlib.Path
    mac: str
    options: str = ""
    queues: int = 1
    reconnect: bool = True  # connect again when the daemon has gone; without it the link is down for good

    def qemu_args(self, i, bus=None):
        device = f"virtio-net-pci,netdev=net{i},mac={self.mac}"
        if bus:
            device += f",bus={bus}"
        if self.queues > 1:
            device += ",mq=on"
        # QEMU 7.2 crashes when a vhost-user device starts under TCG with MSI-X.
        device += ",vectors=0,romfile="  # nor is there anything to boot from the network
        if self.options:
            device += "," + self.options
        return [
            "-chardev", f"socket,id=char{i},path={self.socket}" + (",reconnect=1" if self.reconnect else ""),
            "-netdev", f"vhost-user,id=net{i},chardev=char{i},queues={self.queues}",
            "-device", device,
        ]


@dataclasses.dataclass
class Result:
    status: int
    output: str


class Job:
    """A command that runs in the guest."""

    def __init__(self, guest, command, timeout):
        self.guest, self.command, self.timeout = guest, command, timeout
        self.answer = queue.Queue()

    def wait(self, check=True):
        try:
            # The agent keeps the time; its answer may be late when the machine is busy.
            result = self.answer.get(timeout=self.timeout + 15 * PATIENCE)
        except queue.Empty:
            result = None
        if result is None:
            raise GuestError(f"{self.guest.name} does not answer: {self.command}\n{self.guest.evidence()}")
        if check and result.status:
            raise GuestError(f"{self.guest.name}: {self.command}: exit status {result.status}\n{result.output}")
        return result

    def json(self):
        return json.loads(self.wait().output)


class Guest:
    """`attach_args`: arguments for QEMU that give memory and network cards, in place of ours; `extra_args`: more of them.
    `iommu`: Intel's, and the network cards behind it. `huge_pages`: those of its memory, see hugepages.py."""

    def __init__(self, name, nics, directory, cpus=1, memory_mb=MEMORY_MB, attach_args=(), extra_args=(), iommu=False,
                 huge_pages=False):
        self.name, self.nics, self.dir = name, nics, pathlib.Path(directory)
        self.cpus, self.memory_mb, self.attach_args, self.extra_args = cpus, memory_mb, list(attach_args), list(extra_args)
        self.iommu, self.huge_pages = iommu, huge_pages
        self.process = None
        self.jobs = {}
        self.ids = itertools.count(1)
        self.boots = 0
        self.booted = threading.Condition()

    # Life

    def start(self, wait=True):
        ours, agent = socket.socketpair()
        qmp_ours, qmp = socket.socketpair()
        self.serial, self.qmp_file = ours, qmp_ours.makefile("rw")
        self.console_path = self.dir / f"{self.name}.console"
        with agent, qmp:
            self.process = Process(self.argv(agent.fileno(), qmp.fileno()), self.dir / f"{self.name}.qemu.log",
                                   pass_fds=(agent.fileno(), qmp.fileno()))
        qmp_ours.settimeout(30 * PATIENCE)
        seen = self.boots
        threading.Thread(target=self.read_answers, args=(ours,), daemon=True).start()
        if wait:
            self.wait_boot(seen)
        return self

    def argv(self, agent_fd, qmp_fd):
        accel = (GUEST_DIR / "accel").read_text().strip()
        # Not "max" under TCG: a kernel that is told of fast string instructions copies with them, one emulated byte at a time.
        argv = [
            "qemu-system-x86_64", "-accel", accel, "-cpu", "host" if accel == "kvm" else "qemu64", "-smp", str(self.cpus),
            "-machine", "q35" if self.iommu else "pc", "-nodefaults", "-no-user-config", "-display", "none",
            "-kernel", GUEST_DIR / "vmlinuz", "-initrd", GUEST_DIR / "initramfs", "-append", KERNEL_ARGS + (" intel_iommu=on" if self.iommu else ""),
            "-serial", f"file:{self.console_path}",
            "-chardev", f"socket,id=agent,fd={agent_fd}", "-serial", "chardev:agent",
            "-chardev", f"socket,id=qmp,fd={qmp_fd}", "-mon", "chardev=qmp,mode=control",
        ]
        if self.attach_args:
            return argv + self.attach_args
        huge = ",hugetlb=on" if self.huge_pages else ""
        argv += ["-m", str(self.memory_mb), "-machine", "memory-backend=mem",
                 "-object", f"memory-backend-memfd,id=mem,size={self.memory_mb}M,share=on{huge}"]
        if self.iommu:  # before the devices that it is for
            argv += ["-device", "intel-iommu,intremap=off,device-iotlb=on"]
        for i, nic in enumerate(self.nics):
            if self.iommu:  # a device of the root complex itself has no ATS
                argv += ["-device", f"pcie-root-port,id=root{i},chassis={i},slot={i}"]
            argv += nic.qemu_args(i, f"root{i}" if self.iommu else None)
        return argv + self.extra_args

    def wait_boot(self, seen=0, timeout=60):
        """Until the agent has greeted more often than `seen`."""
        end = time.monotonic() + timeout * PATIENCE
        with self.booted:
            while self.boots <= seen:
                self.booted.wait(0.2)
                if not self.process.running() or time.monotonic() > end:
                    raise GuestError(f"{self.name} does not boot\n{self.evidence()}")

    def reset(self):
        """The reset button. An emulated boot over the memory of an earlier one takes QEMU 7.2 ten seconds longer than the
        first, which it spends on throwing away translated code."""
        seen = self.boots
        self.qmp("system_reset")
        self.wait_boot(seen)

    def reboot(self):
        """As its user would."""
        seen = self.boots
        self.submit("reboot -f", timeout=5)
        self.wait_boot(seen)

    def kill(self):
        if self.process:
            self.process.kill()
            self.serial.close()
            self.qmp_file.close()

    def evidence(self):
        console = self.console_path.read_text(errors="replace").splitlines()[-15:] if self.console_path.exists() else []
        return "\n".join(["--- QEMU", self.process.log_tail(), "--- console"] + console)

    # Commands

    def submit(self, command, timeout=30):
        """Starts a command and returns at once; wait() on what it returns."""
        job = Job(self, command, timeout * PATIENCE)
        number = next(self.ids)
        self.jobs[number] = job
        body = command.encode()
        self.serial.sendall(b"run %d %d %d\n" % (number, job.timeout * 1000, len(body)) + body)
        return job

    def run(self, command, timeout=30, check=True):
        return self.submit(command, timeout).wait(check)

    def out(self, command, timeout=30):
        return self.run(command, timeout).output.strip()

    def read_answers(self, sock):
        """A thread of its own."""
        stream = sock.makefile("rb")
        try:
            for line in stream:
                word = line.split()
                if word[:1] == [b"ready"]:
                    self.drop_jobs()
                    with self.booted:
                        self.boots += 1
                        self.booted.notify_all()
                elif word[:1] == [b"exit"] and len(word) == 4:
                    output = stream.read(int(word[3])).decode(errors="replace")
                    job = self.jobs.pop(int(word[1]), None)
                    if job:
                        job.answer.put(Result(int(word[2]), output))
        except (OSError, ValueError):
            pass
        self.drop_jobs()

    def drop_jobs(self):
        """The guest has rebooted or is gone: nobody will answer those."""
        while self.jobs:
            self.jobs.popitem()[1].answer.put(None)

    # QEMU

    def qmp(self, command, **arguments):
        if not hasattr(self, "qmp_ready"):
            self.qmp_ready = True
            self.qmp_file.readline()
            self.qmp("qmp_capabilities")
        self.qmp_file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.qmp_file.flush()
        while True:
            answer = json.loads(self.qmp_file.readline())
            if "error" in answer:
                raise GuestError(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    # Its network

    def address(self, i, *addresses, mtu=None):
        """Interface i up, with these addresses ("10.0.0.1/24") in place of those it had."""
        commands = [f"ip addr flush dev eth{i}"]
        if mtu:
            commands.append(f"ip link set eth{i} mtu {mtu}")
        commands.append(f"ip link set eth{i} up")
        commands += [f"ip addr add {a} dev eth{i}" for a in addresses]
        self.run(" && ".join(commands))

    def ping(self, host, count=1, timeout=10):
        """True when `host` answers within the time."""
        return self.run(f"i=0; while [ $i -lt {timeout * 2} ]; do ping -c {count} -W 1 {host} && exit 0; "
                        "i=$((i + 1)); sleep 0.5; done; exit 1", timeout=3 * timeout, check=False).status == 0
