"""No test asserts how long something took by a real clock, but those that run alone: a busy machine is slow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
CLOCKS = {"time.monotonic", "time.perf_counter", "monotonic", "perf_counter"}


def _asserted_durations(source: str) -> Iterator[int]:
    """The lines that assert on a difference of a real clock's readings."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Assert):
            continue
        for part in ast.walk(node.test):
            if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub) and _reads_clock(part.left):
                yield node.lineno


def _reads_clock(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in CLOCKS


def test_only_tests_that_run_alone_assert_durations() -> None:
    found = [
        f"{file.relative_to(TESTS)}:{line}"
        for file in TESTS.rglob("test_*.py")
        if "mark.alone" not in (source := file.read_text())
        for line in _asserted_durations(source)
    ]
    assert not found, "await an event, count, or compare with another duration of the same run"


@pytest.mark.parametrize(
    ("line", "lines"),
    [("assert time.monotonic() - began < 2", [1]), ("assert monotonic() - began < 2", [1]),
     ("assert clock.monotonic() - began < 2", []), ("assert late == time.monotonic() - 1 or True", [1])],
)  # fmt: skip
def test_a_difference_of_a_real_clock_is_found(line: str, lines: list[int]) -> None:
    assert list(_asserted_durations(line)) == lines
