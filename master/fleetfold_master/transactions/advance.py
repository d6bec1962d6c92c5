"""The decisions of a transaction: pure functions from rows, the time and a result to rows and commands.

Nothing here reads a clock, sends or stores. The caller commits the rows, then sends the commands; if it dies in
between, `redrive` sends them again from the rows. Each function may be called at any moment, in any order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from fleetfold_master.transactions.backward import go_backward, take_compensation, take_late_compensation
from fleetfold_master.transactions.decision_builder import DecisionBuilder
from fleetfold_master.transactions.forward import abandon, go_forward, take_forward
from fleetfold_master.transactions.model import Decision, Policy, Step, Tx, effect_of, parse_id
from fleetfold_shared.errors import Conflict
from fleetfold_shared.messages import CommandResult

__all__ = ["advance", "apply_result", "begin", "cancel", "redrive", "turn_back"]


def begin(tx: Tx, steps: Iterable[Step], now: float, *, policy: Policy | None = None) -> Decision:
    """The first decision of a new transaction: it is accepted, and its first stage is sent."""
    builder = DecisionBuilder(tx, steps, now, policy=policy)
    builder.note("accepted", why=f"asked for by {tx.caller}")
    _go_on(builder)
    return builder.decision()


def advance(
    tx: Tx, steps: Iterable[Step], now: float, *, unhealthy: Collection[str] = (), policy: Policy | None = None
) -> Decision:
    """The decision at `now` (Unix seconds) without news: begin, send again, give up, compensate, or end.

    `unhealthy` nodes are not sent anything again, and their silence does not count as a failed try.
    """
    builder = DecisionBuilder(tx, steps, now, unhealthy, policy)
    _go_on(builder)
    return builder.decision()


def apply_result(
    tx: Tx,
    steps: Iterable[Step],
    node: str,
    result: CommandResult,
    now: float,
    *,
    unhealthy: Collection[str] = (),
    policy: Policy | None = None,
) -> Decision:
    """The decision after a result of `node`. A duplicate, or a result of an unknown command, changes nothing.

    Results of any epoch count: an old one is the stored fact of the node's ledger.
    """
    builder = DecisionBuilder(tx, steps, now, unhealthy, policy)
    address = parse_id(result.id)
    step = builder.step(address.step) if address is not None and address.tx == tx.id else None
    if address is None or step is None or step.node != node:
        return builder.decision()
    if address.forward:
        _take_forward(builder, step, address.number, result)
    elif step.command == result.id:
        take_compensation(builder, step, result)
    else:
        take_late_compensation(builder, step, result)
    _go_on(builder)
    return builder.decision()


def redrive(tx: Tx, steps: Iterable[Step], now: float, *, takeover: bool, policy: Policy | None = None) -> Decision:
    """Send all commands in flight again, each with its full time limit: the broker lost them, or their master died.

    With `takeover` a new master owns the transaction: the epoch rises, and nodes reject commands of the old one.
    """
    if tx.ended:
        return Decision(tx, tuple(steps))
    if takeover:
        tx = msgspec.structs.replace(tx, epoch=tx.epoch + 1)
    builder = DecisionBuilder(tx, steps, now, policy=policy)
    why = f"taken over, epoch {tx.epoch}" if takeover else "the broker lost it"
    if takeover:
        builder.note("taken over", why=f"its master is gone; epoch {tx.epoch}")
    for step in builder.steps():
        if step.command is not None:
            builder.resend(step, why, deadline_at=now + builder.time_limit_s(step))
    return builder.decision()


def cancel(
    tx: Tx, steps: Iterable[Step], by: str, now: float, *, why: str = "", policy: Policy | None = None
) -> Decision:
    """Start compensation at somebody's request. Raises `Conflict` if it has ended, is compensating, or passed its
    pivot."""
    if tx.state != "running":
        raise Conflict(f"id: {tx.id!r} is {tx.state}; only one that is running can be cancelled", field="id")
    rows = tuple(steps)
    if DecisionBuilder(tx, rows, now, policy=policy).committing():
        raise Conflict(f"id: {tx.id!r} has passed its point of no return and goes on to its end", field="id")
    return turn_back(tx, rows, f"cancelled by {by}: {why}" if why else f"cancelled by {by}", now, policy=policy)


def turn_back(tx: Tx, steps: Iterable[Step], why: str, now: float, *, policy: Policy | None = None) -> Decision:
    """Start the compensation of a transaction that runs, whatever is in flight."""
    builder = DecisionBuilder(tx, steps, now, policy=policy)
    abandon(builder, why)
    _go_on(builder)
    return builder.decision()


def _go_on(builder: DecisionBuilder) -> None:
    if builder.tx.state == "running":
        if builder.out_of_time() and not builder.committing():
            abandon(builder, "it had not ended in the time it was given")
        else:
            go_forward(builder)
    if builder.tx.state == "compensating":
        go_backward(builder)


def _take_forward(builder: DecisionBuilder, step: Step, number: int, result: CommandResult) -> None:
    if number > len(step.runs) or step.runs[number - 1] is not None:
        return
    asked = step.pivot and step.state == "compensating"  # the pivot's own result answers the question as well
    if step.command == result.id or asked:
        take_forward(builder, builder.change(step, compensation=0), result)
    else:
        _take_late(builder, step, number, result)


def _take_late(builder: DecisionBuilder, step: Step, number: int, result: CommandResult) -> None:
    """A late result of a command that was given up: noted, and used if it makes a compensation unnecessary. It never
    resumes a step."""
    runs = (*step.runs[: number - 1], effect_of(step, result), *step.runs[number:])
    step = builder.change(step, runs=runs)
    if step.state == "unknown" and not step.possibly_applied:
        builder.change(step, state="failed", error=result.error or result.outcome)
    builder.note("late answer", step, f"{result.outcome}, after it was given up")
