"""Roles and permissions: the one table, from which the documentation is generated.

A role has a verb or not; `own` limits it to what the identity itself has started, or is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from fleetfold_shared.messages import Role

__all__ = ["ROLES", "TABLE", "Permission", "Reach", "reach", "verbs_of"]

Reach = Literal["all", "own"]
ROLES: tuple[Role, ...] = ("reader", "publisher", "operator", "admin", "child", "master")


class Permission(msgspec.Struct, frozen=True):
    """A verb of `fleet.api`: the roles that may call it and their reach, and one sentence about it."""

    verb: str
    reach: Mapping[Role, Reach]
    about: str


def _row(verb: str, about: str, all: str, own: str = "") -> Permission:
    """Roles in `all` and `own` are separated by spaces; a master may do everything."""
    reach: dict[Role, Reach] = {role: "all" for role in ROLES if role in all.split() or role == "master"}
    reach.update({role: "own" for role in ROLES if role in own.split()})
    return Permission(verb, reach, about)


_CLIENTS = "reader publisher operator admin"
_READERS = "reader operator admin"
_PUBLISHERS = "publisher operator admin"
_OPERATORS = "operator admin"


def _table(rows: Iterable[Permission]) -> dict[str, Permission]:
    return {row.verb: row for row in rows}


TABLE: Mapping[str, Permission] = _table([
    _row("nodes.list", "List the nodes.", _CLIENTS),
    _row("nodes.get", "Show one node.", _CLIENTS, own="child"),
    _row("nodes.audit", "Read a node's own audit: who asked it for what.", _OPERATORS),
    _row("nodes.ping", "Ask nodes whether they are there.", _READERS),
    _row("nodes.stats", "The fleet in figures.", _READERS),
    _row("nodes.update", "Set a node's state, title, labels or weight.", _OPERATORS),
    _row("nodes.remove", "Take a node out of the fleet.", _OPERATORS),
    _row("nodes.invite", "Make a join token for a name.", _OPERATORS),
    _row("nodes.approve", "Let a node in that waits without a token.", _OPERATORS),
    _row("nodes.revoke", "Take a node's credentials away.", _OPERATORS),
    _row("nodes.join", "Take one's place in the fleet.", "", own="child"),
    _row("search.query", "Search the nodes.", _READERS),
    _row("cache.stats", "Kept answers in figures.", _OPERATORS),
    _row("cache.popular", "Show the questions asked most often.", _OPERATORS),
    _row("cache.warm", "Ask the most popular questions again, and keep the answers.", _OPERATORS),
    _row("cache.clear", "Forget every kept answer.", _OPERATORS),
    _row("quality.judge", "Say how relevant a document is to a query.", _OPERATORS),
    _row("quality.click", "Say which hit was chosen.", _READERS),
    _row("quality.report", "Ask the judged queries again and compute how good searches are.", _OPERATORS),
    _row("quality.forget", "Drop what is kept about a query.", _OPERATORS),
    _row("ask.question", "Have a question answered from the documents.", _READERS),
    _row("actions.run", "Run an action on nodes.", _PUBLISHERS),
    _row("actions.submit", "Run many actions in one request.", _PUBLISHERS),
    _row("jobs.get", "Show a job.", _READERS, own="publisher"),
    _row("jobs.wait", "Wait for a job's end.", _READERS, own="publisher"),
    _row("jobs.ended", "Wait for the ends of many jobs.", _READERS, own="publisher"),
    _row("jobs.list", "List the jobs.", _READERS, own="publisher"),
    _row("jobs.follow", "Follow a job live.", _READERS, own="publisher"),
    _row("jobs.cancel", "Stop a job.", _OPERATORS, own="publisher"),
    _row("tx.run", "Run a transaction.", _PUBLISHERS),
    _row("tx.get", "Show a transaction.", _READERS, own="publisher"),
    _row("tx.wait", "Wait for a transaction's end.", _READERS, own="publisher"),
    _row("tx.follow", "Follow a transaction to its end.", _READERS, own="publisher"),
    _row("tx.list", "List the transactions.", _READERS, own="publisher"),
    _row("tx.cancel", "Turn a transaction back.", _OPERATORS, own="publisher"),
    _row("tx.retry", "Try the parked steps of a transaction again.", _OPERATORS),
    _row("tx.skip", "Leave a parked step as it is.", _OPERATORS),
    _row("tx.resolve", "End a parked transaction by hand.", _OPERATORS),
    _row("schedules.put", "Make or change a schedule.", _OPERATORS, own="publisher"),
    _row("schedules.get", "Show a schedule and its firings.", _READERS, own="publisher"),
    _row("schedules.list", "List the schedules.", _READERS, own="publisher"),
    _row("schedules.remove", "Remove a schedule.", _OPERATORS, own="publisher"),
    _row("schedules.pause", "Have a schedule fire nothing for a while.", _OPERATORS, own="publisher"),
    _row("schedules.resume", "Have a schedule fire again.", _OPERATORS, own="publisher"),
    _row("schedules.fire", "Fire a schedule now.", _OPERATORS, own="publisher"),
    _row("dead_letters.list", "List the dead letters.", _READERS, own="publisher"),
    _row("dead_letters.get", "Show a dead letter.", _READERS, own="publisher"),
    _row("dead_letters.retry", "Do a dead letter's command again.", _OPERATORS, own="publisher"),
    _row("dead_letters.drop", "Forget a dead letter.", _OPERATORS, own="publisher"),
    _row("definitions.put", "Keep a named transaction.", _OPERATORS),
    _row("definitions.get", "Show a named transaction.", _CLIENTS),
    _row("definitions.list", "List the named transactions.", _CLIENTS),
    _row("definitions.remove", "Take a named transaction away.", _OPERATORS),
    _row("keys.create", "Make an API key, no wider than one's own.", "admin"),
    _row("keys.list", "List the API keys, without their secrets.", "admin"),
    _row("keys.rotate", "Replace an API key by a new one.", "admin"),
    _row("keys.revoke", "End an API key, or all of a name.", "admin"),
    _row("keys.sign", "Sign access tokens with a new key.", "admin"),
    _row("access.whoami", "Who one is to the master.", _CLIENTS, own="child"),
    _row("access.stats", "Connections and requests let in and refused.", _OPERATORS),
    _row("masters.list", "List the masters, and what each drives.", _OPERATORS),
    _row("audit.list", "Read and follow the audit log.", _OPERATORS),
])  # fmt: skip


def reach(role: Role, verb: str) -> Reach | None:
    """How far `role` may go with `verb`; None if it may not, or there is no such verb."""
    permission = TABLE.get(verb)
    return permission.reach.get(role) if permission else None


def verbs_of(role: Role) -> frozenset[str]:
    """All verbs of `role`."""
    return frozenset(verb for verb, permission in TABLE.items() if role in permission.reach)
