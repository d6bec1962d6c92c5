"""Going backward: what may have taken effect is undone, what came last first, each forward command by its id.

A node that never ran the command writes a tombstone, so that it never will; one that ran it undoes it with the
result its own ledger holds. A step without a rollback gets only the tombstone. A compensation is not given up while
its node is away; failures and silence of a healthy node are counted, and too many of them park the transaction. One
that is rejected, or of which nobody knows what it did, parks it at once: another try would end the same.
"""

from __future__ import annotations

from fleetfold_master.transactions.decision_builder import DecisionBuilder
from fleetfold_master.transactions.model import Step, forward_id, undo_id
from fleetfold_shared.messages import CommandResult

__all__ = ["ask_whether_it_ran", "go_backward", "take_late_undo", "take_undo", "wait_for_undo"]

_SILENT = "no answer"


def go_backward(draft: DecisionBuilder) -> None:
    """Undo each step when those that came behind it are undone."""
    for step in reversed(draft.in_order()):
        if all(map(_is_undone, draft.behind(step))):
            _drive_step(draft, step)
    steps = draft.steps()
    if any(step.state == "compensating" for step in steps):
        return
    if any(step.state == "parked" for step in steps):
        draft.end("parked", why="a step cannot be undone; those before it are left as they are")
    elif all(map(_is_undone, steps)):
        draft.end("rolled_back")


def take_undo(draft: DecisionBuilder, step: Step, result: CommandResult) -> None:
    """The answer to the compensation in flight."""
    if result.outcome in {"ok", "no_result"}:
        draft.note("never ran" if result.tombstone else "undone" if step.rollback else "had run", step)
        _undone(draft, step, result)
    elif result.outcome in {"unknown", "rejected"} or step.undo_tries >= draft.policy.max_tries:
        _park(draft, step, f"{result.outcome}: {result.error or 'no reason given'}")
    else:
        wait_s = draft.policy.backoff(step.undo_tries)
        draft.change(draft.settle(step, error=result.error), due_at=draft.now + wait_s)
        draft.note(f"undo {result.outcome}", step, f"{result.error or 'no reason given'}; next try in {wait_s:g} s")


def take_late_undo(draft: DecisionBuilder, step: Step, result: CommandResult) -> None:
    """An answer to a compensation that was given up for silence: noted once, for the operator to whom it was left."""
    if step.state == "parked" and step.error == _SILENT and result.id == undo_id(step, step.undo, step.undos):
        why = f"{result.outcome}, after it was given up"
        draft.change(step, error=f"{_SILENT} in time; then {result.outcome}")
        draft.note("late answer", step, f"{why}: {result.error}" if result.error else why)


def wait_for_undo(draft: DecisionBuilder, step: Step) -> None:
    """Look after a compensation on its way: try again, send again, or give up."""
    if step.command is None:
        if draft.now >= (step.due_at or 0.0):
            _send(draft, step, step.undo, "undo tried again")
    elif draft.now >= (step.deadline_at or 0.0):
        _over_time(draft, step)
    elif draft.now >= (step.due_at or 0.0) and step.node not in draft.ill:
        draft.resend(step, "no answer yet")


def ask_whether_it_ran(draft: DecisionBuilder, step: Step, why: str) -> None:
    """A pivot that did not answer: a tombstone says whether it ran, and if not, that it never will."""
    if step.undo_tries >= draft.policy.max_tries:
        _park(draft, step, why)
    else:
        _send(draft, step, len(step.runs), "asked whether it ran", why)


def _is_undone(step: Step) -> bool:
    return step.state in {"compensated", "skipped"} or (
        step.state in {"failed", "unknown", "no_result"} and not step.suspects
    )


def _drive_step(draft: DecisionBuilder, step: Step) -> None:
    if step.state == "compensating":
        wait_for_undo(draft, step)
    elif step.state == "waiting":
        draft.settle(step, state="skipped")
        draft.note("skipped", step, "it was never sent")
    elif step.state in {"done", "unknown", "no_result", "failed"}:
        _undo_next(draft, step)


def _undo_next(draft: DecisionBuilder, step: Step) -> None:
    """Undo the newest forward command that may have left effects; with none left the step is undone."""
    suspects = step.suspects
    if suspects and step.rollback is None and step.runs[suspects[-1] - 1] in {"ok", "no_result"}:
        _skip(draft, step)
    elif suspects:
        _send(draft, step, suspects[-1], "undo sent")
    elif step.state == "compensating":
        draft.settle(step, state="compensated")


def _skip(draft: DecisionBuilder, step: Step) -> None:
    draft.settle(step, state="skipped")
    draft.note("skipped", step, "it ran, and has no rollback")


def _send(draft: DecisionBuilder, step: Step, number: int, what: str, why: str = "") -> None:
    same = step.undo in {0, number}
    undos, tries = (step.undos + 1, step.undo_tries + 1) if same else (1, 1)
    command = undo_id(step, number, undos)
    draft.send(step, what, why, state="compensating", undo=number, undos=undos, undo_tries=tries, command=command)


def _undone(draft: DecisionBuilder, step: Step, result: CommandResult) -> None:
    if step.pivot:
        _pivot_answered(draft, step, result)
    elif step.rollback is None and not result.tombstone:
        _skip(draft, step)
    else:
        _undo_next(draft, draft.settle(step))


def _pivot_answered(draft: DecisionBuilder, step: Step, result: CommandResult) -> None:
    """If the pivot never ran it has failed; if it ran, its ledger gives the answer again to the same command."""
    if not result.tombstone:
        draft.send(step, "asked how it ended", state="running", undo=0, command=forward_id(step, len(step.runs)))
        return
    withdrawn = draft.change(step, runs=(*step.runs[:-1], "rejected"), undo=0)
    if withdrawn.suspects:
        _park(draft, withdrawn, "an earlier try may have taken effect")
    else:
        draft.settle(withdrawn, state="failed", error="no answer in time; withdrawn before it ran")


def _over_time(draft: DecisionBuilder, step: Step) -> None:
    deadline_at = draft.now + draft.patience(step)
    if step.node in draft.ill:
        draft.change(step, deadline_at=deadline_at)  # not its fault: the broker keeps the command
    elif step.undo_tries >= draft.policy.max_tries:
        _park(draft, step, _SILENT)
    else:
        draft.resend(step, "no answer in time", undo_tries=step.undo_tries + 1, deadline_at=deadline_at)


def _park(draft: DecisionBuilder, step: Step, why: str) -> None:
    draft.settle(step, state="parked", error=why)
    draft.note("parked", step, f"{why}, after {step.undo_tries} {'try' if step.undo_tries == 1 else 'tries'}")
