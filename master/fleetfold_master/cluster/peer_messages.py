"""Messages between masters, on `fleet.peer.<master>.<verb>`; only masters may publish or subscribe there."""

from __future__ import annotations

from typing import Any, Literal

from fleetfold_master.access.authorizer import Principal
from fleetfold_shared.messages import CommandResult, Message

__all__ = ["CacheName", "Changed", "PeerCall", "PeerResult", "RaisedEpochs", "Reloaded", "Took"]

CacheName = Literal["nodes", "sessions", "keys", "join_requests", "signing", "cache"]


class PeerResult(Message, frozen=True, kw_only=True):
    """`result`: a result of `node`, offered to the owner of its command."""

    node: str
    result: CommandResult


class Took(Message, frozen=True, kw_only=True):
    """Reply to `result`: whether the receiver owns it, and has committed it."""

    mine: bool


class PeerCall(Message, frozen=True, kw_only=True):
    """`call`: a caller's request for `verb`, forwarded to the owner. The receiving master has authenticated the
    caller."""

    verb: str
    ask: dict[str, Any]
    who: Principal


class Changed(Message, frozen=True, kw_only=True):
    """`changed`: rows behind `cache` have changed; `key` is the row, empty means any."""

    cache: CacheName
    key: str = ""


class Reloaded(Message, frozen=True, kw_only=True):
    """Reply to `changed`: the cache has been reloaded."""


class RaisedEpochs(Message, frozen=True, kw_only=True):
    """`epochs`, to all: epochs that a node reported for its collections; cached answers of lower epochs are invalid."""

    node: str
    incarnation: str
    epochs: dict[str, int]
