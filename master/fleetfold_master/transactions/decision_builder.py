"""The builder of a decision: collects changed rows, commands and timeline entries."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from fleetfold_master.jobs.command_dispatch import Outgoing, next_resend
from fleetfold_master.transactions.compensation_context import known_outcome
from fleetfold_master.transactions.model import Decision, Policy, Step, Tx, compensation_id, forward_id
from fleetfold_shared.messages import Caller, Command, TimelineEntry, TransactionState
from fleetfold_shared.templates import fill

__all__ = ["FAILED", "DecisionBuilder", "waits_for"]

FAILED = frozenset({"failed", "unknown", "no_result", "parked"})
"""States of a step in which a transaction that goes forward cannot succeed."""


class DecisionBuilder:
    """The mutable working copy of the pure functions; it does not outlive a call. `unhealthy` are node names."""

    def __init__(
        self, tx: Tx, steps: Iterable[Step], now: float, unhealthy: Collection[str] = (), policy: Policy | None = None
    ):
        self.tx = tx
        self.now = now
        self.unhealthy = unhealthy
        self.policy = policy or Policy()
        self._steps = {step.name: step for step in steps}
        self._commands: list[Outgoing] = []
        self._entries: list[TimelineEntry] = []

    def decision(self) -> Decision:
        """The finished decision."""
        return Decision(self.tx, tuple(self._steps.values()), tuple(self._commands), tuple(self._entries))

    def step(self, name: str) -> Step | None:
        """A step in its present state; None if there is none of that name."""
        return self._steps.get(name)

    def steps(self) -> list[Step]:
        """All steps in their present state."""
        return list(self._steps.values())

    def in_order(self) -> list[Step]:
        """All steps in topological order."""
        return sorted(self._steps.values(), key=lambda step: (step.stage, step.position))

    def before(self, step: Step) -> list[Step]:
        """The steps that this one waits for."""
        return [each for each in self._steps.values() if waits_for(step, each)]

    def behind(self, step: Step) -> list[Step]:
        """The steps that wait for this one."""
        return [each for each in self._steps.values() if waits_for(each, step)]

    def failing(self) -> bool:
        """Whether a step has failed permanently."""
        return any(step.state in FAILED for step in self._steps.values())

    def past_pivot(self, step: Step) -> bool:
        """Whether this step comes after a pivot that has been passed."""
        return any(each.pivot and each.stage < step.stage and each.state == "done" for each in self._steps.values())

    def committing(self) -> bool:
        """Whether the pivot is passed, or in flight."""
        return any(step.pivot and step.state in {"running", "compensating", "done", "parked"} for step in self.steps())

    def out_of_time(self) -> bool:
        """Whether the transaction is over its time limit."""
        return self.tx.deadline_at is not None and self.now >= self.tx.deadline_at

    def change(self, step: Step, **changes: Any) -> Step:
        """Replace `step` by a changed copy."""
        self._steps[step.name] = changed = msgspec.structs.replace(step, **changes)
        return changed

    def settle(self, step: Step, **changes: Any) -> Step:
        """Change a step that has no command in flight any more."""
        return self.change(step, command=None, began_at=None, due_at=None, deadline_at=None, **changes)

    def note(self, what: str, step: Step | None = None, why: str = "") -> None:
        """Add an entry to the timeline."""
        self.tx = msgspec.structs.replace(self.tx, entries=self.tx.entries + 1)
        self._entries.append(TimelineEntry(self.now, what, step.name if step else None, why))

    def turn(self, state: TransactionState, error: str | None = None) -> None:
        """Change the transaction's state, usually to rolling back."""
        self.tx = msgspec.structs.replace(self.tx, state=state, error=error or self.tx.error)

    def end(self, state: TransactionState, error: str | None = None, why: str = "") -> None:
        """End the transaction."""
        self.tx = msgspec.structs.replace(self.tx, state=state, ended_at=self.now, error=error or self.tx.error)
        self.note(state, why=why)

    def send(self, step: Step, what: str, why: str = "", **changes: Any) -> None:
        """Send a new command for `step`; `changes` set its `command` and state. May raise `InvalidInput`."""
        due_at = next_resend(self.now, self.now)
        sent = msgspec.structs.replace(step, sends=step.sends + 1, began_at=self.now, due_at=due_at, **changes)
        self._commands.append(self._outgoing(sent))
        self.change(sent, deadline_at=self.now + self.time_limit_s(sent))
        self.note(what, sent, why)

    def resend(self, step: Step, why: str, **changes: Any) -> None:
        """Send the command in flight again, as its next attempt."""
        due_at = next_resend(self.now if step.began_at is None else step.began_at, self.now)
        sent = self.change(step, sends=step.sends + 1, due_at=due_at, **changes)
        self._commands.append(self._outgoing(sent))
        self.note("sent again", sent, why)

    def time_limit_s(self, step: Step) -> float:
        """Time limit in seconds for one try of the command in flight."""
        return step.timeout_s if step.state == "running" else max(step.timeout_s, self.policy.compensation_timeout_s)

    def _outgoing(self, step: Step) -> Outgoing:
        return Outgoing(step.node, self._compensation(step) if step.state == "compensating" else self._forward(step))

    def _forward(self, step: Step) -> Command:
        results = {each.name: each.result for each in self._steps.values() if each.state == "done"}
        return Command(
            id=forward_id(step, len(step.runs)),
            attempt=step.sends,
            action=step.action,
            params=fill(step.params, {"steps": results}),
            epoch=self.tx.epoch,
            timeout_s=step.timeout_s,
            caller=Caller(self.tx.caller, self.tx.role),
        )

    def _compensation(self, step: Step) -> Command:
        """The compensation; the node fills in `{{fields}}` from its own ledger. Without an action it only writes a
        tombstone."""
        return Command(
            id=compensation_id(step, step.compensation, step.compensations),
            attempt=step.sends,
            action=step.rollback.action if step.rollback else "",
            params=step.rollback.params if step.rollback else {},
            epoch=self.tx.epoch,
            compensates=forward_id(step, step.compensation),
            forward=known_outcome(step, step.compensation),
            timeout_s=self.time_limit_s(step),
            caller=Caller(self.tx.caller, self.tx.role),
        )


def waits_for(step: Step, other: Step) -> bool:
    """Whether `step` begins only after `other` is done, and is compensated before it."""
    return other.name in step.after if step.after else other.stage < step.stage
