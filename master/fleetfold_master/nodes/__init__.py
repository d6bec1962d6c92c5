"""Who is in the fleet, and how they are."""

from __future__ import annotations

from fleetfold_master.nodes.presence import Presence
from fleetfold_master.nodes.registry import Registry

__all__ = ["Presence", "Registry"]
