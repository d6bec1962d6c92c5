"""kill -9 of everything in turn, the broker with all it has stored, in the middle of 40 transactions and 200 jobs; then
the children's books are read.

An accepted transaction ends committed or rolled back; a committed one has each effect once, a rolled back one has
each effect undone once, the last stage first.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fleetfold_shared.messages import TransactionView
from support.fleet import running_fleet
from support.storm import Aftermath, Strike, sweep_over

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.long]

SEED = int(os.environ.get("FLEETFOLD_STORM_SEED", "1"))
STRIKES = [
    Strike(("master",)), Strike(("shop",)), Strike(("server",)), Strike(("broker",), wipe=True),
    Strike(("master", "crm")), Strike(("server", "blog")),
]  # fmt: skip
TRANSACTIONS, JOBS = 40, 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def aftermath(nats_server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Aftermath]:
    """What is left after the storm, 30 seconds of calm at most."""
    async with running_fleet(tmp_path_factory.mktemp("storm")) as fleet:
        await fleet.start_core()
        yield await sweep_over(fleet, SEED, STRIKES, transactions=TRANSACTIONS, jobs=JOBS)


async def test_every_accepted_transaction_ends_and_none_is_parked(aftermath: Aftermath) -> None:
    unended = [view for view in aftermath.transactions if view.state not in {"committed", "rolled_back"}]
    assert unended == []
    assert all(view.ended_at is not None for view in aftermath.transactions)


async def test_a_committed_transaction_has_each_effect_exactly_once(aftermath: Aftermath) -> None:
    for view in in_state(aftermath, "committed"):
        assert sorted(effect.step for effect in aftermath.of(view.id)) == [step.name for step in view.steps], view
        assert aftermath.of(view.id, "undo") == [], view


async def test_a_rolled_back_transaction_has_each_effect_undone_exactly_once(aftermath: Aftermath) -> None:
    for view in in_state(aftermath, "rolled_back"):
        done = Counter(effect.step for effect in aftermath.of(view.id))
        undone = Counter(effect.step for effect in aftermath.of(view.id, "undo"))
        assert undone == done, view
        assert set(done.values()) <= {1}, view


async def test_stages_are_done_in_order_and_undone_in_reverse(aftermath: Aftermath) -> None:
    for view in aftermath.transactions:
        forward = [effect.stage for effect in aftermath.of(view.id)]
        backward = [effect.stage for effect in aftermath.of(view.id, "undo")]
        assert forward == sorted(forward), view
        assert backward == sorted(backward, reverse=True), view


async def test_what_a_step_is_said_to_be_is_what_its_node_has_in_its_books(aftermath: Aftermath) -> None:
    for view in aftermath.transactions:
        done = {effect.step for effect in aftermath.of(view.id)}
        assert {step.name for step in view.steps if step.state in {"done", "compensated"}} >= done, view
        assert {step.name for step in view.steps if step.state == "done"} <= done, view


async def test_every_job_ends_with_the_outcome_its_node_has_in_its_books(aftermath: Aftermath) -> None:
    for job in aftermath.jobs:
        times, outcome = len(aftermath.of(job.id)), job.nodes[0].outcome
        if outcome == "ok":
            assert times == 1, job
        else:
            assert (job.action, outcome) == ("phone", "unknown"), job
            assert times <= 1, job


def in_state(aftermath: Aftermath, state: str) -> list[TransactionView]:
    found = [view for view in aftermath.transactions if view.state == state]
    assert found, f"the seed gives none that is {state}: nothing is tested"
    return found
