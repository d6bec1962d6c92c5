"""Sending and re-sending of commands, and the protocols that the job and transaction engines depend on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeGuard

import structlog

from fleetfold_master.events import WriteWithEvent
from fleetfold_master.store.compiled_statements import Write
from fleetfold_shared.concurrency import batches
from fleetfold_shared.errors import FleetfoldError, InvalidInput, TooLarge
from fleetfold_shared.messages import Command

__all__ = [
    "RESEND_MAX_S",
    "RESEND_S",
    "SENT_AT_ONCE",
    "AtEnd",
    "CommandSender",
    "DeadLettersFor",
    "NodeHealth",
    "Outgoing",
    "is_permanent",
    "next_resend",
    "no_dead_letters",
    "nothing_more",
    "send_all",
    "send_batch",
]

RESEND_S = 5.0
RESEND_MAX_S = 60.0
SENT_AT_ONCE = 256
"""The most commands that are sent concurrently, so that the event loop stays responsive."""

_log = structlog.get_logger(__name__)


class CommandSender(Protocol):
    """Sends commands to nodes."""

    async def send(self, node: str, command: Command) -> None:
        """Return once the broker has stored the command.

        Raises `Overloaded` if the node's queue is full or `Unavailable` without a broker: the command will be sent
        again later. Raises `TooLarge` or `InvalidInput` if it can never be sent.
        """


class NodeHealth(Protocol):
    """Health of nodes."""

    def healthy(self, node: str) -> bool:
        """Whether `node` is active and was heard of lately."""


AtEnd = Callable[[Any, float], Sequence[Write]]
"""Returns further writes to be committed with the end of a job or transaction, given it and the time."""


DeadLettersFor = Callable[[Any, str, Any, float], Sequence[WriteWithEvent]]
"""Returns the dead letters to be committed with a task's end, given job, node, `Ending` and the time."""


def no_dead_letters(_job: object, _node: str, _ending: object, _now: float) -> Sequence[WriteWithEvent]:
    """Default of `DeadLettersFor`: none."""
    return ()


def nothing_more(_ended: object, _now: float) -> Sequence[Write]:
    """Default of `AtEnd`: no further writes."""
    return ()


class Outgoing(NamedTuple):
    """A command and its node."""

    node: str
    command: Command


def next_resend(began_at: float, now: float) -> float:
    """When to send an unanswered command again: after 5 s, then after twice the previous wait, at most 60 s.

    Each wait equals the command's age: 5, 10, 20, 40 s and so on, so no counter is stored.
    """
    return now + min(max(now - began_at, RESEND_S), RESEND_MAX_S)


async def send_all(sender: CommandSender, outgoing: Iterable[Outgoing]) -> list[tuple[Outgoing, FleetfoldError]]:
    """Send many commands concurrently. Returns those that can never be sent, with the error; a sweep repeats the
    others."""
    refused: list[tuple[Outgoing, FleetfoldError]] = []
    for batch in batches(outgoing, SENT_AT_ONCE):
        errors = await send_batch(sender, batch)
        refused += [(each, error) for each, error in zip(batch, errors, strict=True) if is_permanent(error)]
    return refused


async def send_batch(sender: CommandSender, outgoing: Sequence[Outgoing]) -> list[FleetfoldError | None]:
    """Send one batch concurrently. Returns, for each command, the error or None."""
    if len(outgoing) == 1:  # the usual case, without the cost of a task
        errors = [await _send(sender, outgoing[0])]
    else:
        errors = await asyncio.gather(*(_send(sender, each) for each in outgoing))
    if any(errors):
        _log_unsent(outgoing, errors)
    return errors


def _log_unsent(outgoing: Sequence[Outgoing], errors: Sequence[FleetfoldError | None]) -> None:
    """Log one line for all commands that could not be sent for now, so that a full queue does not flood the log."""
    for_now = [(each, error) for each, error in zip(outgoing, errors, strict=True) if error and not is_permanent(error)]
    if for_now:
        (node, command), error = for_now[0]
        _log.warning("command.not_sent", node=node, command=command.id, reason=error.message, commands=len(for_now))


def is_permanent(error: FleetfoldError | None) -> TypeGuard[FleetfoldError]:
    """Whether the error is permanent: sending the same command again would fail again."""
    return isinstance(error, TooLarge | InvalidInput)


async def _send(sender: CommandSender, outgoing: Outgoing) -> FleetfoldError | None:
    try:
        await sender.send(outgoing.node, outgoing.command)
    except FleetfoldError as error:
        return error
    return None
