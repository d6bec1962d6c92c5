"""The fleet's nodes: registry, presence, health and labels."""

from __future__ import annotations

from fleetfold_master.nodes.breakers import Breakers
from fleetfold_master.nodes.command_readiness import CommandHealth
from fleetfold_master.nodes.declared_concurrency import DeclaredLimits
from fleetfold_master.nodes.description_check import check_description, check_epochs
from fleetfold_master.nodes.effective_state import action_names, acts, why_not
from fleetfold_master.nodes.inflow import Inflow, Newest
from fleetfold_master.nodes.presence import Presence
from fleetfold_master.nodes.registry import Registry
from fleetfold_master.nodes.replaced_processes import AskAgain, Refuses, ReplacedProcesses, refuse_none
from fleetfold_master.nodes.request_health import RequestHealth
from fleetfold_master.nodes.round_trip import RoundTripEstimator

__all__ = [
    "AskAgain",
    "Breakers",
    "CommandHealth",
    "DeclaredLimits",
    "Inflow",
    "Newest",
    "Presence",
    "Refuses",
    "Registry",
    "ReplacedProcesses",
    "RequestHealth",
    "RoundTripEstimator",
    "action_names",
    "acts",
    "check_description",
    "check_epochs",
    "refuse_none",
    "why_not",
]  # fmt: skip
