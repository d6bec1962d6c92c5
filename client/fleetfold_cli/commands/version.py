"""`fleetfold version`."""

from __future__ import annotations

from fleetfold_cli.command_context import Injected
from fleetfold_cli.parsing.common_options import OUTPUT, OutputOptions
from fleetfold_shared import __version__

__all__ = ["version"]


def version(*, output: OutputOptions = OUTPUT, terminal: Injected) -> None:
    """Print the version of this program."""
    terminal.show(output, {"version": __version__}, lambda: __version__)
