"""A schedule is checked when it is put: as the dry run of what it does, in the name of who puts it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetfold_master.access.authorizer import Principal
from fleetfold_shared.errors import FleetfoldError, Forbidden, InvalidInput, NotFound
from fleetfold_shared.messages import (
    ActionInfo,
    NodeDescription,
    NodeUpdate,
    ScheduleList,
    SchedulePause,
    SchedulePut,
    ScheduleResume,
    ScheduleSpec,
    ScheduleView,
    Scopes,
)
from support.desk import Desk, open_desk

REFUND = {
    "type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"], "additionalProperties": False
}  # fmt: skip
GOOD: dict[str, Any] = {"action": "refund", "nodes": ["till"], "params": {"order": "o1"}}
AWAY_S = 60.0


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as desk:
        desk.people.update({name: Principal(name, "operator") for name in ("ann", "bob")})
        desk.people["scoped"] = Principal("scoped", "publisher", Scopes(nodes=["shop-*"]))
        actions = [ActionInfo("refund", REFUND)]
        await desk.registry.join("till", NodeDescription(incarnation="i", version="1", actions=actions), _free)
        yield desk


async def _free(_name: str) -> str | None:
    return None


async def put(desk: Desk, run: dict[str, Any], *, who: str = "ann", unchecked: bool = False) -> ScheduleView:
    spec = ScheduleSpec(name="nightly", cron="0 3 * * *", run=run)
    return await desk.ask(who, "schedules.put", SchedulePut(spec=spec, unchecked=unchecked))


async def kept(desk: Desk) -> list[str]:
    return [view.spec.name for view in (await desk.ask("ann", "schedules.list", ScheduleList())).schedules]


async def rest(desk: Desk) -> None:
    """The node is there, and nothing is to run on it."""
    await desk.ask("ann", "nodes.update", NodeUpdate(node="till", state="maintenance"))


WRONG: list[tuple[dict[str, Any], type[FleetfoldError], str]] = [
    ({"nodes": ["moon"]}, NotFound, "run.node"),
    ({"action": "reindex"}, NotFound, "run.action"),
    ({"params": {}}, InvalidInput, "run.params.order"),
    ({"params": {"order": 5}}, InvalidInput, "run.params.order"),
    ({"nodes": [], "where": "moon=full"}, NotFound, "run.where"),
    ({"nodes": []}, InvalidInput, "run.nodes"),
]


@pytest.mark.parametrize(("change", "kind", "field"), WRONG)
async def test_what_would_be_refused_is_refused_by_its_field_and_not_kept(
    desk: Desk, change: dict[str, Any], kind: type[FleetfoldError], field: str
) -> None:
    with pytest.raises(kind) as refused:
        await put(desk, GOOD | change)
    assert refused.value.field == field
    assert refused.value.message.startswith(f"{field}: ")
    assert refused.value.message.endswith("; `--unchecked` puts it all the same")
    assert await kept(desk) == []


@pytest.mark.parametrize(("change", "kind", "field"), WRONG)
async def test_unchecked_it_is_put_all_the_same(
    desk: Desk, change: dict[str, Any], kind: type[FleetfoldError], field: str
) -> None:
    assert (await put(desk, GOOD | change, unchecked=True)).state == "waiting"


async def test_checking_begins_nothing(desk: Desk) -> None:
    await put(desk, GOOD)
    assert desk.jobs.all == {}


async def test_a_node_that_is_only_away_is_good_enough(desk: Desk) -> None:
    desk.clock.advance(AWAY_S)
    assert not desk.registry.healthy("till")
    assert (await put(desk, GOOD)).state == "waiting"


async def test_one_that_does_what_it_did_is_not_checked_again(desk: Desk) -> None:
    await put(desk, GOOD)
    await rest(desk)
    same = ScheduleSpec(name="nightly", cron="0 4 * * *", keep=5, run=GOOD)
    view = await desk.ask("ann", "schedules.put", SchedulePut(spec=same))
    assert (view.version, view.spec.cron) == (2, "0 4 * * *")


async def test_pausing_and_resuming_check_nothing(desk: Desk) -> None:
    await put(desk, GOOD)
    await rest(desk)
    assert (await desk.ask("ann", "schedules.pause", SchedulePause(name="nightly"))).state == "paused"
    assert (await desk.ask("ann", "schedules.resume", ScheduleResume(name="nightly"))).state == "waiting"


@pytest.mark.parametrize(("who", "changes"), [("bob", {}), ("ann", {"params": {"order": "o2"}})])
async def test_one_that_does_something_new_or_for_another_is_checked(
    desk: Desk, who: str, changes: dict[str, Any]
) -> None:
    await put(desk, GOOD)
    await rest(desk)
    with pytest.raises(InvalidInput, match="till' is maintenance") as refused:
        await put(desk, GOOD | changes, who=who)
    assert refused.value.field == "run.nodes"


async def test_what_is_out_of_scope_stays_so_unchecked(desk: Desk) -> None:
    with pytest.raises(Forbidden) as refused:
        await put(desk, GOOD, who="scoped", unchecked=True)
    assert refused.value.field == "run.nodes"
    assert "--unchecked" not in refused.value.message
