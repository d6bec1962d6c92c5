"""What masters say to each other, on `fleet.peer.<master>.<verb>`. Nobody else may speak or hear there."""

from __future__ import annotations

from typing import Any, Literal

from fleetfold_master.access.authorizer import Principal
from fleetfold_shared.messages import CommandResult, Message

__all__ = ["Changed", "Heard", "PeerCall", "PeerResult", "RoomName", "Rose", "Took"]

RoomName = Literal["nodes", "sessions", "keys", "petitions", "signing", "cache"]


class PeerResult(Message, frozen=True, kw_only=True):
    """`result`: what `node` has answered; is it yours?"""

    node: str
    result: CommandResult


class Took(Message, frozen=True, kw_only=True):
    """Whether it was: then it is committed."""

    mine: bool


class PeerCall(Message, frozen=True, kw_only=True):
    """`call`: a caller asks for `verb` of something that you drive. Who it is was decided where it asked."""

    verb: str
    ask: dict[str, Any]
    who: Principal


class Changed(Message, frozen=True, kw_only=True):
    """`changed`: the rows of this room are new; `key` says which, empty means any."""

    room: RoomName
    key: str = ""


class Heard(Message, frozen=True, kw_only=True):
    """They have been read."""


class Rose(Message, frozen=True, kw_only=True):
    """`rose`, to all: a node told these epochs of its collections, which kept answers must not be older than."""

    node: str
    incarnation: str
    epochs: dict[str, int]
