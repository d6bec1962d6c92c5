"""One transaction told step by step: what the master sends, what it hears, where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fleetfold_master.transactions import Decision, Policy, Step, Tx, advance, apply_result, begin
from fleetfold_master.transactions.model import parse_id
from fleetfold_shared.messages import Command, Outcome, Rollback
from support.master import answer

__all__ = ["Story", "make_step"]

ROLLBACK = Rollback("undo", {"order": "{{order_id}}"})


def make_step(name: str, stage: int, **fields: Any) -> Step:
    """A step of node `<name>-node` that can be undone; `fields` in place of the defaults."""
    defaults: dict[str, Any] = {
        "tx": "t1", "position": 0, "node": f"{name}-node", "action": "do", "kind": "idempotent", "params": {},
        "rollback": ROLLBACK, "timeout_s": 10.0, "retries": 0, "pivot": False,
    }  # fmt: skip
    return Step(name=name, stage=stage, **{**defaults, **fields})


class Story:
    """One transaction told from its beginning; `sent` is what the last decision sent."""

    def __init__(self, *steps: Step, policy: Policy | None = None, deadline_at: float | None = None) -> None:
        self.now, self.policy, self.ill = 0.0, policy, set[str]()
        self.tx = Tx(id="t1", digest="", name="", caller="ann", created_at=0.0, deadline_at=deadline_at)
        self.sent: dict[str, Command] = {}
        self.whys: list[str] = []
        self._take(begin(self.tx, steps, self.now, policy=policy))

    def hear(
        self, command: str, outcome: Outcome = "ok", result: object = None, *, tombstone: bool = False, starts: int = 1,
        noted: bool = False,
    ) -> Decision:  # fmt: skip
        """The answer of the step's node to a command."""
        address = parse_id(command)
        assert address is not None
        node = f"{address.step}-node"
        told = answer(Command(id=command, attempt=1, action=""), outcome, result, tombstone=tombstone)
        told = msgspec.structs.replace(told, starts=starts, noted=noted)
        return self._take(
            apply_result(self.tx, self.steps, node, told, self.now, unhealthy=self.ill, policy=self.policy)
        )

    def decide(self, decision: Callable[..., Decision], *args: Any, **kwargs: Any) -> Decision:
        """An operator's decision: `cancel`, `retry`, `skip` or `resolve`, made by ann."""
        return self._take(decision(self.tx, self.steps, *args, now=self.now, policy=self.policy, **kwargs))

    def wait(self, seconds: float) -> Decision:
        """Time passes, and the sweep comes by."""
        self.now += seconds
        return self._take(advance(self.tx, self.steps, self.now, unhealthy=self.ill, policy=self.policy))

    def states(self) -> str:
        """The state of the transaction, then of each step."""
        return " ".join([self.tx.state, *(f"{step.name}={step.state}" for step in self.steps)])

    def _take(self, decision: Decision) -> Decision:
        self.tx, self.steps = decision.tx, decision.steps
        self.sent = {outgoing.command.id: outgoing.command for outgoing in decision.commands}
        self.whys += [f"{entry.what} {entry.step or ''}: {entry.why}" for entry in decision.entries]
        return decision
