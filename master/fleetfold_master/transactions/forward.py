"""Forward progress: each step runs when those before it are done, until all are, or one has failed permanently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleetfold_master.transactions.abandoned_commands import ABANDONED
from fleetfold_master.transactions.backward import ask_whether_it_ran, wait_for_compensation
from fleetfold_master.transactions.decision_builder import FAILED, DecisionBuilder
from fleetfold_master.transactions.model import Step, effect_of, forward_id
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import CommandResult, StepState
from fleetfold_shared.query.predicates import predicate, reach

__all__ = ["abandon", "go_forward", "take_forward"]


def go_forward(builder: DecisionBuilder) -> None:
    """Begin the steps that are ready, and watch those in flight. After a failure nothing new begins, and the steps in
    flight finish before anything follows from it."""
    for step in builder.in_order():
        _drive_step(builder, step)
    if builder.failing():
        for step in builder.in_order():
            _give_up_waiting(builder, step)
    _conclude(builder)


def abandon(builder: DecisionBuilder, why: str) -> None:
    """Start compensation now: commands in flight are compensated by their ids, whether they have run or not."""
    for step in builder.in_order():
        if step.state == "running":
            builder.settle(step, state="unknown" if step.possibly_applied else "failed", error=why)
            builder.note(ABANDONED, step, why)
    _start_compensation(builder, why)


def take_forward(builder: DecisionBuilder, step: Step, result: CommandResult) -> None:
    """Process the result of a forward command in flight: done, another try, or failed."""
    step = builder.change(step, runs=(*step.runs[:-1], effect_of(step, result)))
    why = result.error or ""
    if result.outcome == "ok":
        builder.settle(step, state="done", result=result.result, error=None)
        builder.note("done", step)
    elif result.outcome == "no_result" and (step.pivot or builder.past_pivot(step)):
        builder.settle(step, state="done", error=result.error)
        builder.note("done", step, why)
    elif _may_try_again(builder, step, result):
        wait_s = builder.policy.backoff.planned_s(step.tries)
        waiting = builder.settle(step, state="running", error=result.error)
        builder.change(waiting, due_at=builder.now + wait_s)
        builder.note(result.outcome, step, f"{why}; next try in {wait_s:g} s" if why else f"next try in {wait_s:g} s")
    elif builder.past_pivot(step) or (step.pivot and step.possibly_applied):
        builder.settle(step, state="parked", error=result.error or result.outcome)
        builder.note("parked", step, f"{result.outcome}: {why or 'nobody can tell whether it took effect'}")
    else:
        state = _failed_state(step, result)
        builder.settle(step, state=state, error=result.error or result.outcome)
        left = "something of it may be left, and is compensated" if state == "unknown" else ""
        builder.note(result.outcome, step, "; ".join(filter(None, [why, left])))


def _failed_state(step: Step, result: CommandResult) -> StepState:
    if result.outcome == "no_result":
        return "no_result"
    return "unknown" if step.possibly_applied else "failed"


def _conclude(builder: DecisionBuilder) -> None:
    """Decide what follows when nothing is in flight any more."""
    states = {step.state for step in builder.steps()}
    if states & {"running", "compensating"}:
        return
    if "parked" in states:
        why = "a step cannot be finished and what is before it cannot be compensated"
        builder.end("parked", _first_error(builder), why)
    elif states & FAILED:
        _start_compensation(builder, _first_error(builder))
    elif states <= {"done", "skipped"}:
        builder.end("committed")


def _start_compensation(builder: DecisionBuilder, error: str) -> None:
    builder.turn("compensating", error)
    builder.note("rolling back", why=error)


def _drive_step(builder: DecisionBuilder, step: Step) -> None:
    if step.state == "waiting":
        _begin_if_ready(builder, step)
    elif step.state == "compensating":  # a pivot that did not answer in time
        wait_for_compensation(builder, step)
    elif step.state == "running" and step.command is None:
        if builder.now >= (step.due_at or 0.0):
            _begin(builder, step)
    elif step.state == "running" and builder.now >= (step.deadline_at or 0.0):
        _over_time(builder, step)
    elif step.state == "running" and builder.now >= (step.due_at or 0.0) and step.node not in builder.unhealthy:
        builder.resend(step, "no answer yet")


def _begin_if_ready(builder: DecisionBuilder, step: Step) -> None:
    before = builder.before(step)
    if builder.failing() or any(each.state not in {"done", "skipped"} for each in before):
        return
    results = {each.name: each.result for each in builder.steps() if each.state == "done"}
    if step.when is not None and not predicate(step.when, _field_of)({"steps": results}):
        builder.settle(step, state="skipped")
        builder.note("skipped", step, "its condition does not hold")
    else:
        _begin(builder, step)


def _field_of(path: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda values: reach(values, path)


def _begin(builder: DecisionBuilder, step: Step) -> None:
    """Send a new forward command; that of a step which waits and has one, as a node has told, is sent again. A step
    whose placeholders cannot be filled in fails without being sent."""
    before = step.runs[:-1] if step.state == "waiting" else step.runs
    number = len(before) + 1
    try:
        builder.send(
            step,
            "sent" if number == 1 else "tried again",
            state="running",
            runs=(*before, None),
            tries=step.tries + 1,
            command=forward_id(step, number),
        )
    except InvalidInput as error:
        builder.settle(step, state="parked" if builder.past_pivot(step) else "failed", error=error.message)
        builder.note("failed", step, f"not sent: {error.message}")


def _over_time(builder: DecisionBuilder, step: Step) -> None:
    """Handle a command over its time limit. It may have run, so the same command is sent again, never a new one."""
    why = f"no answer within {step.timeout_s:g} s"
    if builder.past_pivot(step):
        _over_time_past_pivot(builder, step, why)
    elif step.tries <= _retries(builder, step) and not builder.failing():
        _same_again(builder, step, f"{why}; retry {step.tries} of {_retries(builder, step)}")
    elif step.pivot:
        ask_whether_it_ran(builder, step, why)
    else:
        builder.settle(step, state="unknown", error=why)
        builder.note("timed_out", step, why)


def _over_time_past_pivot(builder: DecisionBuilder, step: Step, why: str) -> None:
    if step.node in builder.unhealthy:
        builder.change(step, deadline_at=builder.now + step.timeout_s)  # not its fault: the broker keeps the command
    elif step.tries >= max(builder.policy.max_tries, step.retries):
        builder.settle(step, state="parked", error=why)
        builder.note("parked", step, f"{why}, {step.tries} times")
    else:
        _same_again(builder, step, why)


def _same_again(builder: DecisionBuilder, step: Step, why: str) -> None:
    builder.resend(step, why, tries=step.tries + 1, deadline_at=builder.now + step.timeout_s)


def _may_try_again(builder: DecisionBuilder, step: Step, result: CommandResult) -> bool:
    """Whether a new try is allowed. Never after `unknown`, nor for a `once` action that may have taken effect: twice
    would be worse than not at all. A command that ran without a result would again have none."""
    if result.outcome in {"unknown", "no_result"} or (
        step.kind == "once" and step.runs[-1] in {"timed_out", "unknown"}
    ):
        return False
    if builder.past_pivot(step):
        return step.tries < max(builder.policy.max_tries, step.retries)
    return result.outcome != "rejected" and step.tries <= _retries(builder, step) and not builder.failing()


def _retries(builder: DecisionBuilder, step: Step) -> int:
    return max(builder.policy.max_tries, step.retries) if step.retriable else step.retries


def _give_up_waiting(builder: DecisionBuilder, step: Step) -> None:
    """Fail a step that waits for its next try when its stage has failed."""
    if step.state == "running" and step.command is None and not builder.past_pivot(step):
        builder.settle(step, state="unknown" if step.possibly_applied else "failed")
        builder.note("failed", step, "no other try: its stage has failed")


def _first_error(builder: DecisionBuilder) -> str:
    bad = next(step for step in builder.in_order() if step.state in FAILED)
    return f"{bad.name}: {bad.error or bad.state}"
