"""The decisions of a transaction, pure: from rows, the time and an answer to rows and commands.

Nothing here reads a clock, sends or stores. The caller commits the rows, then sends the commands; if it dies in
between, `redrive` sends them again from the rows. Each function may be called at any moment, in any order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from fleetfold_master.transactions.backward import go_backward, take_late_undo, take_undo
from fleetfold_master.transactions.decision_builder import DecisionBuilder
from fleetfold_master.transactions.forward import abandon, go_forward, take_forward
from fleetfold_master.transactions.model import Decision, Policy, Step, Tx, effect_of, parse_id
from fleetfold_shared.errors import Conflict
from fleetfold_shared.messages import CommandResult

__all__ = ["advance", "apply_result", "begin", "cancel", "redrive"]


def begin(tx: Tx, steps: Iterable[Step], now: float, *, policy: Policy | None = None) -> Decision:
    """A new transaction's first decision: it is accepted, and its first stage is sent."""
    draft = DecisionBuilder(tx, steps, now, policy=policy)
    draft.note("accepted", why=f"asked for by {tx.caller}")
    _go_on(draft)
    return draft.decision()


def advance(
    tx: Tx, steps: Iterable[Step], now: float, *, ill: Collection[str] = (), policy: Policy | None = None
) -> Decision:
    """What is to be done at `now` (Unix seconds) without any news: begin, send again, give up, undo, end.

    `ill` are the nodes that are not healthy: they are not pressed, and what waits for them is not held against them.
    """
    draft = DecisionBuilder(tx, steps, now, ill, policy)
    _go_on(draft)
    return draft.decision()


def apply_result(
    tx: Tx,
    steps: Iterable[Step],
    node: str,
    result: CommandResult,
    now: float,
    *,
    ill: Collection[str] = (),
    policy: Policy | None = None,
) -> Decision:
    """What follows from an answer of `node`. A duplicate, or an answer to nothing that was asked, changes nothing.

    Answers of any epoch are taken: an old one is the stored fact of the node's ledger.
    """
    draft = DecisionBuilder(tx, steps, now, ill, policy)
    address = parse_id(result.id)
    step = draft.step(address.step) if address is not None and address.tx == tx.id else None
    if address is None or step is None or step.node != node:
        return draft.decision()
    if address.forward:
        _take_forward(draft, step, address.number, result)
    elif step.command == result.id:
        take_undo(draft, step, result)
    else:
        take_late_undo(draft, step, result)
    _go_on(draft)
    return draft.decision()


def redrive(tx: Tx, steps: Iterable[Step], now: float, *, takeover: bool, policy: Policy | None = None) -> Decision:
    """Send all that is in flight again, each with its full time: the broker has lost it, or its master is dead.

    With `takeover` a new master takes the transaction: the epoch rises, and nodes refuse what the old one still says.
    """
    if tx.ended:
        return Decision(tx, tuple(steps))
    if takeover:
        tx = msgspec.structs.replace(tx, epoch=tx.epoch + 1)
    draft = DecisionBuilder(tx, steps, now, policy=policy)
    why = f"taken over, epoch {tx.epoch}" if takeover else "the broker lost it"
    if takeover:
        draft.note("taken over", why=f"its master is gone; epoch {tx.epoch}")
    for step in draft.steps():
        if step.command is not None:
            draft.resend(step, why, deadline_at=now + draft.patience(step))
    return draft.decision()


def cancel(
    tx: Tx, steps: Iterable[Step], by: str, now: float, *, why: str = "", policy: Policy | None = None
) -> Decision:
    """Turn back because somebody wants it. `Conflict` when it has ended, is turning back, or has gone too far."""
    draft = DecisionBuilder(tx, steps, now, policy=policy)
    if tx.state != "running":
        raise Conflict(f"id: {tx.id!r} is {tx.state}; only one that is running can be cancelled", field="id")
    if draft.committing():
        raise Conflict(f"id: {tx.id!r} has passed its point of no return and goes on to its end", field="id")
    abandon(draft, f"cancelled by {by}: {why}" if why else f"cancelled by {by}")
    _go_on(draft)
    return draft.decision()


def _go_on(draft: DecisionBuilder) -> None:
    if draft.tx.state == "running":
        if draft.out_of_time() and not draft.committing():
            abandon(draft, "it had not ended in the time it was given")
        else:
            go_forward(draft)
    if draft.tx.state == "compensating":
        go_backward(draft)


def _take_forward(draft: DecisionBuilder, step: Step, number: int, result: CommandResult) -> None:
    if number > len(step.runs) or step.runs[number - 1] is not None:
        return
    asked = step.pivot and step.state == "compensating"  # the pivot's own answer is as good as what was asked for
    if step.command == result.id or asked:
        take_forward(draft, draft.change(step, undo=0), result)
    else:
        _take_late(draft, step, number, result)


def _take_late(draft: DecisionBuilder, step: Step, number: int, result: CommandResult) -> None:
    """An answer to a command that was given up: noted, and used where it spares an undoing; it revives nothing."""
    runs = (*step.runs[: number - 1], effect_of(step, result), *step.runs[number:])
    step = draft.change(step, runs=runs)
    if step.state == "unknown" and not step.suspects:
        draft.change(step, state="failed", error=result.error or result.outcome)
    draft.note("late answer", step, f"{result.outcome}, after it was given up")
