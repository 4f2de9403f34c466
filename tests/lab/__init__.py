# SPDX-License-Identifier: Apache-2.0
"""What the system tests are made of: the daemon, guests, network namespaces, DPDK's testpmd.

A Lab owns everything that a test starts and ends it in reverse order, whatever happens. Every process is told by the
kernel to die with the one that started it, so that nothing is left when the tests themselves are killed.
"""

from .daemon import Daemon, CliError
from .guest import Guest, GuestError, Nic
from .netns import Netns
from .process import BUILD, Skip, eventually, lacking
from .lab import Lab

__all__ = ["BUILD", "CliError", "Daemon", "Guest", "GuestError", "Lab", "Netns", "Nic", "Skip", "eventually", "lacking"]
