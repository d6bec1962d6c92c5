"""Resumption of a transaction from an old copy of its rows, with what the nodes know of it. Pure.

What nodes know is younger than the rows. Most of it comes by itself: a command that is sent again under its id is
answered by the ledger, also that it was undone. These do not:

    the nodes have                            the rows say             decision
    ----------------------------------------  -----------------------  ---------------------------------------
    a compensation of a step                  running                  turned back: it was being rolled back
    the same, and the pivot is done           running                  parked: both cannot be
    forward commands that were not sent       running                  in flight, or sent again in their turn
    commands of a higher epoch                any                      the epoch rises above it

A step that is compensated by its pivot's question alone has not been turned back: whether it ran is asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from fleetfold_master.transactions.advance import redrive, turn_back
from fleetfold_master.transactions.decision_builder import DecisionBuilder
from fleetfold_master.transactions.model import Decision, Policy, Step, Tx, forward_id, parse_id
from fleetfold_shared.messages import Outcome, RecalledCommand

__all__ = ["WHY", "knows_command", "park_unasked", "resume_recalled"]

WHY = "the nodes have undone a part of it since the copy of the database was made"


def knows_command(tx: Tx, steps: Iterable[Step], command: str) -> bool:
    """Whether the rows say that the command of this id was sent."""
    address = parse_id(command)
    step = None if address is None else next((one for one in steps if one.name == address.step), None)
    if address is None or step is None:
        return False
    if address.forward:
        return address.number <= len(step.runs)
    return tx.state != "running" or (step.pivot and step.compensations > 0) or step.state == "compensating"


def resume_recalled(
    tx: Tx, steps: Sequence[Step], recalled: Sequence[RecalledCommand], now: float, *, policy: Policy | None = None
) -> Decision:
    """Resume the transaction with what its nodes have told: see above. The epoch rises in any case."""
    if tx.ended:
        return Decision(tx, tuple(steps))
    tx = replace(tx, epoch=max([tx.epoch, *(command.epoch for command in recalled)]))
    steps = [_with_runs(step, recalled, now) for step in steps]
    if tx.state != "running" or not _is_undone(steps, recalled):
        return redrive(tx, steps, now, takeover=True, policy=policy)
    tx = replace(tx, epoch=tx.epoch + 1)
    if any(step.pivot and step.state == "done" for step in steps):
        return _parked(tx, steps, f"{WHY}, though its pivot is done", now, policy)
    if any(step.pivot and step.state != "waiting" for step in steps):
        return redrive(tx, steps, now, takeover=True, policy=policy)  # the pivot's own end leads there
    return turn_back(tx, steps, WHY, now, policy=policy)


def park_unasked(
    tx: Tx, steps: Sequence[Step], nodes: Sequence[str], by: str, now: float, *, policy: Policy | None = None
) -> Decision:
    """Park a transaction whose nodes could not be asked, for an operator."""
    if tx.ended:
        return Decision(tx, tuple(steps))
    why = f"the database is an old copy, and {', '.join(nodes)} could not be asked what has happened since; by {by}"
    return _parked(replace(tx, epoch=tx.epoch + 1), steps, why, now, policy)


def _is_undone(steps: Sequence[Step], recalled: Sequence[RecalledCommand]) -> bool:
    names = {step.name for step in steps if not step.pivot}
    undone = [address for one in recalled if one.compensates and (address := parse_id(one.id)) is not None]
    return any(address.step in names for address in undone)


def _with_runs(step: Step, recalled: Sequence[RecalledCommand], now: float) -> Step:
    """The step with the forward commands that its rows lack. The last of them is in flight, or, where the step waits
    for others, is sent again when its turn comes; if the transaction turns back before that, it is compensated.
    """
    told = {
        address.number: _effect(command)
        for command in recalled
        if (address := parse_id(command.id)) is not None and address.forward and address.step == step.name
    }
    last = max(told, default=0)
    if last <= len(step.runs):
        return step
    earlier = (*step.runs, *(told.get(number) for number in range(len(step.runs) + 1, last)))
    step = replace(step, runs=(*earlier, None))
    if step.state != "running":
        return step
    return replace(step, command=forward_id(step, last), began_at=now, due_at=now, deadline_at=now)


def _effect(command: RecalledCommand) -> Outcome | None:
    """The outcome where it is certain that the command had an effect, or none; else None."""
    return "ok" if command.outcome == "ok" else "rejected" if command.outcome == "rejected" else None


def _parked(tx: Tx, steps: Sequence[Step], why: str, now: float, policy: Policy | None) -> Decision:
    """Park it with the steps in flight, or else the next ones, so that an operator can retry or skip them."""
    builder = DecisionBuilder(tx, steps, now, policy=policy)
    chosen = [step for step in builder.in_order() if step.state in {"running", "compensating"}]
    for step in chosen or [step for step in builder.in_order() if step.state == "waiting"][:1]:
        builder.settle(step, state="parked", error=why)
        builder.note("parked", step, why)
    builder.end("parked", why, why)
    return builder.decision()
