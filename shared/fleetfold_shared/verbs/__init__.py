"""The verbs of the API: one module for each area (`verbs.jobs.GET`), and the table of all by name."""

from __future__ import annotations

from fleetfold_shared.verbs import access_verbs as access
from fleetfold_shared.verbs import action_verbs as actions
from fleetfold_shared.verbs import answering_verbs as ask
from fleetfold_shared.verbs import audit_verbs as audit
from fleetfold_shared.verbs import cache_verbs as cache
from fleetfold_shared.verbs import command_verbs as commands
from fleetfold_shared.verbs import dead_letter_verbs as dead_letters
from fleetfold_shared.verbs import definition_verbs as definitions
from fleetfold_shared.verbs import evaluation_verbs as quality
from fleetfold_shared.verbs import job_verbs as jobs
from fleetfold_shared.verbs import key_verbs as keys
from fleetfold_shared.verbs import master_verbs as masters
from fleetfold_shared.verbs import node_verbs as nodes
from fleetfold_shared.verbs import schedule_verbs as schedules
from fleetfold_shared.verbs import search_verbs as search
from fleetfold_shared.verbs import transaction_verbs as transactions
from fleetfold_shared.verbs.join_verbs import JOIN_VERBS, JoinVerb
from fleetfold_shared.verbs.node_requests import NODE_VERBS, NodeVerb
from fleetfold_shared.verbs.table import VERBS, reach, verbs_of
from fleetfold_shared.verbs.verb import ROLES, Reach, Verb

__all__ = [
    "JOIN_VERBS", "NODE_VERBS", "ROLES", "VERBS", "JoinVerb", "NodeVerb", "Reach", "Verb", "access", "actions", "ask",
    "audit", "cache", "commands", "dead_letters", "definitions", "jobs", "keys", "masters", "nodes", "quality",
    "reach", "schedules", "search", "transactions", "verbs_of",
]  # fmt: skip
