"""`advance` under every order of answers, duplicates, losses and deaths: what a transaction promises, it keeps."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from fleetfold_master.transactions import Decision, Policy, Step, Tx, advance, apply_result, redrive
from fleetfold_master.transactions.model import parse_id
from fleetfold_shared.messages import ActionKind, Command, CommandResult, Outcome, Rollback
from support.effort import effort
from support.ledgers import Ledgers

NODES = ("shop", "crm", "blog")
KINDS: tuple[ActionKind, ...] = ("transactional", "idempotent", "once")
CALM: list[Outcome] = ["ok"]
GENTLE: list[Outcome] = ["ok", "ok", "ok", "failed"]
ROUGH: list[Outcome] = ["ok", "ok", "ok", "failed", "rejected", "timed_out", "unknown"]


@st.composite
def plans(draw: st.DrawFn) -> tuple[Step, ...]:
    """One to four stages of one to three steps; perhaps with a pivot, alone in its stage and without a rollback."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    pivot_stage = draw(st.none() | st.integers(0, len(sizes) - 1))
    steps: list[Step] = []
    for stage, size in enumerate(sizes):
        pivot = stage == pivot_stage
        for _ in range(1 if pivot else size):
            compensable = not pivot and draw(st.integers(0, 4)) > 0
            steps.append(
                Step(
                    tx="t1",
                    name=f"s{len(steps)}",
                    position=len(steps),
                    stage=stage,
                    node=draw(st.sampled_from(NODES)),
                    action="do",
                    kind=draw(st.sampled_from(KINDS)),
                    params={},
                    rollback=Rollback("undo") if compensable else None,
                    timeout_s=draw(st.sampled_from((2.0, 30.0))),
                    retries=draw(st.integers(0, 2)),
                    pivot=pivot,
                )
            )
    return tuple(steps)


@dataclass
class World:
    """A master's rows, a broker that mixes, loses and repeats, and the ledgers."""

    steps: tuple[Step, ...]
    ledgers: Ledgers
    rng: random.Random
    tx: Tx = field(default_factory=lambda: Tx(id="t1", digest="", name="", caller="ann", created_at=0.0))
    now: float = 0.0
    ill: set[str] = field(default_factory=set)
    queue: list[tuple[str, Command]] = field(default_factory=list)
    results: list[tuple[str, CommandResult]] = field(default_factory=list)
    sends: set[tuple[str, int]] = field(default_factory=set)

    def take(self, decision: Decision, *, dies_before_sending: bool = False) -> None:
        """Commit the rows; then send, unless the master dies in between."""
        before, after = self.tx, decision.tx
        if before.ended:
            assert not decision.commands, "a command after the end"
            assert after.state == before.state
        for outgoing in decision.commands:
            self._check_command(decision, outgoing.command)
        self.tx, self.steps = after, decision.steps
        if not dies_before_sending:
            self.queue += [(outgoing.node, outgoing.command) for outgoing in decision.commands]

    def _check_command(self, decision: Decision, command: Command) -> None:
        assert (command.id, command.attempt) not in self.sends, "a re-send with the same message id"
        self.sends.add((command.id, command.attempt))
        address = parse_id(command.id)
        assert address is not None
        mine = next(step for step in decision.steps if step.name == address.step)
        if address.forward or mine.pivot:
            return
        assert not any(step.state == "running" for step in decision.steps), "undone before its siblings settled"
        later = {step.state for step in decision.steps if step.stage > mine.stage}
        assert later <= {"compensated", "skipped", "failed"}, "undone before a later stage"

    def sweep(self) -> None:
        self.take(advance(self.tx, self.steps, self.now, unhealthy=self.ill))

    def deliver_command(self, *, keep: bool) -> None:
        index = self.rng.randrange(len(self.queue))
        node, command = self.queue[index]
        if node in self.ill:
            return
        if not keep:
            self.queue.pop(index)
        if (result := self.ledgers.handle(command)) is not None:
            self.results.append((node, result))

    def deliver_result(self, *, keep: bool, dies: bool) -> None:
        index = self.rng.randrange(len(self.results))
        node, result = self.results[index] if keep else self.results.pop(index)
        decision = apply_result(self.tx, self.steps, node, result, self.now, unhealthy=self.ill)
        self.take(decision, dies_before_sending=dies)
        if dies:
            self.take(redrive(self.tx, self.steps, self.now, takeover=True))

    def misbehave(self) -> None:
        """One thing of all that can happen."""
        choice = self.rng.randrange(9)
        if choice <= 2 and self.queue:
            self.deliver_command(keep=choice == 0)
        elif choice <= 5 and self.results:
            self.deliver_result(keep=choice == 3, dies=choice == 4)
        elif choice == 6:
            self.now += self.rng.choice((0.5, 3.0, 10.0, 40.0))
            self.sweep()
        elif choice == 7:
            self.ill ^= {self.rng.choice(NODES)}
        elif choice == 8:
            self._lose()

    def _lose(self) -> None:
        kind = self.rng.randrange(3)
        if kind == 0:
            self.queue.clear()
            self.results.clear()
            self.take(redrive(self.tx, self.steps, self.now, takeover=False))
        elif kind == 1 and self.queue:
            self.queue.pop(self.rng.randrange(len(self.queue)))
        elif kind == 2 and self.results:
            self.results.pop(self.rng.randrange(len(self.results)))

    def calm_down(self) -> None:
        """The network is well again: everything arrives, in order, and time goes on."""
        self.ill = set()
        for _ in range(600):
            while self.queue or self.results:
                if self.queue:
                    node, command = self.queue.pop(0)
                    if (answer := self.ledgers.handle(command)) is not None:
                        self.results.append((node, answer))
                while self.results:
                    self.take(apply_result(self.tx, self.steps, *self.results.pop(0), self.now))
            if self.tx.ended:
                return
            self.now += 1.0
            self.sweep()
        raise AssertionError(f"still {self.tx.state} after ten calm minutes: {self.steps}")


def _live(steps: tuple[Step, ...], rng: random.Random, odds: list[Outcome], troubles: int) -> World:
    world = World(steps, Ledgers({step.name: step for step in steps}, rng, odds), rng)
    world.sweep()
    for _ in range(troubles):
        world.misbehave()
    return world


def _check_end(world: World) -> None:
    effects = world.ledgers.effects
    passed = [step for step in world.steps if step.pivot and step.state == "done"]
    if world.tx.state == "committed":
        assert all(step.state == "done" for step in world.steps)
        assert {step.name: effects.get(step.name, 0) for step in world.steps} == {step.name: 1 for step in world.steps}
    elif world.tx.state == "rolled_back":
        assert not passed, "rolled back after the point of no return"
        assert [step for step in world.steps if step.rollback and effects.get(step.name, 0)] == []
        assert not any(effects.get(step.name, 0) for step in world.steps if step.pivot)
    else:
        assert world.tx.state == "parked"
        assert any(step.state == "parked" for step in world.steps)


SETTINGS = settings(max_examples=effort(80), suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(plans(), st.randoms(use_true_random=False), st.integers(0, 60))
def test_every_transaction_ends_whole_or_undone_or_parked(
    steps: tuple[Step, ...], rng: random.Random, troubles: int
) -> None:
    world = _live(steps, rng, ROUGH, troubles)
    leftovers = list(world.queue)
    world.calm_down()
    event(world.tx.state)
    _check_end(world)
    world.queue = leftovers  # what a slow broker still held arrives after the end
    world.calm_down()
    _check_end(world)


@SETTINGS
@given(plans(), st.randoms(use_true_random=False), st.integers(0, Policy().max_tries - 1))
def test_an_operator_is_not_called_for_what_trying_again_can_mend(
    steps: tuple[Step, ...], rng: random.Random, troubles: int
) -> None:
    world = _live(steps, rng, GENTLE, troubles)
    world.ledgers.odds = CALM
    world.calm_down()
    _check_end(world)
    assert world.tx.state != "parked"


@SETTINGS
@given(plans(), st.randoms(use_true_random=False))
def test_where_nothing_fails_everything_is_committed(steps: tuple[Step, ...], rng: random.Random) -> None:
    world = _live(steps, rng, CALM, 0)
    world.calm_down()
    assert world.tx.state == "committed"
    assert world.ledgers.undone == []
