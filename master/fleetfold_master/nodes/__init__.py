"""The fleet's nodes: registry, presence, health and labels."""

from __future__ import annotations

from fleetfold_master.nodes.breakers import Breakers
from fleetfold_master.nodes.command_health import CommandHealth
from fleetfold_master.nodes.declared_limits import DeclaredLimits
from fleetfold_master.nodes.description_check import check_description, check_epochs
from fleetfold_master.nodes.inflow import Inflow, Newest
from fleetfold_master.nodes.node_standing import acts, why_not
from fleetfold_master.nodes.presence import Presence
from fleetfold_master.nodes.registry import Registry
from fleetfold_master.nodes.request_health import RequestHealth
from fleetfold_master.nodes.round_trip import RoundTripEstimator

__all__ = [
    "Breakers",
    "CommandHealth",
    "DeclaredLimits",
    "Inflow",
    "Newest",
    "Presence",
    "Registry",
    "RequestHealth",
    "RoundTripEstimator",
    "acts",
    "check_description",
    "check_epochs",
    "why_not",
]  # fmt: skip
