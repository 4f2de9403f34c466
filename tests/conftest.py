# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the system tests (tests/api, tests/net, tests/vm)."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from lab import Lab  # noqa: E402


@pytest.fixture
def lab():
    """A lab for one test."""
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def module_lab():
    """A lab for all tests of a file: guests boot once."""
    with Lab() as lab:
        yield lab
