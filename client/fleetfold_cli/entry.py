"""The entry point of the installed command: handles Ctrl-C first, then imports and runs the command."""

from __future__ import annotations

from fleetfold.interrupts import ExitAtOnce

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command line `tokens` (those of this process by default); the exit code."""
    with ExitAtOnce():
        from fleetfold_cli.app import main as run  # takes longer than some commands

        return run(tokens)
