"""The `fleetfold` command."""

from __future__ import annotations

from fleetfold_cli.entry import main

__all__ = ["main"]
