"""The `fleetfold` command."""

from __future__ import annotations

from fleetfold.cli.entry import main

__all__ = ["main"]
