"""The exit codes: one table, and it is what the documentation shows."""

from __future__ import annotations

import pytest

from fleetfold_cli.exit_codes import CODES, of_job, of_transaction
from fleetfold_cli.reference import output
from fleetfold_shared.messages import JobNode, JobState, Outcome, TransactionState
from support.commandline import FakeFleet, job, run_command, transaction

STEPS = '{"steps": [{"name": "a", "node": "shop", "action": "b"}]}'

JOBS: list[tuple[JobState, list[Outcome | None], int]] = [
    ("ok", ["ok", "ok"], 0),
    ("running", [None], 0),
    ("checked", [None], 0),
    ("failed", ["failed"], 1),
    ("failed", ["failed", "failed"], 1),
    ("failed", ["failed", "timed_out"], 1),
    ("failed", ["unreachable", "timed_out"], 1),
    ("partly", ["ok", "failed"], 3),
    ("partly", ["ok", "unreachable"], 3),
    ("failed", ["rejected", "rejected"], 4),
    ("failed", ["unreachable"], 5),
    ("failed", ["timed_out", "timed_out"], 6),
    ("failed", ["unknown"], 7),
    ("failed", ["no_result", "no_result"], 11),
    ("partly", ["ok", "no_result"], 3),
    ("cancelled", ["ok", "rejected"], 8),
    ("cancelled", ["rejected"], 8),
]
TRANSACTIONS: list[tuple[TransactionState, int]] = [
    ("committed", 0), ("running", 0), ("compensating", 0), ("checked", 0), ("rolled_back", 9), ("parked", 10),
]  # fmt: skip


@pytest.mark.parametrize(("state", "outcomes", "code"), JOBS)
def test_a_jobs_code_is_the_class_of_its_outcomes(state: JobState, outcomes: list[Outcome | None], code: int) -> None:
    nodes = [JobNode(f"n{number}", outcome) for number, outcome in enumerate(outcomes)]
    assert of_job(job(state, nodes=nodes)) == code
    assert code in CODES


@pytest.mark.parametrize(("state", "code"), TRANSACTIONS)
def test_a_transactions_code_is_its_state(state: TransactionState, code: int) -> None:
    assert of_transaction(state) == code
    assert code in CODES


def test_every_code_is_used_and_documented() -> None:
    used = {code for *_, code in JOBS} | {code for _, code in TRANSACTIONS}
    assert used | {2, 130} == set(CODES)
    page = output()
    assert all(f"| {code} | {about} |" in page for code, about in CODES.items())


def test_the_commands_end_so() -> None:
    unreachable = job("failed", nodes=[JobNode("shop", "unreachable", error="not there")])
    assert run_command("run", "shop", "sync", fleet=FakeFleet(answer=unreachable)).code == 5
    assert run_command("run", "shop", "sync", "--json", fleet=FakeFleet(answer=unreachable)).code == 5
    for words in (["run", "-"], ["follow", "t1"]):
        rolled_back = FakeFleet(answer=transaction("rolled_back"))
        assert run_command("tx", *words, fleet=rolled_back, stdin=STEPS).code == 9
    assert run_command("jobs", "follow", "j1", fleet=FakeFleet(changes=[unreachable])).code == 5
