"""The verb table: all verbs of the API by name, and the roles' permissions in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from fleetfold_shared.messages import Role
from fleetfold_shared.verbs import (
    access_verbs,
    action_verbs,
    answering_verbs,
    audit_verbs,
    cache_verbs,
    command_verbs,
    dead_letter_verbs,
    definition_verbs,
    evaluation_verbs,
    job_verbs,
    key_verbs,
    master_verbs,
    node_verbs,
    schedule_verbs,
    search_verbs,
    transaction_verbs,
)
from fleetfold_shared.verbs.verb import Reach, Verb

__all__ = ["VERBS", "reach", "verbs_of"]

AREAS: tuple[ModuleType, ...] = (
    node_verbs, search_verbs, cache_verbs, evaluation_verbs, answering_verbs, action_verbs, job_verbs,
    command_verbs, transaction_verbs, schedule_verbs, dead_letter_verbs, definition_verbs, key_verbs, access_verbs,
    master_verbs, audit_verbs,
)  # fmt: skip
"""In the order of the reference pages."""


def _rows() -> Iterator[Verb[Any, Any]]:
    """All verbs, in the order in which their files declare them."""
    return (value for area in AREAS for value in vars(area).values() if isinstance(value, Verb))


VERBS: Mapping[str, Verb[Any, Any]] = {verb.name: verb for verb in _rows()}


def reach(role: Role, verb: str) -> Reach | None:
    """Return how far `role` may go with `verb`; None if it may not, or there is no such verb."""
    found = VERBS.get(verb)
    return found.roles.get(role) if found else None


def verbs_of(role: Role) -> frozenset[str]:
    """Return the names of all verbs that `role` may call."""
    return frozenset(name for name, verb in VERBS.items() if role in verb.roles)
