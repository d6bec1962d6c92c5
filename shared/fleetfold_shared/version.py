"""Version of the installed fleetfold."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("fleetfold")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0.2.0.dev0"
