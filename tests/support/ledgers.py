"""A tiny fleet: what the ledgers of the nodes promise, without nodes. For the properties of `advance`."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from fleetfold_master.transactions.model import Step, parse_id
from fleetfold_shared.messages import Command, CommandResult, Outcome

__all__ = ["Ledgers"]


@dataclass
class Ledgers:
    """All nodes' ledgers in one. `effects` counts each step's effect, `odds` are the outcomes to choose from."""

    steps: dict[str, Step]
    rng: random.Random
    odds: list[Outcome]
    stored: dict[str, CommandResult] = field(default_factory=dict)
    tombstones: set[str] = field(default_factory=set)
    epochs: dict[str, int] = field(default_factory=dict)
    effects: dict[str, int] = field(default_factory=dict)
    undone: list[str] = field(default_factory=list)

    def handle(self, command: Command) -> CommandResult | None:
        """The answer, the effect done; None for a command of a master that lost the transaction."""
        if (known := self.stored.get(command.id)) is not None:  # before the fence: a stored fact is true in any epoch
            return known
        if command.epoch < self.epochs.get(command.id, 0):
            return None
        self.epochs[command.id] = command.epoch
        result = self._compensate(command) if command.compensates else self._run(command)
        self.stored[command.id] = result
        return result

    def _run(self, command: Command) -> CommandResult:
        if command.id in self.tombstones:
            return self._answer(command, "rejected")
        step = self._step(command.id)
        outcome = self.rng.choice(self.odds)
        if outcome == "unknown" and step.kind != "once":
            outcome = "failed"
        may_have = outcome in {"timed_out", "unknown"} and step.kind != "transactional" and self.rng.random() < 0.5
        if outcome == "ok" or may_have:
            stable_key = step.kind == "idempotent"
            self.effects[step.name] = 1 if stable_key else self.effects.get(step.name, 0) + 1
        return self._answer(command, outcome, {"of": command.id})

    def _compensate(self, command: Command) -> CommandResult:
        assert command.compensates is not None
        forward = self.stored.get(command.compensates)
        if forward is None or command.compensates in self.tombstones:
            self.tombstones.add(command.compensates)
            return self._answer(command, "ok", tombstone=True)
        if not command.action:
            return self._answer(command, "ok")
        outcome = self.rng.choice(self.odds)
        if outcome == "ok":
            name = self._step(command.id).name
            self.effects[name] = 0
            self.undone.append(name)
        return self._answer(command, outcome)

    def _step(self, text: str) -> Step:
        address = parse_id(text)
        assert address is not None
        return self.steps[address.step]

    def _answer(
        self, command: Command, outcome: Outcome, result: object = None, *, tombstone: bool = False
    ) -> CommandResult:
        return CommandResult(
            id=command.id,
            attempt=command.attempt,
            epoch=command.epoch,
            outcome=outcome,
            result=result if outcome == "ok" else None,
            tombstone=tombstone,
        )
