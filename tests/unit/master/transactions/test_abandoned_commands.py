"""Which commands may be stopped: those that a whole transaction has given up, and no others."""

from __future__ import annotations

import msgspec

from fleetfold_master.transactions.abandoned_commands import Abandoned, abandoned_commands
from fleetfold_master.transactions.advance import advance, apply_result, begin, cancel
from fleetfold_master.transactions.model import Decision, Step, Tx
from fleetfold_shared.messages import CommandResult, Rollback

NOW = 1000.0


def _begun(**changes: object) -> Decision:
    """Two steps at once, and one after them."""
    base = Step(
        tx="t", name="", position=0, stage=1, node="", action="do", kind="idempotent", params={},
        rollback=Rollback(action="undo"), timeout_s=30.0, retries=0, pivot=False,
    )  # fmt: skip
    steps = [
        msgspec.structs.replace(base, name=name, node=f"node-{name}", position=at, stage=stage)
        for at, (name, stage) in enumerate((("a", 1), ("b", 1), ("c", 2)))
    ]
    tx = Tx(id="t", digest="", name="", caller="ann", created_at=NOW, **changes)  # type: ignore[arg-type]
    return begin(tx, steps, NOW)


def _answer(command: str, outcome: str) -> CommandResult:
    return CommandResult(id=command, attempt=1, epoch=1, outcome=outcome)  # type: ignore[arg-type]


A, B = Abandoned("node-a", "t.t.a.f", NOW), Abandoned("node-b", "t.t.b.f", NOW)


def test_a_cancelled_transaction_gives_up_what_is_under_way_and_only_that() -> None:
    begun = _begun()
    assert abandoned_commands((), begun) == []
    assert abandoned_commands(begun.steps, cancel(begun.tx, begun.steps, "ann", NOW + 1)) == [A, B]
    one = apply_result(begun.tx, begun.steps, "node-a", _answer("t.t.a.f", "ok"), NOW + 1)
    assert abandoned_commands(begun.steps, one) == []
    assert abandoned_commands(one.steps, cancel(one.tx, one.steps, "ann", NOW + 2)) == [B]


def test_one_that_is_out_of_time_does_too() -> None:
    begun = _begun(deadline_at=NOW + 10)
    assert abandoned_commands(begun.steps, advance(begun.tx, begun.steps, NOW + 10)) == [A, B]


def test_a_failure_leaves_its_siblings_alone_and_so_does_a_step_that_is_late() -> None:
    begun = _begun()
    failed = apply_result(begun.tx, begun.steps, "node-a", _answer("t.t.a.f", "failed"), NOW + 1)
    assert abandoned_commands(begun.steps, failed) == []
    turned = apply_result(failed.tx, failed.steps, "node-b", _answer("t.t.b.f", "ok"), NOW + 1)
    assert turned.tx.state == "compensating"
    assert abandoned_commands(failed.steps, turned) == []
    assert abandoned_commands(begun.steps, advance(begun.tx, begun.steps, NOW + 30)) == []
