# SPDX-License-Identifier: Apache-2.0
"""Measures Ringway and the switches that it is compared with, side by side and in turn.

usage: tools/bench [--quick] [--rows REGEX] [--peers REGEX] [--rounds N] [--seconds S] [--out DIR]

The switch under measurement has core 0, its load core 1. Every peer that is installed is started once; then each row is gone
through in rounds: one sample of each peer, and again. What is not being measured is frozen meanwhile. The table has, for each
peer, the median of its samples, the lowest and highest, and the ratio of Ringway's median to it.
"""

import argparse
import os
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import report  # noqa: E402
from lab.lab import Lab  # noqa: E402
from lab.process import Skip  # noqa: E402
from peers import ALONE, CROWD, LOOP, TAPS  # noqa: E402
from peers.peer import Unavailable  # noqa: E402
from rows import ALONE_ROWS, CROWD_ROWS, HOST_ROWS, LOOP_ROWS, Failed  # noqa: E402

# What is compared with what: the name of its plot, its title, peers and rows.
GROUPS = (
    ("loop", "Between two VMs (vhost-user)", LOOP, LOOP_ROWS),
    ("crowd", "Between two VMs of 256, 254 of them idle, with 100,000 addresses learned", CROWD, CROWD_ROWS),
    ("alone", "The switch alone (in one process)", ALONE, ALONE_ROWS),
    ("host", "Between two hosts (taps)", TAPS, HOST_ROWS),
)


def start_peers(lab, kinds, chosen):
    peers = []
    for kind in kinds:
        if kind.name != "ringway" and not re.search(chosen, kind.name):
            continue
        try:
            peer = kind(lab)
            peer.start()
        except (Unavailable, Skip) as why:
            print(f"  {kind.name}: not measured: {why}", flush=True)
            continue
        peer.freeze()
        peers.append(peer)
    return peers


def measure(row, peers, rounds, seconds):
    results = {peer.name: report.Result() for peer in peers}
    for _ in range(rounds):
        for peer in peers:
            result = results[peer.name]
            if result.failure:
                continue
            peer.thaw()
            try:
                result.add(row.sample(peer, seconds))
            except Failed as why:
                result.failure = str(why)
            finally:
                peer.freeze()
    return results


def measure_group(name, title, kinds, rows, options, table):
    rows = [r for r in rows if re.search(options.rows, r.key) and (r.quick or not options.quick)]
    if not rows:
        return
    print(f"\n{title}", flush=True)
    with Lab() as lab:
        peers = start_peers(lab, kinds, options.peers)
        try:
            for row in rows:
                table.add(name, title, row, measure(row, peers, options.rounds, options.seconds))
        finally:
            for peer in peers:
                peer.thaw()


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rows, short samples: under three minutes")
    parser.add_argument("--rows", default="", help="regular expression that a row's key contains")
    parser.add_argument("--peers", default="", help="regular expression that a peer's name contains")
    parser.add_argument("--rounds", type=int, help="samples of each peer (5; quick: 2)")
    parser.add_argument("--seconds", type=float, help="length of a sample (2; quick: 0.5)")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "report", help="where the report goes")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.5 if options.quick else 2)
    return options


def main():
    options = parse_options()
    if os.geteuid() != 0:
        sys.exit("bench: only root makes namespaces and huge pages")
    if os.cpu_count() < 2:
        sys.exit("bench: needs a core for the switch and one for its load")
    table = report.Table(options)
    for group in GROUPS:
        measure_group(*group, options, table)
    table.write(options.out)


if __name__ == "__main__":
    main()
