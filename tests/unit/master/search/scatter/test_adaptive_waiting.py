"""How long a search waits: for whom, and until when."""

from __future__ import annotations

from collections import defaultdict

import pytest

from fleetfold_master.nodes import RoundTripEstimator
from fleetfold_master.search.scatter.adaptive_waiting import LEAST_WAIT_S, AdaptiveWaiting, PendingNode

TIMEOUT_S = 2.0


class Story:
    """A search of nodes that usually take 10 ms, told by what happens when."""

    def __init__(self, *pending: PendingNode, patient: bool = False, max_parallel: int | None = None) -> None:
        self.round_trips: defaultdict[str, RoundTripEstimator] = defaultdict(RoundTripEstimator)
        self.waiting = AdaptiveWaiting(
            pending, TIMEOUT_S, self.round_trips.__getitem__, patient=patient, max_parallel=max_parallel
        )

    def usually(self, node: str, seconds: float) -> None:
        for _ in range(60):
            self.round_trips[node].took(seconds)

    def due(self, now: float = 0.0) -> list[str]:
        return self.waiting.due(now)

    def came(self, now: float, *nodes: str, good: bool = True) -> bool:
        return [self.waiting.answered(node, now, good=good) for node in nodes][-1]


def even(names: str, trial: str = "") -> list[PendingNode]:
    return [PendingNode(name, 1 / len(names), trial=name in trial) for name in names]


def test_all_are_asked_at_once_and_waited_for_until_the_deadline() -> None:
    story = Story(*even("abcde"))
    assert story.due() == [*"abcde"]
    story.came(0.01, *"abc")
    assert story.waiting.until(0.01) == TIMEOUT_S


def test_the_search_ends_with_the_last_answer() -> None:
    story = Story(*even("abc"))
    story.due()
    assert story.came(0.01, *"abc")
    assert story.waiting.until(0.01) is None


def test_when_most_has_come_the_rest_gets_as_long_again() -> None:
    story = Story(*even("abcde"))
    story.due()
    story.usually("e", 0.01)
    assert story.came(0.3, *"abcd")
    assert story.waiting.until(0.3) == pytest.approx(0.6)


def test_a_pause_of_the_machine_costs_nobody_his_place() -> None:
    story = Story(*even("abcde"))
    story.due()
    story.usually("e", 0.001)
    story.came(0.002, *"abcd")
    assert story.waiting.until(0.002) == pytest.approx(0.002 + LEAST_WAIT_S)


def test_a_node_that_is_always_slow_is_given_its_usual_time() -> None:
    story = Story(*even("abcde"))
    story.due()
    story.usually("e", 0.7)
    story.came(0.002, *"abcd")
    assert story.waiting.until(0.002) == pytest.approx(0.7, abs=0.01)


def test_usual_slowness_costs_half_of_the_time_at_most() -> None:
    story = Story(*even("abcde"))
    story.due()
    story.usually("e", 5.0)
    story.came(0.002, *"abcd")
    assert story.waiting.until(0.002) == TIMEOUT_S / 2


def test_who_has_failed_for_good_is_not_waited_for() -> None:
    story = Story(*even("ab"))
    story.due()
    story.came(0.01, "a")
    assert story.came(0.02, "b", good=False)
    assert story.waiting.until(0.02) is None


def test_the_expected_relevance_decides_not_the_number_of_nodes() -> None:
    story = Story(PendingNode("big", 0.9), PendingNode("small", 0.1))
    story.due()
    story.usually("small", 0.01)
    story.came(0.01, "big")
    assert story.waiting.until(0.01) == pytest.approx(0.01 + LEAST_WAIT_S)


def test_who_needs_every_answer_waits_until_the_deadline() -> None:
    story = Story(*even("abcdefghij"), patient=True)
    story.due()
    story.came(0.01, *"abcdefghi")
    assert story.waiting.until(0.01) == TIMEOUT_S


def test_a_trial_adds_a_moment_only() -> None:
    story = Story(*even("abcd", trial="d"))
    assert set(story.due()) == set("abcd")
    assert story.came(0.02, *"abc")
    assert story.waiting.until(0.02) == pytest.approx(0.04)


def test_where_all_are_trials_they_get_half_of_the_time() -> None:
    story = Story(*even("ab", trial="ab"))
    story.due()
    assert story.waiting.until(0.0) == TIMEOUT_S / 2


def test_no_more_than_max_parallel_are_asked_at_once_the_likeliest_first() -> None:
    shares = {"a": 0.1, "b": 0.6, "c": 0.3}
    story = Story(*(PendingNode(name, share) for name, share in shares.items()), max_parallel=1)
    assert story.due() == ["b"]
    assert story.due(0.01) == []
    story.came(0.02, "b")
    assert story.due(0.02) == ["c"]
    assert story.waiting.until(0.02) < TIMEOUT_S  # type: ignore[operator]


def test_one_that_hangs_gives_its_place_to_the_next_after_its_usual_time() -> None:
    story = Story(*even("ab"), max_parallel=1)
    story.usually("a", 0.2)
    assert story.due() == ["a"]
    moment = story.waiting.until(0.0)
    assert moment == pytest.approx(0.2, abs=0.01)
    assert story.due(moment or 0.0) == ["b"]
    story.came(0.4, "a")
    assert story.waiting.pending[0].answered
