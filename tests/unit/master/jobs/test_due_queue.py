"""When jobs want to be looked at: each once, the earliest first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.jobs import due_queue
from fleetfold_master.jobs.due_queue import DueQueue


def test_the_earliest_time_counts_and_what_is_over_is_not_looked_at() -> None:
    diary = DueQueue()
    for key, at in (("a", 5.0), ("b", 3.0), ("a", 2.0), ("a", 9.0), ("c", 1.0)):
        diary.put(key, at)
    diary.forget("c")
    assert diary.due(4.0, most=1) == ["a"]
    assert diary.due(4.0, most=9) == ["b"]
    assert diary.due(99.0, most=9) == []
    diary.put("a", 9.0)
    assert diary.due(9.0, most=9) == ["a"]


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.floats(0, 100)), max_size=60))
def test_it_agrees_with_a_plain_dictionary(entries: list[tuple[str, float]]) -> None:
    diary, plain = DueQueue(), dict[str, float]()
    for key, at in entries:
        diary.put(key, at)
        plain[key] = min(at, plain.get(key, at))
    assert diary.due(50.0, most=99) == sorted((k for k in plain if plain[k] <= 50.0), key=lambda k: (plain[k], k))


def test_what_is_over_does_not_pile_up() -> None:
    diary = DueQueue()
    for number in range(20_000):
        diary.put(str(number), 1e9)
        diary.forget(str(number))
    assert len(diary._heap) <= due_queue.SLACK + 1
