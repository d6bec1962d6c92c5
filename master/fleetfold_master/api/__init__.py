"""The API that the masters serve on the bus: verbs, their guard, scoping and audit."""

from __future__ import annotations

from fleetfold_master.api.access_verbs import AccessVerbs, Drop
from fleetfold_master.api.action_verbs import ActionVerbs
from fleetfold_master.api.api_server import ApiServer
from fleetfold_master.api.cache_verbs import CacheVerbs
from fleetfold_master.api.dead_letter_verbs import DeadLetterVerbs
from fleetfold_master.api.definition_verbs import DefinitionVerbs
from fleetfold_master.api.evaluation_verbs import EvaluationVerbs
from fleetfold_master.api.guard import Guard
from fleetfold_master.api.job_verbs import JobVerbs
from fleetfold_master.api.master_verbs import MasterVerbs
from fleetfold_master.api.run_as import RunAs
from fleetfold_master.api.schedule_verbs import ScheduleVerbs
from fleetfold_master.api.service_discovery import Discovery
from fleetfold_master.api.transaction_verbs import TransactionVerbs
from fleetfold_master.api.verb_groups import VerbGroups
from fleetfold_master.jobs.command_publisher import CommandPublisher
from fleetfold_master.jobs.progress_routing import subscribe_to_progress
from fleetfold_master.nodes.node_gateway import NodeGateway

__all__ = [
    "AccessVerbs",
    "ActionVerbs",
    "ApiServer",
    "CacheVerbs",
    "CommandPublisher",
    "DeadLetterVerbs",
    "DefinitionVerbs",
    "Discovery",
    "Drop",
    "EvaluationVerbs",
    "Guard",
    "JobVerbs",
    "MasterVerbs",
    "NodeGateway",
    "RunAs",
    "ScheduleVerbs",
    "TransactionVerbs",
    "VerbGroups",
    "subscribe_to_progress",
]  # fmt: skip
