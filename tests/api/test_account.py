# SPDX-License-Identifier: Apache-2.0
"""Frames of the load generator through the daemon: they arrive as they were sent, and `worker stats` accounts for them."""

import json
import subprocess

import pytest

from lab.process import BUILD, Skip

LARGE = ["-l", "65226", "-n", "16", "-b", "4", "-q", "1024", "-o"]


def loop(daemon, *options):
    program = BUILD / "vhost-loop"
    if not program.exists():
        raise Skip(f"no {program}")
    argv = [program, "-w", "0", "-k", "1", "-t", "0.1", *options, daemon.socket("a"), daemon.socket("b")]
    return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout)


@pytest.fixture(scope="module")
def daemon(module_lab):
    return module_lab.network(["a", "b"])


@pytest.mark.parametrize("ring", [[], ["-p"]], ids=["split", "packed"])
@pytest.mark.parametrize("options", [
    [], ["-M"], ["-i"], ["-e"], ["-M", "-i", "-e"], ["-l", "1514"], ["-l", "1514", "-P", "700"], LARGE, LARGE + ["-M"],
], ids=" ".join)
def test_frames_arrive_as_they_were_sent(daemon, ring, options):
    result = loop(daemon, *ring, *options)
    assert result["different"] == 0
    assert result["frames_per_s"][0] > 0


def test_every_frame_is_accounted_for(daemon):
    loop(daemon)
    worker, = daemon.cli("worker", "stats")
    stages = worker["account"]["stages"]
    assert worker["frames"] > 0
    assert {stages[s]["frames"] for s in ("rx", "lookup", "publish")} == {worker["frames"]}
    assert all(stages[s]["cycles"] > 0 for s in ("poll", "rx", "lookup", "copy", "publish", "other"))
    assert worker["account"]["notifications"] + worker["account"]["notifications_suppressed"] > 0
