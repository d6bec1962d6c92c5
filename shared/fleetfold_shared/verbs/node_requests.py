"""Requests of masters to nodes: the table of their verbs, without handlers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from fleetfold_shared.messages import (
    Cancelled,
    CancelRequest,
    Capability,
    Held,
    HoldsRequest,
    LedgerRequest,
    LedgerVerdicts,
    Message,
    NodeAnswer,
    NodeAudited,
    NodeAuditRequest,
    NodeList,
    NodeQuestion,
    Pong,
    SearchAnswer,
    SearchRequest,
    ServiceCounters,
    Standing,
    StatisticsChunk,
    StatisticsRequest,
    Superseded,
)

__all__ = [
    "ANSWER", "AUDIT", "CANCEL", "COUNTERS", "HOLDS", "JOIN_AGAIN", "LEDGER", "NODE_VERBS", "PING", "SEARCH",
    "STANDING", "STATISTICS", "SUPERSEDED", "NodeVerb",
]  # fmt: skip

Takes = TypeVar("Takes", bound=Message)
Gives = TypeVar("Gives", bound="Message | None")


class NodeVerb(msgspec.Struct, Generic[Takes, Gives], frozen=True, eq=False):
    """A request `fleet.call.<node>.<name>` of a master, and its messages.

    `broadcast`: all nodes at once are asked it too, on `fleet.ask.<name>`. One that gives nothing is a notification: it
    is never answered. `needs`: a node that was not granted this capability does not serve it. `about` is one sentence.
    """

    name: str
    takes: type[Takes]
    gives: type[Gives]
    about: str
    broadcast: bool = False
    needs: Capability | None = None


PING = NodeVerb("ping", NodeList, Pong, "Say that it is there, and its epochs.", broadcast=True)
SEARCH = NodeVerb(
    "search", SearchRequest, SearchAnswer, "Search its collections.", broadcast=True, needs="search"
)  # fmt: skip
STATISTICS = NodeVerb(
    "statistics", StatisticsRequest, StatisticsChunk, "Send a part of a collection's term statistics.",
    broadcast=True, needs="search",
)  # fmt: skip
ANSWER = NodeVerb(
    "rag", NodeQuestion, NodeAnswer, "Answer a question from passages.", broadcast=True, needs="search"
)  # fmt: skip
CANCEL = NodeVerb("cancel", CancelRequest, Cancelled, "Stop commands, or see that they never start.")
COUNTERS = NodeVerb(  # its name on the bus stays as it is within the series, for the sake of earlier nodes
    "figures", NodeList, ServiceCounters, "Send the counters of its endpoints."
)  # fmt: skip
AUDIT = NodeVerb("audit", NodeAuditRequest, NodeAudited, "Send the latest commands of its ledger and their callers.")
HOLDS = NodeVerb("holds", HoldsRequest, Held, "Say which of these documents it has.")
LEDGER = NodeVerb("ledger", LedgerRequest, LedgerVerdicts, "Say what its ledger has of these commands.")
SUPERSEDED = NodeVerb("superseded", Superseded, type(None), "Stop: another process holds the node's name.")
JOIN_AGAIN = NodeVerb("join-again", NodeList, type(None), "Register again: the master does not know the node.")
STANDING = NodeVerb("standing", Standing, type(None), "Take the state and the heartbeat interval that it is given.")

NODE_VERBS: Mapping[str, NodeVerb[Any, Any]] = {
    verb.name: verb
    for verb in (
        PING, SEARCH, STATISTICS, ANSWER, CANCEL, COUNTERS, AUDIT, HOLDS, LEDGER, SUPERSEDED, JOIN_AGAIN, STANDING,
    )
}  # fmt: skip
"""All verbs of nodes by name, in the order of the reference page."""
