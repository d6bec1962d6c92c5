"""What jobs and transactions need of the rest of the master: somebody who sends, and somebody who knows who is well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeGuard

import structlog

from fleetfold_master.store.compiled_statements import Write
from fleetfold_shared.batching import waves
from fleetfold_shared.errors import FleetfoldError, InvalidInput, TooLarge
from fleetfold_shared.messages import Command

__all__ = [
    "RESEND_MAX_S",
    "RESEND_S",
    "SENT_AT_ONCE",
    "AtEnd",
    "CommandSender",
    "LettersFor",
    "NodeHealth",
    "Outgoing",
    "is_for_good",
    "next_resend",
    "no_letters",
    "nothing_more",
    "send_all",
    "send_wave",
    "together",
]

RESEND_S = 5.0
RESEND_MAX_S = 60.0
SENT_AT_ONCE = 256
"""So many commands are handed over together, and no more: the loop has other things to do."""

_log = structlog.get_logger(__name__)


class CommandSender(Protocol):
    """The way to the nodes."""

    async def send(self, node: str, command: Command) -> None:
        """Return once the broker has stored the command.

        `Overloaded` when the node's queue is full, `Unavailable` when the broker is gone: the command is sent again
        later. `TooLarge` or `InvalidInput` when it never can be.
        """


class NodeHealth(Protocol):
    """Who is well."""

    def healthy(self, node: str) -> bool:
        """Whether `node` is active and was heard of lately."""


AtEnd = Callable[[Any, float], Sequence[Write]]
"""What else is committed with the end of a job or a transaction, given it and the time."""


LettersFor = Callable[[Any, str, Any, float], Sequence[Write]]
"""What else is committed with the end of a job's task, given the job, the node, the `Ending` and the time."""


def no_letters(_job: object, _node: str, _ending: object, _now: float) -> Sequence[Write]:
    """Nothing."""
    return ()


def nothing_more(_ended: object, _now: float) -> Sequence[Write]:
    """Nothing."""
    return ()


class Outgoing(NamedTuple):
    """A command and whom it is for."""

    node: str
    command: Command


def next_resend(began_at: float, now: float) -> float:
    """When to send an unanswered command again: 5 s after the first time, then each wait twice the last, 60 s at most.

    The wait is the command's age: 5, 10, 20, 40 s and so on, so nobody has to count.
    """
    return now + min(max(now - began_at, RESEND_S), RESEND_MAX_S)


async def send_all(sender: CommandSender, outgoing: Iterable[Outgoing]) -> list[tuple[Outgoing, FleetfoldError]]:
    """Send them, many at once. Those that never can be sent are returned, with why; a sweep repeats the others."""
    refused: list[tuple[Outgoing, FleetfoldError]] = []
    for wave in waves(outgoing, SENT_AT_ONCE):
        errors = await send_wave(sender, wave)
        refused += [(each, error) for each, error in zip(wave, errors, strict=True) if is_for_good(error)]
    return refused


async def send_wave(sender: CommandSender, outgoing: Sequence[Outgoing]) -> list[FleetfoldError | None]:
    """Send them together: for each why it was not stored, if it was not."""
    if len(outgoing) == 1:  # the usual case, spared a task
        errors = [await _send(sender, outgoing[0])]
    else:
        errors = await asyncio.gather(*(_send(sender, each) for each in outgoing))
    if any(errors):
        _tell(outgoing, errors)
    return errors


def _tell(outgoing: Sequence[Outgoing], errors: Sequence[FleetfoldError | None]) -> None:
    """One word for all that could not be sent for now: a queue that is full would fill the log too."""
    for_now = [(each, error) for each, error in zip(outgoing, errors, strict=True) if error and not is_for_good(error)]
    if for_now:
        (node, command), error = for_now[0]
        _log.warning("not sent", node=node, command=command.id, reason=error.message, commands=len(for_now))


def is_for_good(error: FleetfoldError | None) -> TypeGuard[FleetfoldError]:
    """Whether what failed so can never be sent."""
    return isinstance(error, TooLarge | InvalidInput)


async def _send(sender: CommandSender, outgoing: Outgoing) -> FleetfoldError | None:
    try:
        await sender.send(outgoing.node, outgoing.command)
    except FleetfoldError as error:
        return error
    return None


async def together(work: Iterable[Awaitable[object]]) -> None:
    """Do all of it at once, to the end even when some of it fails; then raise the first failure."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
