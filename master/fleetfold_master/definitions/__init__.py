"""Named transactions: kept in versions, checked when they are put, made into steps when they are run."""

from __future__ import annotations

from fleetfold_master.definitions.definitions import Definitions
from fleetfold_master.definitions.expansion import expand

__all__ = ["Definitions", "expand"]
