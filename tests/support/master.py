"""Fakes for what the master's jobs and transactions are given: a sender that remembers, and a doctor."""

from __future__ import annotations

from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import (
    ActionInfo,
    Command,
    CommandResult,
    NodeDescription,
    NodeRecord,
    NodeState,
    Outcome,
)

__all__ = ["Doctor", "Outbox", "answer", "registry"]


class Outbox:
    """A `Sender` that keeps what was sent; `failing` is raised for the nodes it names."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Command]] = []
        self.failing: dict[str, FleetfoldError] = {}

    async def send(self, node: str, command: Command) -> None:
        if node in self.failing:
            raise self.failing[node]
        self.sent.append((node, command))

    def take(self) -> list[tuple[str, Command]]:
        """What was sent since the last time."""
        taken, self.sent = self.sent, []
        return taken


class Doctor:
    """A `Health` that says what the test says."""

    def __init__(self) -> None:
        self.ill: set[str] = set()

    def healthy(self, node: str) -> bool:
        return node not in self.ill


def answer(
    command: Command,
    outcome: Outcome = "ok",
    result: object = None,
    error: str | None = None,
    *,
    tombstone: bool = False,
) -> CommandResult:
    """A node's answer to a command."""
    return CommandResult(
        id=command.id,
        attempt=command.attempt,
        epoch=command.epoch,
        outcome=outcome,
        result=result,
        error=error,
        ms=1.0,
        tombstone=tombstone,
    )


def registry(*states: tuple[str, NodeState]) -> dict[str, NodeRecord]:
    """Nodes that all know `reserve(sku, quantity)`, `release(order)`, `note(text)` and `undo()`."""
    text, number = {"type": "string"}, {"type": "integer"}
    actions = [
        ActionInfo("reserve", _object({"sku": text, "quantity": number}, ["sku"]), kind="transactional"),
        ActionInfo("release", _object({"order": text}, ["order"])),
        ActionInfo("note", _object({"text": text}, [])),
        ActionInfo("undo", _object({}, [])),
    ]
    description = NodeDescription(incarnation="i1", version="1.0", actions=actions)
    return {
        name: NodeRecord(name=name, state=state, healthy=True, description=description, registered_at=0.0)
        for name, state in states
    }


def _object(properties: dict[str, object], required: list[str]) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
