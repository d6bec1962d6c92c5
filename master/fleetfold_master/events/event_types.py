"""The events of a master. Each is published once, by the part that knows, on the master where it happened.

What is stored is published after its commit. An event lives in memory only: one that is published right before a
master dies is lost, so whatever must not be lost is written with the change itself.
"""

from __future__ import annotations

import msgspec

from fleetfold_shared.messages import DeadLetterReason, JobState, NodeState, TransactionState

__all__ = [
    "AnswerRefused",
    "BreakerClosed",
    "BreakerOpened",
    "CacheCleared",
    "CollectionChanged",
    "DeadLettered",
    "Event",
    "IdentityFlooded",
    "JobEnded",
    "JobRevised",
    "JoinRequestsChanged",
    "KeysChanged",
    "MasterJoined",
    "MasterLost",
    "NameTaken",
    "NodeChanged",
    "NodeClockOff",
    "NodeDown",
    "NodeJoined",
    "NodeRemoved",
    "NodeStateChanged",
    "NodeUp",
    "SessionStolen",
    "SessionsChanged",
    "SigningKeyRotated",
    "TransactionEnded",
    "TransactionParked",
    "TransactionResumed",
]


class Event(msgspec.Struct, frozen=True):
    """The base class of all events; a subscription to it receives every event."""


class NodeUp(Event, frozen=True):
    """A node that was down, or never heard from, has been heard from. Every master publishes what it hears."""

    node: str


class NodeDown(Event, frozen=True):
    """A node has been silent for too long, is not connected, or has stopped in an orderly way (`stopped`)."""

    node: str
    stopped: bool = False


class NodeJoined(Event, frozen=True):
    """A node has joined and its row is written. `fresh`: as a new process, not as one that was known here."""

    node: str
    incarnation: str
    fresh: bool


class NodeChanged(Event, frozen=True):
    """An operator has changed a node's row, or approved it."""

    node: str


class NodeClockOff(Event, frozen=True):
    """A node's clock is `off_s` seconds ahead of its peers' (negative: behind), or right again (0)."""

    node: str
    off_s: float


class NodeRemoved(Event, frozen=True):
    """An operator has removed a node."""

    node: str


class NodeStateChanged(Event, frozen=True):
    """The state of a member has changed, by an operator or by what its heartbeat reports; `reason` is the new one's."""

    node: str
    before: NodeState
    state: NodeState
    reason: str


class NameTaken(Event, frozen=True):
    """A process has joined as `node` while another one of that name is connected and does not answer."""

    node: str


class AnswerRefused(Event, frozen=True):
    """A message of `node` was refused, because another process has taken its name since. Published for the first
    message of each `incarnation`; `what` is its kind: `heartbeat`, `answer`, `progress` or `result`."""

    node: str
    incarnation: str
    what: str


class BreakerOpened(Event, frozen=True):
    """A node's circuit breaker has opened after `failures` in a row; `reason` is the last one."""

    node: str
    failures: int
    reason: str


class BreakerClosed(Event, frozen=True):
    """A node's open circuit breaker has closed: the node has answered, or is another process."""

    node: str


class CollectionChanged(Event, frozen=True):
    """A node has reported a higher epoch of a collection, with a heartbeat, a pong, a result, or through a peer."""

    node: str
    collection: str
    epoch: int


class JobEnded(Event, frozen=True):
    """A job has ended; its end is committed."""

    job: str
    action: str
    caller: str
    state: JobState


class JobRevised(Event, frozen=True):
    """A late answer has changed the state of a job that had ended."""

    job: str
    action: str
    caller: str
    state: JobState


class TransactionEnded(Event, frozen=True):
    """A transaction was committed or rolled back, by itself or by an operator."""

    tx: str
    name: str
    caller: str
    state: TransactionState


class TransactionParked(Event, frozen=True):
    """A transaction cannot go on by itself, and waits for an operator."""

    tx: str
    name: str
    caller: str


class TransactionResumed(Event, frozen=True):
    """An operator has set a parked transaction going again: the recovery of `TransactionParked`."""

    tx: str
    name: str
    caller: str


class DeadLettered(Event, frozen=True):
    """A dead letter was stored. `node` is empty for a callback, `command` is the command or the delivery."""

    id: str
    reason: DeadLetterReason
    command: str
    node: str
    action: str
    job: str | None = None
    tx: str | None = None


class KeysChanged(Event, frozen=True):
    """API keys were created, rotated or revoked."""


class SessionsChanged(Event, frozen=True):
    """The session of `node` has begun or ended."""

    node: str


class SessionStolen(Event, frozen=True):
    """A spent refresh token of `node` was presented, so its session has ended."""

    node: str


class JoinRequestsChanged(Event, frozen=True):
    """The join request of `node` was made, approved or withdrawn."""

    node: str


class SigningKeyRotated(Event, frozen=True):
    """Access tokens are signed with a new key; `kid` is its id."""

    kid: str


class CacheCleared(Event, frozen=True):
    """An operator has deleted every cached answer."""


class IdentityFlooded(Event, frozen=True):
    """An identity is far over its budget of unsolicited messages; published at most every five seconds."""

    identity: str


class MasterJoined(Event, frozen=True):
    """Another master lives, which was not seen at the last heartbeat."""

    master: str


class MasterLost(Event, frozen=True):
    """Another master has left, or has missed its heartbeats."""

    master: str
