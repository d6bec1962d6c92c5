"""Processes that we start: they end when we are killed, and what they write is their owner's alone."""

from __future__ import annotations

import ctypes
import signal
import sys

from fleetfold_broker.secret_file import keep_private

__all__ = ["die_with_parent", "private_and_bound"]

PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def die_with_parent() -> None:
    """For `preexec_fn`: on Linux, have the kernel send SIGTERM when the parent has ended, however it ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def private_and_bound() -> None:
    """For `preexec_fn` of a server with a store: the same, and its files are for their owner alone."""
    keep_private()
    die_with_parent()
