"""Compensation: whatever may have taken effect is compensated in reverse order, each forward command by its id.

A node that never ran the command writes a tombstone, so that it never will; one that ran it compensates it with the
result in its own ledger. A step without a rollback gets only the tombstone. A compensation is not given up while
its node is away; failures and silence of a healthy node are counted, and too many of them park the transaction. A
rejected compensation, or one of unknown effect, parks it at once: another try would end the same.
"""

from __future__ import annotations

from fleetfold_master.transactions.decision_builder import DecisionBuilder
from fleetfold_master.transactions.model import Step, compensation_id, forward_id
from fleetfold_shared.messages import CommandResult

__all__ = ["ask_whether_it_ran", "go_backward", "take_compensation", "take_late_compensation", "wait_for_compensation"]

_SILENT = "no answer"


def go_backward(builder: DecisionBuilder) -> None:
    """Compensate each step whose dependent steps are compensated."""
    for step in reversed(builder.in_order()):
        if all(map(_is_compensated, builder.behind(step))):
            _drive_step(builder, step)
    steps = builder.steps()
    if any(step.state == "compensating" for step in steps):
        return
    if any(step.state == "parked" for step in steps):
        builder.end("parked", why="a step cannot be compensated; those before it are left as they are")
    elif all(map(_is_compensated, steps)):
        builder.end("rolled_back")


def take_compensation(builder: DecisionBuilder, step: Step, result: CommandResult) -> None:
    """Process the result of the compensation in flight."""
    if result.outcome in {"ok", "no_result"}:
        builder.note("never ran" if result.tombstone else "compensated" if step.rollback else "had run", step)
        _compensated(builder, step, result)
    elif result.outcome in {"unknown", "rejected"} or step.compensation_tries >= builder.policy.max_tries:
        _park(builder, step, f"{result.outcome}: {result.error or 'no reason given'}")
    else:
        wait_s = builder.policy.backoff.planned_s(step.compensation_tries)
        builder.change(builder.settle(step, error=result.error), due_at=builder.now + wait_s)
        builder.note(
            f"compensation {result.outcome}", step, f"{result.error or 'no reason given'}; next try in {wait_s:g} s"
        )


def take_late_compensation(builder: DecisionBuilder, step: Step, result: CommandResult) -> None:
    """Process a late result of a compensation that was given up: noted once, for the operator of the parked
    transaction."""
    if (
        step.state == "parked"
        and step.error == _SILENT
        and result.id == compensation_id(step, step.compensation, step.compensations)
    ):
        why = f"{result.outcome}, after it was given up"
        builder.change(step, error=f"{_SILENT} in time; then {result.outcome}")
        builder.note("late answer", step, f"{why}: {result.error}" if result.error else why)


def wait_for_compensation(builder: DecisionBuilder, step: Step) -> None:
    """Watch a compensation in flight: try again, send again, or give up."""
    if step.command is None:
        if builder.now >= (step.due_at or 0.0):
            _send(builder, step, step.compensation, "compensation sent again")
    elif builder.now >= (step.deadline_at or 0.0):
        _over_time(builder, step)
    elif builder.now >= (step.due_at or 0.0) and step.node not in builder.unhealthy:
        builder.resend(step, "no answer yet")


def ask_whether_it_ran(builder: DecisionBuilder, step: Step, why: str) -> None:
    """Find out whether an unanswered pivot ran, by a tombstone, which also ensures that it never will if it did not."""
    if step.compensation_tries >= builder.policy.max_tries:
        _park(builder, step, why)
    else:
        _send(builder, step, len(step.runs), "asked whether it ran", why)


def _is_compensated(step: Step) -> bool:
    return step.state in {"compensated", "skipped"} or (
        step.state in {"failed", "unknown", "no_result"} and not step.possibly_applied
    )


def _drive_step(builder: DecisionBuilder, step: Step) -> None:
    if step.state == "compensating":
        wait_for_compensation(builder, step)
    elif step.state == "waiting" and not step.possibly_applied:
        builder.settle(step, state="skipped")
        builder.note("skipped", step, "it was never sent")
    elif step.state in {"waiting", "done", "unknown", "no_result", "failed"}:
        _compensate_next(builder, step)


def _compensate_next(builder: DecisionBuilder, step: Step) -> None:
    """Compensate the newest forward command that may have had an effect; without one the step is compensated."""
    possibly_applied = step.possibly_applied
    if possibly_applied and step.rollback is None and step.runs[possibly_applied[-1] - 1] in {"ok", "no_result"}:
        _skip(builder, step)
    elif possibly_applied:
        _send(builder, step, possibly_applied[-1], "compensation sent")
    elif step.state == "compensating":
        builder.settle(step, state="compensated")


def _skip(builder: DecisionBuilder, step: Step) -> None:
    builder.settle(step, state="skipped")
    builder.note("skipped", step, "it ran, and has no rollback")


def _send(builder: DecisionBuilder, step: Step, number: int, what: str, why: str = "") -> None:
    same = step.compensation in {0, number}
    compensations, tries = (step.compensations + 1, step.compensation_tries + 1) if same else (1, 1)
    command = compensation_id(step, number, compensations)
    builder.send(
        step,
        what,
        why,
        state="compensating",
        compensation=number,
        compensations=compensations,
        compensation_tries=tries,
        command=command,
    )


def _compensated(builder: DecisionBuilder, step: Step, result: CommandResult) -> None:
    if step.pivot:
        _pivot_answered(builder, step, result)
    elif step.rollback is None and not result.tombstone:
        _skip(builder, step)
    else:
        _compensate_next(builder, builder.settle(step))


def _pivot_answered(builder: DecisionBuilder, step: Step, result: CommandResult) -> None:
    """If the pivot never ran, it has failed. If it ran, the ledger returns its result again for the same command."""
    if not result.tombstone:
        builder.send(
            step, "asked how it ended", state="running", compensation=0, command=forward_id(step, len(step.runs))
        )
        return
    withdrawn = builder.change(step, runs=(*step.runs[:-1], "rejected"), compensation=0)
    if withdrawn.possibly_applied:
        _park(builder, withdrawn, "an earlier try may have taken effect")
    else:
        builder.settle(withdrawn, state="failed", error="no answer in time; withdrawn before it ran")


def _over_time(builder: DecisionBuilder, step: Step) -> None:
    deadline_at = builder.now + builder.time_limit_s(step)
    if step.node in builder.unhealthy:
        builder.change(step, deadline_at=deadline_at)  # not its fault: the broker keeps the command
    elif step.compensation_tries >= builder.policy.max_tries:
        _park(builder, step, _SILENT)
    else:
        builder.resend(
            step, "no answer in time", compensation_tries=step.compensation_tries + 1, deadline_at=deadline_at
        )


def _park(builder: DecisionBuilder, step: Step, why: str) -> None:
    builder.settle(step, state="parked", error=why)
    builder.note(
        "parked", step, f"{why}, after {step.compensation_tries} {'try' if step.compensation_tries == 1 else 'tries'}"
    )
