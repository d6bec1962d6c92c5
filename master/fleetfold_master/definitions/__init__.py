"""Named transactions: stored in versions, validated when stored, expanded to steps when run."""

from __future__ import annotations

from fleetfold_master.definitions.definitions import Definitions
from fleetfold_master.definitions.expansion import expand

__all__ = ["Definitions", "expand"]
