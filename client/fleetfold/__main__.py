"""`python -m fleetfold` is the `fleetfold` command."""

from __future__ import annotations

import sys

from fleetfold_cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
