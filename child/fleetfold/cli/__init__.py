"""The `fleetfold` command."""

from __future__ import annotations

from fleetfold.cli.app import main

__all__ = ["main"]
