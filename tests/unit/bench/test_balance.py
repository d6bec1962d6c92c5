"""What the chaos benchmark counts as a violation, and what as told."""

from __future__ import annotations

import pytest
from bench.balance import Circumstances, balance
from bench.chaos_scene import ChaosEffect

from fleetfold_shared.messages import StepView, TransactionState, TransactionView

SET_BACK = Circumstances(set_back={"shop"})


def view(state: TransactionState, action: str = "post") -> TransactionView:
    """A transaction of one step on `shop`."""
    step = StepView("s", "shop", action, 0, "done")
    return TransactionView(id="tx", name="", state=state, steps=[step], timeline=[], caller="ann", created_at=0.0)


def effects(*kinds: str, pid: int = 1) -> list[ChaosEffect]:
    return [
        ChaosEffect("shop", "tx", "s", 0, what, f"t.tx.s.{'f' if what == 'do' else 'c'}", at, pid)
        for at, what in enumerate(kinds)
    ]


@pytest.mark.parametrize(
    ("state", "done"), [("committed", ["do"]), ("rolled_back", []), ("rolled_back", ["do", "undo"])]
)
def test_books_that_balance(state: TransactionState, done: list[str]) -> None:
    found = balance([view(state)], effects(*done), Circumstances())
    assert (found.violations, found.told) == ([], {})


@pytest.mark.parametrize(
    ("state", "done"),
    [
        ("committed", []),
        ("committed", ["do", "do"]),
        ("committed", ["do", "undo"]),
        ("rolled_back", ["do"]),
        ("running", []),
        ("parked", []),
    ],
)
def test_what_is_missing_twice_or_not_undone_is_a_violation(state: TransactionState, done: list[str]) -> None:
    [line] = balance([view(state)], effects(*done), Circumstances()).violations
    assert line.startswith("tx: ")


@pytest.mark.parametrize(
    ("state", "action", "done", "given", "why"),
    [
        ("parked", "enter", ["do"], SET_BACK, "parked"),
        ("committed", "enter", [], SET_BACK._replace(denied={"t.tx.s.f"}), "lost with a ledger, named by reconcile"),
        (
            "rolled_back",
            "enter",
            ["do"],
            SET_BACK._replace(denied={"t.tx.s.c"}),
            "lost with a ledger, named by reconcile",
        ),
        ("committed", "phone", ["do", "do"], SET_BACK, "once, done again after a lost ledger"),
        ("rolled_back", "post", ["do"], Circumstances(zombies={1: {"t.tx.s.f"}}), "done by a replaced process"),
    ],
)
def test_what_an_operator_was_told_is_counted(
    state: TransactionState, action: str, done: list[str], given: Circumstances, why: str
) -> None:
    found = balance([view(state, action)], effects(*done), given)
    assert (found.violations, found.told) == ([], {why: 1})


@pytest.mark.parametrize(
    ("state", "action", "done", "given"),
    [
        ("committed", "enter", [], SET_BACK),
        ("committed", "post", [], SET_BACK),
        ("committed", "wire", ["do", "do"], SET_BACK),
        ("rolled_back", "post", ["do"], Circumstances(zombies={1: {"t.tx.other.f"}})),
        ("rolled_back", "post", ["do"], Circumstances(zombies={2: {"t.tx.s.f"}})),
    ],
    ids=["not named", "in the world", "its check knew", "not begun by it", "another process"],
)
def test_a_fault_excuses_nothing_else(
    state: TransactionState, action: str, done: list[str], given: Circumstances
) -> None:
    assert len(balance([view(state, action)], effects(*done), given).violations) == 1
