# SPDX-License-Identifier: Apache-2.0
"""Switches to measure, one file each. All look the same to the measurements (see peer.py)."""

from . import bridge, ovs, pasta, ringway, testpmd, vde

LOOP = [ringway.Loop, testpmd.Loop, ovs.Loop]
CROWD = [ringway.Loop, ringway.Crowd]
ALONE = [ringway.Alone]
TAPS = [ringway.Taps, ovs.TapsTso, ovs.Taps, vde.Taps, bridge.Bridge, pasta.Pasta]
