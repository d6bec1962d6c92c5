"""The governor's slots: never more out than there are, nobody overtakes, and nothing is held for ever."""

from __future__ import annotations

from math import inf

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fleetfold_master.jobs.action_concurrency import ConcurrencyLimit


def test_an_action_without_slots_is_not_held_up() -> None:
    slots = ConcurrencyLimit()
    assert slots.take("x", "j1", ["a", "b"]) == 2
    assert "x" not in slots


def test_those_that_came_first_begin_first() -> None:
    slots = ConcurrencyLimit()
    assert slots.open("x", 2)
    assert not slots.open("x", 2)
    assert slots.take("x", "j1", ["a", "b", "c"]) == 2
    assert slots.take("x", "j2", ["d"]) == 0
    slots.free("x", ["a"])
    assert slots.take("x", "j2", ["d"]) == 0, "j1 stands before it"
    assert slots.next("x") == "j1"
    assert slots.take("x", "j1", ["c"]) == 1
    assert slots.next("x") is None
    slots.free("x", ["b"])
    assert slots.next("x") == "j2"
    slots.leave("x", "j2")
    assert slots.next("x") is None


def test_what_was_given_up_is_free_again_when_its_lease_is_over() -> None:
    slots = ConcurrencyLimit()
    slots.open("x", 1)
    slots.take("x", "j1", ["a"])
    slots.take("x", "j2", ["b"])
    slots.hold("x", "a", until=160.0)
    assert slots.expire(159.9) == []
    assert slots.expire(160.0) == ["x"]
    assert slots.next("x") == "j2"


def test_slots_that_were_taken_away_are_waited_for_and_no_limit_means_none() -> None:
    slots = ConcurrencyLimit()
    slots.open("x", 3)
    slots.take("x", "j1", ["a", "b", "c"])
    slots.open("x", 1)
    slots.free("x", ["a", "b"])
    assert slots.take("x", "j2", ["d"]) == 0
    slots.open("x", None)
    assert slots.next("x") == "j2"
    assert slots.take("x", "j2", ["d"]) == 1


def test_a_share_that_grows_is_taken_by_who_waits() -> None:
    masters = 2
    slots = ConcurrencyLimit(lambda limit: limit // masters)
    slots.open("x", 4)
    assert slots.take("x", "j1", ["a", "b", "c", "d", "e"]) == 2
    assert slots.expire(0.0) == []
    masters = 1
    assert slots.expire(0.0) == ["x"]
    assert slots.take("x", "j1", ["c", "d", "e"]) == 2


class Governor(RuleBasedStateMachine):
    """Jobs come, begin what they may, and end, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = ConcurrencyLimit()
        self.slots.open("x", 3)
        self.waiting: dict[str, list[str]] = {}
        self.out: list[str] = []
        self.count = 0

    @rule(size=st.integers(1, 5))
    def arrive(self, size: int) -> None:
        self.count += 1
        self.waiting[f"j{self.count}"] = [f"j{self.count}.{each}" for each in range(size)]
        self._turn(f"j{self.count}")

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        command = data.draw(st.sampled_from(self.out))
        self.out.remove(command)
        self.slots.free("x", [command])
        while (key := self.slots.next("x")) is not None:
            assert key == next(iter(self.waiting)), "the first that waits"
            self._turn(key)

    @invariant()
    def no_more_are_out_than_there_are_slots(self) -> None:
        assert len(self.out) <= 3

    @invariant()
    def no_slot_is_idle_while_somebody_waits(self) -> None:
        assert not self.waiting or len(self.out) == 3

    def _turn(self, job: str) -> None:
        wanted = self.waiting[job]
        granted = self.slots.take("x", job, wanted)
        self.out += wanted[:granted]
        self.waiting[job] = wanted[granted:]
        if not self.waiting[job]:
            del self.waiting[job]


TestGovernor = Governor.TestCase


def test_what_is_out_already_counts_when_an_action_gets_slots() -> None:
    slots = ConcurrencyLimit()
    slots.hold("x", "a")
    slots.open("x", 1)
    slots.hold("x", "a", inf)
    assert slots.take("x", "j2", ["b"]) == 0
