"""Going forward: each step when those before it are done, until all are, or something has failed for good."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleetfold_master.transactions.abandoned import GIVEN_UP
from fleetfold_master.transactions.backward import ask_whether_it_ran, wait_for_undo
from fleetfold_master.transactions.decision_builder import FAILED, DecisionBuilder
from fleetfold_master.transactions.model import Step, effect_of, forward_id
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import CommandResult, StepState
from fleetfold_shared.query.predicates import predicate, reach

__all__ = ["abandon", "go_forward", "take_forward"]


def go_forward(draft: DecisionBuilder) -> None:
    """Begin what is ready, and look after what is under way. Once something has failed nothing new begins, and what is
    under way settles before anything follows from it.
    """
    for step in draft.in_order():
        _drive_step(draft, step)
    if draft.failing():
        for step in draft.in_order():
            _give_up_waiting(draft, step)
    _conclude(draft)


def abandon(draft: DecisionBuilder, why: str) -> None:
    """Turn back now: what is under way is undone by its id, whether it has run or not."""
    for step in draft.in_order():
        if step.state == "running":
            draft.settle(step, state="unknown" if step.suspects else "failed", error=why)
            draft.note(GIVEN_UP, step, why)
    _turn_back(draft, why)


def take_forward(draft: DecisionBuilder, step: Step, result: CommandResult) -> None:
    """The answer to a forward command in flight: done, another try, or the end of this step."""
    step = draft.change(step, runs=(*step.runs[:-1], effect_of(step, result)))
    why = result.error or ""
    if result.outcome == "ok":
        draft.settle(step, state="done", result=result.result, error=None)
        draft.note("done", step)
    elif result.outcome == "no_result" and (step.pivot or draft.past_pivot(step)):
        draft.settle(step, state="done", error=result.error)
        draft.note("done", step, why)
    elif _may_try_again(draft, step, result):
        wait_s = draft.policy.backoff(step.tries)
        waiting = draft.settle(step, state="running", error=result.error)
        draft.change(waiting, due_at=draft.now + wait_s)
        draft.note(result.outcome, step, f"{why}; next try in {wait_s:g} s" if why else f"next try in {wait_s:g} s")
    elif draft.past_pivot(step) or (step.pivot and step.suspects):
        draft.settle(step, state="parked", error=result.error or result.outcome)
        draft.note("parked", step, f"{result.outcome}: {why or 'nobody can tell whether it took effect'}")
    else:
        state = _failed_state(step, result)
        draft.settle(step, state=state, error=result.error or result.outcome)
        left = "something of it may be left, and is undone" if state == "unknown" else ""
        draft.note(result.outcome, step, "; ".join(filter(None, [why, left])))


def _failed_state(step: Step, result: CommandResult) -> StepState:
    if result.outcome == "no_result":
        return "no_result"
    return "unknown" if step.suspects else "failed"


def _conclude(draft: DecisionBuilder) -> None:
    """What follows when nothing is under way any more."""
    states = {step.state for step in draft.steps()}
    if states & {"running", "compensating"}:
        return
    if "parked" in states:
        why = "a step cannot be finished and what is before it cannot be undone"
        draft.end("parked", _first_error(draft), why)
    elif states & FAILED:
        _turn_back(draft, _first_error(draft))
    elif states <= {"done", "skipped"}:
        draft.end("committed")


def _turn_back(draft: DecisionBuilder, error: str) -> None:
    draft.turn("compensating", error)
    draft.note("rolling back", why=error)


def _drive_step(draft: DecisionBuilder, step: Step) -> None:
    if step.state == "waiting":
        _begin_if_ready(draft, step)
    elif step.state == "compensating":  # a pivot that did not answer in time
        wait_for_undo(draft, step)
    elif step.state == "running" and step.command is None:
        if draft.now >= (step.due_at or 0.0):
            _begin(draft, step)
    elif step.state == "running" and draft.now >= (step.deadline_at or 0.0):
        _over_time(draft, step)
    elif step.state == "running" and draft.now >= (step.due_at or 0.0) and step.node not in draft.ill:
        draft.resend(step, "no answer yet")


def _begin_if_ready(draft: DecisionBuilder, step: Step) -> None:
    before = draft.before(step)
    if draft.failing() or any(each.state not in {"done", "skipped"} for each in before):
        return
    results = {each.name: each.result for each in draft.steps() if each.state == "done"}
    if step.when is not None and not predicate(step.when, _field_of)({"steps": results}):
        draft.settle(step, state="skipped")
        draft.note("skipped", step, "its condition does not hold")
    else:
        _begin(draft, step)


def _field_of(path: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda values: reach(values, path)


def _begin(draft: DecisionBuilder, step: Step) -> None:
    """Send a new forward command; a step whose placeholders lead nowhere fails without being sent."""
    number = len(step.runs) + 1
    try:
        draft.send(
            step,
            "sent" if number == 1 else "tried again",
            state="running",
            runs=(*step.runs, None),
            tries=step.tries + 1,
            command=forward_id(step, number),
        )
    except InvalidInput as error:
        draft.settle(step, state="parked" if draft.past_pivot(step) else "failed", error=error.message)
        draft.note("failed", step, f"not sent: {error.message}")


def _over_time(draft: DecisionBuilder, step: Step) -> None:
    """No answer in time. It may have run all the same, so the same command is sent again, never a new one."""
    why = f"no answer within {step.timeout_s:g} s"
    if draft.past_pivot(step):
        _over_time_past_pivot(draft, step, why)
    elif step.tries <= _retries(draft, step) and not draft.failing():
        _same_again(draft, step, f"{why}; retry {step.tries} of {_retries(draft, step)}")
    elif step.pivot:
        ask_whether_it_ran(draft, step, why)
    else:
        draft.settle(step, state="unknown", error=why)
        draft.note("timed_out", step, why)


def _over_time_past_pivot(draft: DecisionBuilder, step: Step, why: str) -> None:
    if step.node in draft.ill:
        draft.change(step, deadline_at=draft.now + step.timeout_s)  # not its fault: the broker keeps the command
    elif step.tries >= max(draft.policy.max_tries, step.retries):
        draft.settle(step, state="parked", error=why)
        draft.note("parked", step, f"{why}, {step.tries} times")
    else:
        _same_again(draft, step, why)


def _same_again(draft: DecisionBuilder, step: Step, why: str) -> None:
    draft.resend(step, why, tries=step.tries + 1, deadline_at=draft.now + step.timeout_s)


def _may_try_again(draft: DecisionBuilder, step: Step, result: CommandResult) -> bool:
    """Never after `unknown`, nor a `once` action that may have had its effect: twice would be worse than not at all.
    What ran and has no result would have none again.
    """
    if result.outcome in {"unknown", "no_result"} or (
        step.kind == "once" and step.runs[-1] in {"timed_out", "unknown"}
    ):
        return False
    if draft.past_pivot(step):
        return step.tries < max(draft.policy.max_tries, step.retries)
    return result.outcome != "rejected" and step.tries <= _retries(draft, step) and not draft.failing()


def _retries(draft: DecisionBuilder, step: Step) -> int:
    return max(draft.policy.max_tries, step.retries) if step.retriable else step.retries


def _give_up_waiting(draft: DecisionBuilder, step: Step) -> None:
    """A step that waits for its next try has none when its stage has failed."""
    if step.state == "running" and step.command is None and not draft.past_pivot(step):
        draft.settle(step, state="unknown" if step.suspects else "failed")
        draft.note("failed", step, "no other try: its stage has failed")


def _first_error(draft: DecisionBuilder) -> str:
    bad = next(step for step in draft.in_order() if step.state in FAILED)
    return f"{bad.name}: {bad.error or bad.state}"
