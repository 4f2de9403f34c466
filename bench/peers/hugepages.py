# SPDX-License-Identifier: Apache-2.0
"""DPDK's memory. The kernel's setting is put back at the end."""

import pathlib

from .peer import Unavailable

SETTING = pathlib.Path("/proc/sys/vm/nr_hugepages")


def free_mb():
    fields = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    size_kb = int(fields["Hugepagesize"].split()[0])
    return int(fields["HugePages_Free"]) * size_kb // 1024, size_kb


def need(lab, mb):
    free, size_kb = free_mb()
    if free >= mb:
        return
    before = SETTING.read_text()
    SETTING.write_text(str(int(before) + (mb - free) * 1024 // size_kb))
    lab.callback(SETTING.write_text, before)
    if free_mb()[0] < mb:
        raise Unavailable(f"{mb} MB of huge pages cannot be had")
