"""However much the nodes have said, the answer about it fits into one message, and says how it ended."""

from __future__ import annotations

import msgspec
import pytest

from fleetfold_master.answer_budget import ROOM_BYTES, fit_all, fit_job, fit_transaction
from fleetfold_shared.messages import Job, JobNode, StepView, TimelineEntry, TransactionView, encode

LIMIT = 1024 * 1024
LONG = "é\x00" * 5_000


def job(nodes: int, result: object = None, error: str | None = None) -> Job:
    parts = [JobNode(f"node-{number}", "ok", result, error, 1.5) for number in range(nodes)]
    return Job(id="j", action="tell", params={"size": 1}, state="ok", nodes=parts, caller="ann", created_at=1.0)


def view(steps: int, result: object = None, error: str | None = None) -> TransactionView:
    parts = [StepView(f"s{number}", "shop", "tell", number, "done", 1, result, error) for number in range(steps)]
    timeline = [TimelineEntry(1.0, "failed", part.name, error or "") for part in parts]
    return TransactionView(
        id="t", name="", state="committed", steps=parts, timeline=timeline, caller="ann", created_at=1.0, error=error
    )


def test_what_fits_is_left_as_it_is() -> None:
    assert fit_job(job(3, {"left": 1})) == job(3, {"left": 1})
    assert fit_transaction(view(3, {"left": 1})) == view(3, {"left": 1})
    assert fit_all([job(1), job(2)], fit_job) == [job(1), job(2)]


@pytest.mark.parametrize("count", [1, 12, 100, 1000])
def test_what_does_not_fit_keeps_its_outcomes_and_says_what_is_left_out(count: int) -> None:
    whole = job(count, LONG * (1 + 120 // count), LONG)
    fitted = fit_job(whole)
    assert len(encode(fitted)) < LIMIT
    assert [(node.node, node.outcome) for node in fitted.nodes] == [(node.node, node.outcome) for node in whole.nodes]
    assert fitted.nodes[0].result == {"left_out_bytes": len(msgspec.json.encode(whole.nodes[0].result))}
    assert fitted.params == whole.params


@pytest.mark.parametrize("count", [2, 100])
def test_a_long_transaction_keeps_every_step_and_entry(count: int) -> None:
    whole = view(count, LONG * 30, LONG)
    fitted = fit_transaction(whole)
    assert len(encode(fitted)) < LIMIT
    assert [step.state for step in fitted.steps] == [step.state for step in whole.steps]
    assert [entry.what for entry in fitted.timeline] == [entry.what for entry in whole.timeline]


def test_a_small_result_beside_long_ones_is_kept() -> None:
    whole = job(4, LONG * 30)
    mixed = msgspec.structs.replace(whole, nodes=[JobNode("small", "ok", {"left": 7}), *whole.nodes])
    assert fit_job(mixed).nodes[0].result == {"left": 7}


def test_a_list_keeps_the_first_and_as_many_as_there_is_room_for() -> None:
    assert len(fit_all([job(2, LONG)] * 50, fit_job)) == 50
    many = fit_all([job(100, "a result")] * 300, fit_job)
    assert 0 < len(many) < 300
    assert sum(len(encode(one)) for one in many) <= ROOM_BYTES
