"""The masters know that a command took effect, and the ledger denies it: it is undone by their copy, or by hand."""

from __future__ import annotations

import msgspec
import pytest

from fleetfold_child.ledger.admission import Admission, Decision, Plan, admit
from fleetfold_child.ledger.compensation import admit_compensation
from fleetfold_child.ledger.ledger_schema import LedgerRow
from fleetfold_shared.messages import ActionKind, CommandResult, ForwardOutcome, Outcome
from support.executors import command, compensation_of


def known(kind: ActionKind = "idempotent", result: object = None, *, sent: bool = True) -> ForwardOutcome:
    return ForwardOutcome(action="order", kind=kind, outcome="ok" if sent else "no_result", result=result)


def row(outcome: Outcome | None, *, starts: int = 1, here: bool = False) -> LedgerRow:
    answer = CommandResult(id="f", attempt=1, epoch=1, outcome=outcome) if outcome else None
    return LedgerRow(
        id="f", action="order", kind="idempotent", state="done" if outcome else "running", starts=starts,
        incarnation="me" if here else "", epoch=1, attempt=1, compensates=None, params="{}", timeout_s=None,
        crashes=0, lone_crashes=0, outcome=outcome, refused=0,
        answer=msgspec.json.encode(answer).decode() if answer else None,
    )  # fmt: skip


def decide(forward: LedgerRow | None, told: ForwardOutcome | None, plan: Plan | None = None) -> Admission:
    sent = msgspec.structs.replace(compensation_of("f", "cancel", epoch=1, order_id="{{order_id}}"), forward=told)
    return admit_compensation(sent, None, forward, None, plan or Plan())


@pytest.mark.parametrize("forward", [None, row(None), row("rejected", starts=0), row("failed"), row("unknown")])
@pytest.mark.parametrize("kind", ["idempotent", "once"])
def test_an_effect_that_the_ledger_lacks_is_undone_by_the_masters_copy(
    forward: LedgerRow | None, kind: ActionKind
) -> None:
    decided = decide(forward, known(kind, {"order_id": "O-7"}))
    assert (decided.decision, decided.params) == (Decision.RUN, {"order_id": "O-7"})
    assert decided.seal is not None
    assert (decided.seal.id, decided.seal.outcome, decided.seal.tombstone) == ("f", "ok", False)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (known("transactional", {"order_id": "O-7"}), "look whether its effect is still in the node's database"),
        (known(result={"id": 7}), "does not fill the rollback: {{order_id}}: there is no 'order_id'; holds id"),
        (known(sent=False), "does not fill the rollback"),
    ],
)
def test_what_the_masters_copy_cannot_undo_is_for_an_operator(told: ForwardOutcome, why: str) -> None:
    decided = decide(None, told)
    assert decided.decision is Decision.SETTLED
    assert decided.result is not None
    assert (decided.result.outcome, decided.result.code) == ("unknown", "ledger_lost")
    assert why in (decided.result.error or "")


def test_a_rollback_without_placeholders_needs_no_result() -> None:
    sent = msgspec.structs.replace(compensation_of("f", "forget", epoch=1), forward=known(sent=False))
    assert admit_compensation(sent, None, None, None, Plan()).decision is Decision.RUN


def test_without_a_word_of_the_masters_the_ledger_decides() -> None:
    decided = decide(None, None)
    assert decided.result is not None
    assert (decided.result.outcome, decided.result.tombstone) == ("ok", True)


def test_the_applications_database_is_asked_first() -> None:
    assert decide(None, known("transactional"), Plan(asks_application=True)).decision is Decision.ASK


def test_a_command_that_runs_here_is_waited_for() -> None:
    assert decide(row(None, here=True), known()).decision is Decision.WAIT


def test_a_command_that_was_undone_does_not_answer_its_old_result() -> None:
    decided = admit(command("f", "order", epoch=1), row("ok"), Plan(compensated=True))
    assert decided.decision is Decision.REPLAY
    assert decided.result is not None
    assert (decided.result.outcome, decided.result.code) == ("rejected", "compensated")
