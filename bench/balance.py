"""Do the books balance? What the fleet says of its transactions against what the children's actions wrote down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from fleetfold_shared.messages import StepView, TransactionView
from support.storm import Effect

__all__ = ["violations"]


def violations(views: Iterable[TransactionView], effects: Iterable[Effect]) -> list[str]:
    """A line for each promise that was broken; none is what is wanted."""
    by_tx: defaultdict[str, list[Effect]] = defaultdict(list)
    for effect in sorted(effects, key=lambda effect: effect.at):
        by_tx[effect.tx].append(effect)
    return [f"{view.id}: {line}" for view in views for line in _broken(view, by_tx[view.id])]


def _broken(view: TransactionView, effects: Sequence[Effect]) -> Iterator[str]:
    if view.state not in {"committed", "rolled_back"}:
        yield f"it is {view.state}: {view.error}"
        return
    for step in view.steps:
        yield from _step(view, step, [effect for effect in effects if effect.step == step.name])
    yield from _order(effects)


def _step(view: TransactionView, step: StepView, effects: Sequence[Effect]) -> Iterator[str]:
    done, undone = (sum(effect.what == what for effect in effects) for what in ("do", "undo"))
    if view.state == "committed" and (done, undone) != (1, 0):
        yield f"committed, and {step.name} ({step.action}) was done {done} times and undone {undone} times"
    if view.state == "rolled_back" and done != undone:
        yield f"rolled back, and {step.name} ({step.action}) was done {done} times and undone {undone} times"
    if done > 1:
        yield f"{step.name} ({step.action}) took effect {done} times"


def _order(effects: Sequence[Effect]) -> Iterator[str]:
    forward = [effect.stage for effect in effects if effect.what == "do"]
    backward = [effect.stage for effect in effects if effect.what == "undo"]
    if forward != sorted(forward):
        yield f"its stages were done in the order {forward}"
    if backward != sorted(backward, reverse=True):
        yield f"its stages were undone in the order {backward}"
