"""The publisher of durable commands to the nodes' queues in JetStream."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from fleetfold_broker.bus import Bus
from fleetfold_broker.identity.message_seals import UNSEALED, Seals
from fleetfold_broker.jetstream.queue_shares import QueueShares
from fleetfold_broker.rpc.headers import MESSAGE_ID
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Command, MasterMark, encode

__all__ = ["CommandPublisher"]

STORE_S = 2.0
"""Time limit in seconds for one publish; afterwards the sweep sends again."""


class CommandPublisher:
    """Publishes sealed commands. Each deliberate re-send has its own message id, so the broker does not drop it.
    An old copy of the database counts its attempts again, so a restoration's number is in the id too.

    `refused` returns why nothing may be sent to a node, or an empty text. `mark` is the master's present mark, which
    the node keeps with the command.
    """

    def __init__(
        self, bus: Bus, seals: Seals = UNSEALED, limits: LimitsConfig | None = None,
        refused: Callable[[str], str] = lambda _node: "", mark: Callable[[], MasterMark | None] = lambda: None,
    ) -> None:  # fmt: skip
        self._subjects, self._seals, self._refused, self._mark = bus.subjects, seals, refused, mark
        self._shares = QueueShares(bus, (limits or LimitsConfig()).commands_bytes)

    async def send(self, node: str, command: Command) -> None:
        """Publish, and return when the broker has stored it. Raises `Overloaded` if the queue is full, else
        `Unavailable`.
        """
        if why := self._refused(node):
            raise Unavailable(f"{node}: {why}")
        mark = self._mark()
        subject, data = self._subjects.command(node), encode(self._marked(node, command, mark))
        headers = self._seals.sealed(node, subject, data, {MESSAGE_ID: _message_id(command, mark)})
        await self._shares.store(subject, data, headers, STORE_S)

    def _marked(self, node: str, command: Command, mark: MasterMark | None) -> Command:
        if mark is None:
            return command
        return replace(command, mark=self._seals.mark(node, replace(mark, command=command.id)))


def _message_id(command: Command, mark: MasterMark | None) -> str:
    attempt = f"{command.id}#{command.attempt}"
    return attempt if mark is None or not mark.restoration else f"{attempt}@{mark.restoration}"
