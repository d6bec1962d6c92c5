"""Who is in the fleet, and how they are."""

from __future__ import annotations

from fleetfold_master.nodes.breakers import Breakers
from fleetfold_master.nodes.commandhealth import CommandHealth
from fleetfold_master.nodes.declared import DeclaredSlots
from fleetfold_master.nodes.description_check import check_description, check_epochs
from fleetfold_master.nodes.inflow import Inflow, Newest
from fleetfold_master.nodes.pace import Pace
from fleetfold_master.nodes.presence import Presence
from fleetfold_master.nodes.registry import Registry
from fleetfold_master.nodes.standing import acts, why_not

__all__ = [
    "Breakers", "CommandHealth", "DeclaredSlots", "Inflow", "Newest", "Pace", "Presence", "Registry", "acts",
    "check_description", "check_epochs", "why_not",
]  # fmt: skip
