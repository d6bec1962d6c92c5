"""Set-up of child processes: a signal at the parent's death, and private files."""

from __future__ import annotations

import ctypes
import signal
import sys

from fleetfold_broker.secret_file import keep_private

__all__ = ["die_with_parent", "private_and_bound"]

PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def die_with_parent() -> None:
    """Request SIGTERM from the kernel when the parent ends, however it ends (Linux; no effect elsewhere). For
    `preexec_fn`.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def private_and_bound() -> None:
    """Do the same, and set a private umask. For `preexec_fn` of a server with a store."""
    keep_private()
    die_with_parent()
