"""The API that the masters serve on the bus: the pipeline of requests, and the handlers of the verbs by area."""

from __future__ import annotations

from fleetfold_master.api.access_verbs import AccessVerbs
from fleetfold_master.api.action_verbs import ActionVerbs
from fleetfold_master.api.api_server import ApiServer
from fleetfold_master.api.binding import Binding, BindingError, Bindings, bind
from fleetfold_master.api.cache_verbs import CacheVerbs
from fleetfold_master.api.dead_letter_verbs import DeadLetterVerbs
from fleetfold_master.api.definition_verbs import DefinitionVerbs
from fleetfold_master.api.denied_requests import DeniedRequests
from fleetfold_master.api.disconnection import Disconnection, Drop
from fleetfold_master.api.evaluation_verbs import EvaluationVerbs
from fleetfold_master.api.job_verbs import JobVerbs
from fleetfold_master.api.key_verbs import KeyVerbs
from fleetfold_master.api.ledger_verbs import RecoveryVerbs
from fleetfold_master.api.master_verbs import MasterVerbs
from fleetfold_master.api.node_access_verbs import NodeAccessVerbs
from fleetfold_master.api.node_verbs import NodeVerbs
from fleetfold_master.api.pipeline import AccessPolicy, api_interceptors
from fleetfold_master.api.run_as import RunAs
from fleetfold_master.api.schedule_verbs import ScheduleVerbs
from fleetfold_master.api.search_verbs import SearchVerbs
from fleetfold_master.api.service_discovery import Discovery
from fleetfold_master.api.transaction_verbs import TransactionVerbs
from fleetfold_master.jobs.command_publisher import CommandPublisher
from fleetfold_master.jobs.progress_routing import subscribe_to_progress
from fleetfold_master.nodes.node_gateway import NodeGateway

__all__ = [
    "AccessPolicy",
    "AccessVerbs",
    "ActionVerbs",
    "ApiServer",
    "Binding",
    "BindingError",
    "Bindings",
    "CacheVerbs",
    "CommandPublisher",
    "DeadLetterVerbs",
    "DefinitionVerbs",
    "DeniedRequests",
    "Disconnection",
    "Discovery",
    "Drop",
    "EvaluationVerbs",
    "JobVerbs",
    "KeyVerbs",
    "MasterVerbs",
    "NodeAccessVerbs",
    "NodeGateway",
    "NodeVerbs",
    "RecoveryVerbs",
    "RunAs",
    "ScheduleVerbs",
    "SearchVerbs",
    "TransactionVerbs",
    "api_interceptors",
    "bind",
    "subscribe_to_progress",
]  # fmt: skip
