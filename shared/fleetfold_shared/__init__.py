"""Code shared by all packages: messages, errors, configuration, text analysis and scoring. No I/O."""

from __future__ import annotations

from fleetfold_shared.version import __version__

__all__ = ["__version__"]
