"""Do the books balance? What the fleet says of its transactions against what the children's actions wrote down.

An outcome of which the product says that an operator must decide is no violation, but is counted in `told`:

    outcome                                                it is told by
    -----------------------------------------------------  --------------------------------------------------------
    a transaction is parked whose node had to accept a     its reason
    lost or older ledger, or after an older master.db
    an effect, or its undoing, was in the lost part of a   `nodes reconcile`, which names the command
    ledger's file
    a `once` action was done twice: its ledger was lost    the same: nothing runs before an operator accepts it
    a replaced process ended, when it woke, a command      the audit log (`node.replaced_process`); nobody can call
    that it had begun before                               back what a process does to the world
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bench.chaos_scene import ChaosEffect
from fleetfold_master.transactions.model import forward_id_of
from fleetfold_shared.messages import StepView, TransactionView

__all__ = ["Balance", "Circumstances", "balance"]


class Circumstances(NamedTuple):
    """What happened to the children: whose ledger was `set_back`, which processes were replaced (`zombies`, by pid,
    with the keys of what they had begun), which commands `nodes reconcile` has named (`denied`), and whether the
    masters' database was an older one.
    """

    set_back: Collection[str] = ()
    zombies: Mapping[int, Collection[str]] = {}
    denied: Collection[str] = ()
    restored_master: bool = False


class Balance(NamedTuple):
    """`violations` has a line for each promise that was broken; `told` counts what an operator was told of."""

    violations: list[str]
    told: Counter[str]


def balance(views: Iterable[TransactionView], effects: Iterable[ChaosEffect], circumstances: Circumstances) -> Balance:
    """Compare."""
    by_tx: defaultdict[str, list[ChaosEffect]] = defaultdict(list)
    for effect in sorted(effects, key=lambda effect: effect.at):
        by_tx[effect.tx].append(effect)
    found = Balance([], Counter())
    for view in views:
        _Audit(view, by_tx[view.id], circumstances, found).run()
    return found


class _Audit:
    """The comparison of one transaction."""

    def __init__(
        self, view: TransactionView, effects: Sequence[ChaosEffect], given: Circumstances, found: Balance
    ) -> None:
        self._view, self._given, self._found = view, given, found
        self._late = [effect for effect in effects if effect.key in given.zombies.get(effect.pid, ())]
        self._effects = effects

    def run(self) -> None:
        if self._view.state == "parked":
            self._parked()
        elif self._view.state not in {"committed", "rolled_back"}:
            steps = ", ".join(f"{step.name} on {step.node} {step.state}" for step in self._view.steps)
            self._broken(f"it has not ended, and is {self._view.state}: {self._view.error}; {steps}")
            return
        for step in self._view.steps:
            self._step(step)
        for line in _order([one for one in self._effects if one not in self._late and not self._excused(one.child)]):
            self._broken(line)

    def _parked(self) -> None:
        if self._given.restored_master or any(self._excused(step.node) for step in self._view.steps):
            self._told("parked")
        else:
            self._broken(f"it is parked: {self._view.error}")

    def _step(self, step: StepView) -> None:
        done, undone = self._count(step, "do"), self._count(step, "undo")
        wrong = done > 1
        if self._view.state == "committed":
            wrong |= (done, undone) != (1, 0)
        if self._view.state == "rolled_back":
            wrong |= done != undone
        if not wrong:
            return
        if why := self._explanation(step, done):
            self._told(why)
            return
        self._broken(
            f"{self._view.state}, and {step.name} ({step.action} on {step.node}) was done {done} times"
            f" and undone {undone} times"
        )

    def _explanation(self, step: StepView, done: int) -> str:
        """What an operator was told that explains it; empty for a violation."""
        if any(effect.step == step.name for effect in self._late):
            return "done by a replaced process"
        if not self._excused(step.node):
            return ""
        if step.action == "enter":
            return "lost with a ledger, named by reconcile" if self._is_denied(step) else ""
        return "once, done again after a lost ledger" if step.action == "phone" and done > 1 else ""

    def _is_denied(self, step: StepView) -> bool:
        """Whether its forward command or its compensation was named."""
        forward = forward_id_of(self._view.id, step.name, 1)
        stems = (forward, f"{forward.removesuffix('f')}c")
        return any(one.startswith(stem) for one in self._given.denied for stem in stems)

    def _excused(self, node: str) -> bool:
        return node in self._given.set_back

    def _count(self, step: StepView, what: str) -> int:
        return sum((effect.step, effect.what) == (step.name, what) for effect in self._effects)

    def _told(self, why: str) -> None:
        self._found.told[why] += 1

    def _broken(self, line: str) -> None:
        self._found.violations.append(f"{self._view.id}: {line}")


def _order(effects: Sequence[ChaosEffect]) -> Iterator[str]:
    forward = [effect.stage for effect in effects if effect.what == "do"]
    backward = [effect.stage for effect in effects if effect.what == "undo"]
    if forward != sorted(forward):
        yield f"its stages were done in the order {forward}"
    if backward != sorted(backward, reverse=True):
        yield f"its stages were undone in the order {backward}"
