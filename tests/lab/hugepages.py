# SPDX-License-Identifier: Apache-2.0
"""Huge pages for a guest or for DPDK. The kernel's setting is put back at the end."""

import pathlib

from .process import IS_ROOT, Skip

SETTING = pathlib.Path("/proc/sys/vm/nr_hugepages")


def free_mb():
    """Megabytes of huge pages that nobody has, and kilobytes of one page."""
    fields = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    if "Hugepagesize" not in fields:
        raise Skip("this kernel has no huge pages")
    size_kb = int(fields["Hugepagesize"].split()[0])
    return int(fields["HugePages_Free"]) * size_kb // 1024, size_kb


def need(lab, mb):
    free, size_kb = free_mb()
    if free >= mb:
        return
    if not IS_ROOT:
        raise Skip("only root sets huge pages aside")
    before = SETTING.read_text()
    SETTING.write_text(str(int(before) + (mb - free) * 1024 // size_kb))
    lab.callback(SETTING.write_text, before)
    if free_mb()[0] < mb:
        raise Skip(f"{mb} MB of huge pages cannot be had")
