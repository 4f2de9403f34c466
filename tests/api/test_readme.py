# SPDX-License-Identifier: Apache-2.0
"""The commands of README.md, typed as they stand there by an ordinary user who has just built it.

RINGWAY_FULL=1 clones the project and builds it first, as the README says; else what is built already is used.
"""

import os
import pathlib
import pwd
import re
import shutil
import subprocess

import pytest

from lab import eventually
from lab.process import BUILD, IS_ROOT, TOP, lacking

FULL = bool(os.environ.get("RINGWAY_FULL"))
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", (TOP / "README.md").read_text(), re.MULTILINE | re.DOTALL)
QEMU = "#!/bin/sh\nprintf '%s\\n' \"$@\"\n"  # the reader has a disk with a system on it, we do not; see tests/vm/test_qemu_args.py


def block(word):
    return next(b for b in BLOCKS if word in b)


class Reader:
    """Sits in the folder of the project after `make`."""

    def __init__(self, lab):
        self.lab, self.cwd = lab, lab.dir / "ringway"
        (self.clone if FULL else self.take_what_is_built)()
        (lab.dir / "qemu-system-x86_64").write_text(QEMU)
        (lab.dir / "qemu-system-x86_64").chmod(0o755)
        runtime = lab.dir / "runtime"
        runtime.mkdir()
        if IS_ROOT:
            nobody = pwd.getpwnam("nobody")
            for path in (self.cwd, runtime):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        self.env = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "PATH": f"{lab.dir}:{os.environ['PATH']}"}

    def clone(self):
        if not (TOP / ".git").exists() or lacking("git"):
            pytest.skip("this is no git checkout")
        command, _ = block("git clone").split(" && ", 1)
        command = re.sub(r"https://\S+", f"--quiet {TOP}", command)
        subprocess.run(["sh", "-euc", f"{command} ringway && cd ringway && make"], cwd=self.lab.dir, check=True, timeout=900)

    def take_what_is_built(self):
        (self.cwd / "build").mkdir(parents=True)
        for name in ("ringwayd", "ringway"):
            shutil.copy(BUILD / name, self.cwd / "build")

    def types(self, command):
        done = subprocess.run(["sh", "-euc", command], cwd=self.cwd, env=self.env, user="nobody" if IS_ROOT else None,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def starts(self, command):
        return self.lab.process(["sh", "-c", f"cd {self.cwd} && exec {command}"], "typed.log", as_nobody=True, env=self.env)


def test_use_it(lab):
    make_config, start, qemu = re.fullmatch(r"(.*^YAML\n)(.*?) &\n(.*\n)", block("ringway.yaml <<"), re.MULTILINE | re.DOTALL).groups()
    reader = Reader(lab)
    reader.types(make_config)
    daemon = reader.starts(start)
    eventually(lambda: "is ready" in daemon.log() or not daemon.running(), what="ringwayd is ready")
    arguments = reader.types(qemu).splitlines()
    socket = re.search(r"path=([^,]+)", "\n".join(arguments)).group(1)
    assert arguments[:3] == ["-nographic", "-hda", "vm1.qcow2"] and pathlib.Path(socket).is_socket()
    for line in block("ringway status").splitlines():
        assert reader.types(line), line
    assert "vm3" in reader.types("build/ringway port list")
    rest = re.search(r"`(curl .*?)`", (TOP / "README.md").read_text()).group(1)
    if not lacking("curl"):
        assert '"links"' in reader.types(rest)
