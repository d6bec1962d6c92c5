"""`fleetfold version`."""

from __future__ import annotations

from fleetfold.cli.options import COMMON, Common
from fleetfold.cli.terminal import Injected
from fleetfold_shared import __version__

__all__ = ["version"]


def version(*, common: Common = COMMON, terminal: Injected) -> None:
    """The version of this program."""
    terminal.show(common, {"version": __version__}, lambda: __version__)
