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
from support.served_api import ServedApi, open_served_api

REFUND = {
    "type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"], "additionalProperties": False
}  # fmt: skip
GOOD: dict[str, Any] = {"action": "refund", "nodes": ["till"], "params": {"order": "o1"}}
AWAY_S = 60.0


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with open_served_api(tmp_path) as served:
        served.people.update({name: Principal(name, "operator") for name in ("ann", "bob")})
        served.people["scoped"] = Principal("scoped", "publisher", Scopes(nodes=["shop-*"]))
        actions = [ActionInfo("refund", REFUND)]
        await served.registry.join("till", NodeDescription(incarnation="i", version="1", actions=actions), _free)
        yield served


async def _free(_name: str) -> str | None:
    return None


async def put(served: ServedApi, run: dict[str, Any], *, who: str = "ann", unchecked: bool = False) -> ScheduleView:
    spec = ScheduleSpec(name="nightly", cron="0 3 * * *", run=run)
    return await served.ask(who, "schedules.put", SchedulePut(spec=spec, unchecked=unchecked))


async def kept(served: ServedApi) -> list[str]:
    return [view.spec.name for view in (await served.ask("ann", "schedules.list", ScheduleList())).schedules]


async def rest(served: ServedApi) -> None:
    """The node is there, and nothing is to run on it."""
    await served.ask("ann", "nodes.update", NodeUpdate(node="till", state="maintenance"))


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
    served: ServedApi, change: dict[str, Any], kind: type[FleetfoldError], field: str
) -> None:
    with pytest.raises(kind) as refused:
        await put(served, GOOD | change)
    assert refused.value.field == field
    assert refused.value.message.startswith(f"{field}: ")
    assert refused.value.message.endswith("; `--unchecked` puts it all the same")
    assert await kept(served) == []


@pytest.mark.parametrize(("change", "kind", "field"), WRONG)
async def test_unchecked_it_is_put_all_the_same(
    served: ServedApi, change: dict[str, Any], kind: type[FleetfoldError], field: str
) -> None:
    assert (await put(served, GOOD | change, unchecked=True)).state == "waiting"


async def test_checking_begins_nothing(served: ServedApi) -> None:
    await put(served, GOOD)
    assert served.jobs.all == {}


async def test_a_node_that_is_only_away_is_good_enough(served: ServedApi) -> None:
    served.clock.advance(AWAY_S)
    assert not served.registry.healthy("till")
    assert (await put(served, GOOD)).state == "waiting"


async def test_one_that_does_what_it_did_is_not_checked_again(served: ServedApi) -> None:
    await put(served, GOOD)
    await rest(served)
    same = ScheduleSpec(name="nightly", cron="0 4 * * *", keep=5, run=GOOD)
    view = await served.ask("ann", "schedules.put", SchedulePut(spec=same))
    assert (view.version, view.spec.cron) == (2, "0 4 * * *")


async def test_pausing_and_resuming_check_nothing(served: ServedApi) -> None:
    await put(served, GOOD)
    await rest(served)
    assert (await served.ask("ann", "schedules.pause", SchedulePause(name="nightly"))).state == "paused"
    assert (await served.ask("ann", "schedules.resume", ScheduleResume(name="nightly"))).state == "waiting"


@pytest.mark.parametrize(("who", "changes"), [("bob", {}), ("ann", {"params": {"order": "o2"}})])
async def test_one_that_does_something_new_or_for_another_is_checked(
    served: ServedApi, who: str, changes: dict[str, Any]
) -> None:
    await put(served, GOOD)
    await rest(served)
    with pytest.raises(InvalidInput, match="till' is maintenance") as refused:
        await put(served, GOOD | changes, who=who)
    assert refused.value.field == "run.nodes"


async def test_what_is_out_of_scope_stays_so_unchecked(served: ServedApi) -> None:
    with pytest.raises(Forbidden) as refused:
        await put(served, GOOD, who="scoped", unchecked=True)
    assert refused.value.field == "run.nodes"
    assert "--unchecked" not in refused.value.message
