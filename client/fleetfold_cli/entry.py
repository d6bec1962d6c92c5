"""The entry point of the installed command: handles signals first, then imports and runs the command."""

from __future__ import annotations

import sys

from fleetfold.early_exit import ExitAtOnce, stop_before_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

DAEMONS = ("up", "broker", "master", "child")


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command line `tokens` (those of this process by default); the exit code."""
    if (sys.argv[1:] if tokens is None else tokens)[:1] in [[name] for name in DAEMONS]:
        stop_before_start()
    with ExitAtOnce():
        from fleetfold_cli.app import main as run  # takes longer than some commands

        return run(tokens)
