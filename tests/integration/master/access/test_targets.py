"""Which nodes a run is for: by name, all, by an expression, any, so many; what is refused, and what it says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetfold_master.access.authorizer import Principal
from fleetfold_shared.errors import FleetfoldError, Forbidden, InvalidInput, NotFound
from fleetfold_shared.messages import ActionInfo, Heartbeat, Job, NodeDescription, NodeList, NodeUpdate, Run, Scopes
from fleetfold_shared.number_or_percent import share_of
from support.served_api import VERSION, ServedApi, open_served_api

SHOPS = [f"shop-{number:02}" for number in range(20)]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with open_served_api(tmp_path) as served:
        served.people.update({"ann": Principal("ann", "admin")})
        for node in ("shop-1", "shop-2", "blog"):
            await served.registry.remove(node)
        for number, name in enumerate(SHOPS):
            await join(served, name, region="eu" if number % 2 else "us")
        await join(served, "crm", actions=("restock",))
        yield served


async def join(served: ServedApi, name: str, *, actions: tuple[str, ...] = ("wipe", "restock"), **labels: str) -> None:
    schema = {"type": "object", "properties": {"sku": {"type": "string"}}, "additionalProperties": False}
    infos = [ActionInfo(action, schema, destructive=action == "wipe") for action in actions]
    description = NodeDescription(incarnation=f"i-{name}", version=VERSION, actions=infos, labels=labels)
    await served.registry.join(name, description, served._probe)


async def run(served: ServedApi, who: str = "ann", **fields: Any) -> Job:
    ask = Run(**{"id": f"j{len(served.jobs.all)}", "action": "restock", **fields})
    return await served.ask(who, "actions.run", ask)  # type: ignore[no-any-return]


async def names(served: ServedApi, who: str = "ann", **fields: Any) -> list[str]:
    return [node.node for node in (await run(served, who, **fields)).nodes]


async def test_all_are_in_the_order_of_their_names(served: ServedApi) -> None:
    assert await names(served, all=True) == ["crm", *SHOPS]
    assert await names(served, all=True, action="wipe", confirmed=True) == SHOPS
    assert await names(served, nodes=["shop-07", "crm", "shop-07"]) == ["shop-07", "crm"]


async def test_an_expression_chooses_among_the_active_ones_that_have_the_action(served: ServedApi) -> None:
    await served.registry.update(NodeUpdate(node="shop-01", state="maintenance"))
    assert await names(served, where="region=eu and name~shop-0*") == ["shop-03", "shop-05", "shop-07", "shop-09"]
    assert await names(served, where="not region or name=shop-00") == ["crm", "shop-00"]
    listed = await served.ask("ann", "nodes.list", NodeList(where="region=eu and state=maintenance"))
    assert [node.name for node in listed.nodes] == ["shop-01"]


async def test_what_an_operator_has_labelled_counts(served: ServedApi) -> None:
    await served.registry.update(NodeUpdate(node="crm", labels={"ring": "canary"}))
    assert await names(served, where="ring=canary") == ["crm"]


async def test_a_limit_is_stable_and_a_larger_one_holds_the_smaller(served: ServedApi) -> None:
    tenth, fifth, most = [await names(served, all=True, limit=limit, seed=7) for limit in ("10%", "20%", "15")]
    assert (len(tenth), len(fifth), len(most)) == (3, 5, 15)  # of 21, rounded up
    assert most[:5] == fifth
    assert fifth[:3] == tenth
    assert await names(served, all=True, limit="10%", seed=7) == tenth
    assert await names(served, all=True, limit="10%", seed=8) != tenth
    await served.registry.remove(next(name for name in SHOPS if name not in most))
    assert await names(served, all=True, limit="3", seed=7) == tenth


async def test_a_dry_run_names_those_that_the_run_itself_is_for_and_leaves_nothing(served: ServedApi) -> None:
    checked = await run(served, where="region=eu", limit="4", dry_run=True)
    assert (checked.state, served.jobs.all, served.log.entries) == ("checked", {}, [])
    begun = await run(served, where="region=eu", limit="4")
    assert [node.node for node in begun.nodes] == [node.node for node in checked.nodes]
    with pytest.raises(InvalidInput, match=r"params\.sku"):
        await run(served, all=True, params={"sku": 3}, dry_run=True)


async def test_any_goes_to_who_has_least_to_do_for_its_weight(served: ServedApi) -> None:
    for name, in_flight in (("shop-00", 4), ("shop-01", 1), ("crm", 6)):
        node = served.registry.get(name)
        served.registry.heard(name, Heartbeat(seq=1, description=node.description, in_flight=in_flight))
    await served.registry.update(NodeUpdate(node="crm", weight=10.0))
    three = ["shop-00", "shop-01", "crm"]
    chosen = [(await names(served, nodes=three, any=True))[0] for _ in range(28)]
    # one more would be (6 + 27) / 10, (1 + 3) / 1 and (4 + 1) / 1
    assert {name: chosen.count(name) for name in three} == {"crm": 26, "shop-01": 2, "shop-00": 0}
    assert chosen[0] == "crm"


async def test_any_takes_turns_among_equals_and_passes_over_who_is_not_there(served: ServedApi) -> None:
    for name in SHOPS[1:]:
        if name > "shop-02":
            served.registry._presence.gone(name)
    await served.registry.update(NodeUpdate(node="crm", state="maintenance"))
    chosen = [(await names(served, all=True, any=True))[0] for _ in range(6)]
    assert sorted(chosen) == ["shop-00", "shop-00", "shop-01", "shop-01", "shop-02", "shop-02"]
    assert len(set(chosen[:3])) == 3
    assert await names(served, nodes=["crm", "shop-19"], any=True) == ["shop-19"]
    assert (await names(served, any=True))[0] in {"shop-00", "shop-01", "shop-02"}


@pytest.mark.parametrize(
    ("fields", "error", "field", "said"),
    [
        ({}, InvalidInput, "nodes", "name the nodes"),
        ({"all": True, "where": "region=eu"}, InvalidInput, "all", "one of these"),
        ({"nodes": ["crm"], "where": "region=eu"}, InvalidInput, "nodes", "one of these"),
        ({"all": True, "any": True, "limit": "2"}, InvalidInput, "limit", "any one"),
        ({"all": True, "limit": "0%"}, InvalidInput, "limit", "none of the nodes"),
        ({"where": "region="}, InvalidInput, "where", "column 8"),
        ({"where": "region=eu", "action": "fly"}, NotFound, "action", "of 21 nodes, 21 are active"),
        ({"where": "regoin=eu"}, NotFound, "where", "of 21 active nodes, none fits 'regoin=eu'; none has the label"),
        ({"where": "name=crm", "action": "wipe"}, NotFound, "where", "of 21 active nodes, 1 fit it, 20 have 'wipe'"),
        ({"nodes": ["crm"], "action": "wipe"}, NotFound, "action", "'crm' has no 'wipe'"),
        ({"action": "wipe", "all": True}, InvalidInput, "confirmed", "20 nodes"),
        ({"action": "wipe", "where": "region=eu"}, InvalidInput, "confirmed", "10 nodes"),
        ({"action": "wipe", "all": True, "limit": "2"}, InvalidInput, "confirmed", "2 nodes"),
    ],
)
async def test_what_cannot_run_is_refused_and_says_why(
    served: ServedApi, fields: dict[str, Any], error: type[FleetfoldError], field: str, said: str
) -> None:
    with pytest.raises(error, match=said) as refused:
        await run(served, **fields)
    assert refused.value.field == field
    assert served.jobs.all == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"all": True, "confirmed": True},
        {"nodes": ["shop-00", "shop-01"]},
        {"all": True, "limit": "1"},
        {"all": True, "any": True},
        {"where": "name=shop-03"},
    ],
)
async def test_a_destructive_action_runs_where_it_is_confirmed_named_or_on_one(
    served: ServedApi, fields: dict[str, Any]
) -> None:
    assert await names(served, action="wipe", **fields)


async def test_scopes_hold_for_every_way_of_choosing(served: ServedApi) -> None:
    served.people["eve"] = Principal("eve", "operator", Scopes(nodes=["shop-0*"]))
    assert await names(served, "eve", all=True) == SHOPS[:10]
    assert await names(served, "eve", where="region=us") == SHOPS[:10:2]
    assert (await names(served, "eve", any=True))[0] in SHOPS[:10]
    with pytest.raises(NotFound, match="of 10 active nodes, none fits"):
        await run(served, "eve", where="name=crm")
    with pytest.raises(Forbidden):
        await run(served, "eve", nodes=["crm", "shop-00"], any=True)


@pytest.mark.parametrize(
    ("share", "of", "number"), [("0", 9, 0), ("3", 9, 3), ("30", 9, 9), ("1%", 9, 1), ("50%", 9, 5), ("100%", 9, 9)]
)
def test_a_share_is_a_number_or_a_part_rounded_up(share: str, of: int, number: int) -> None:
    assert share_of(share, of) == number


def test_a_share_of_the_wire_is_one_of_these() -> None:
    for share in ("101%", "-1", "1.5", "%", "", "05"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"id": "a", "action": "b", "limit": share}, Run)
