# SPDX-License-Identifier: Apache-2.0
"""What `make install` puts where, and that it can be used from there."""

import os
import pathlib
import re
import subprocess

import pytest

from lab.process import BUILD, lacking

MESON = "/usr/bin/meson"


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    """The folder that holds bin, share and lib."""
    if not (BUILD / "build.ninja").exists():
        pytest.skip(f"{BUILD} is no build folder")
    root = tmp_path_factory.mktemp("stage")
    done = subprocess.run([MESON, "install", "-C", BUILD, "--no-rebuild", "--destdir", root], capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(root.glob("**/bin/ringwayd")).parents[1]


def test_files(staged):
    names = {str(f.relative_to(staged)) for f in staged.rglob("*") if f.is_file()}
    for name in ("bin/ringwayd", "bin/ringway", "share/man/man1/ringway.1", "share/man/man5/ringway.yaml.5",
                 "share/man/man8/ringwayd.8", "lib/systemd/system/ringwayd.service",
                 "lib/systemd/user/ringwayd.service", "share/doc/ringway/examples/ringway.yaml"):
        assert name in names or name + ".gz" in names
    assert not [name for name in names if "test" in name or "bench" in name or "fuzz" in name]
    for name in ("ringwayd", "ringway"):
        assert subprocess.run([staged / "bin" / name, "--version"], capture_output=True, timeout=60).returncode == 0


@pytest.mark.parametrize("kind", ["system", "user"])
def test_units(staged, tmp_path, kind):
    """systemd accepts them, with the program where it is now."""
    program = lacking("systemd-analyze")
    if program:
        pytest.skip(f"no {program}")
    unit = tmp_path / "ringwayd.service"
    text = (staged / "lib" / "systemd" / kind / "ringwayd.service").read_text()
    assert "@" not in re.sub(r"(?m)^#.*$", "", text)
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={staged}/bin/ringwayd", text))
    done = subprocess.run(["systemd-analyze", "verify", f"--{kind}", "--man=no", unit], capture_output=True, text=True,
                          timeout=60, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)})
    said = [line for line in done.stderr.splitlines() if "ringwayd.service" in line]
    assert not said and done.returncode == 0, done.stderr


def test_library(staged, tmp_path):
    """pkg-config is all that a user of the library has to ask."""
    program = lacking("pkg-config", "cc")
    if program:
        pytest.skip(f"no {program}")
    pc = next(staged.rglob("libringway.pc"))
    source = tmp_path / "use.c"
    source.write_text("#include <ringway/packet.h>\nint main(void) { return 0; }\n")
    env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}
    flags = subprocess.run(["pkg-config", f"--define-variable=prefix={staged}", "--cflags", "--libs", "libringway"],
                           capture_output=True, text=True, check=True, env=env).stdout.split()
    subprocess.run(["cc", "-Wall", "-Werror", source, "-o", tmp_path / "use", *flags], check=True, timeout=60)
    library = next(pathlib.Path(staged).rglob("libringway.so.0")).parent
    assert subprocess.run([tmp_path / "use"], env={**os.environ, "LD_LIBRARY_PATH": str(library)}).returncode == 0
