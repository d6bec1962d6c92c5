"""Requests of one that has no credentials yet, or renews them: the table of their verbs, without handlers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from fleetfold_shared.messages import Enrol, JoinRequest, JoinRequestReply, Message, Refresh, Tokens

__all__ = ["ENROL", "JOIN_REQUEST", "JOIN_VERBS", "REFRESH", "JoinVerb"]

Takes = TypeVar("Takes", bound=Message)
Gives = TypeVar("Gives", bound=Message)


class JoinVerb(msgspec.Struct, Generic[Takes, Gives], frozen=True, eq=False):
    """A request `fleet.join.<node>.<name>`, and its messages. `about` is one sentence."""

    name: str
    takes: type[Takes]
    gives: type[Gives]
    about: str


ENROL = JoinVerb("enrol", Enrol, Tokens, "Redeem a join token.")
REFRESH = JoinVerb("refresh", Refresh, Tokens, "Exchange a refresh token for a new pair of tokens.")
JOIN_REQUEST = JoinVerb("request", JoinRequest, JoinRequestReply, "Ask for approval without a token.")

JOIN_VERBS: Mapping[str, JoinVerb[Any, Any]] = {verb.name: verb for verb in (ENROL, REFRESH, JOIN_REQUEST)}
"""All join requests by name, in the order of the reference page."""
