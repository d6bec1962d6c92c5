"""What a node says of itself is bounded: what no node of ours says is refused by its name, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from fleetfold_master.nodes import check_description, check_epochs
from fleetfold_master.search import CollectionVersions
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import (
    ActionInfo,
    CollectionInfo,
    EndpointCounters,
    Heartbeat,
    Message,
    NodeDescription,
    Pong,
    ServiceCounters,
    decode,
    encode,
)

HONEST = NodeDescription(
    incarnation="i1", version="1.0", labels={"role": "shop"}, analyzer="a", embedder="e",
    collections=[CollectionInfo("docs", 10**9, 7, 1.7e9, ["sku", "gtin"]), CollectionInfo("more")],
    actions=[ActionInfo("ship", {"type": "object"}, timeout_s=3600.0, slots=3, heartbeat_s=5.0)],
)  # fmt: skip


def docs(**changed: Any) -> dict[str, Any]:
    return {"collections": [replace(HONEST.collections[0], **changed)]}


def ship(**changed: Any) -> dict[str, Any]:
    return {"actions": [replace(HONEST.actions[0], **changed)]}


LIES: list[tuple[dict[str, Any], str]] = [
    (docs(documents=10**18), "collections[0].documents"), (docs(documents=-1), "collections[0].documents"),
    (docs(epoch=-1), "collections[0].epoch"), (docs(epoch=2**63), "collections[0].epoch"),
    (docs(updated_at=-1.0), "collections[0].updated_at"), (docs(updated_at=1e300), "collections[0].updated_at"),
    (docs(left_out=10**18), "collections[0].left_out"), (docs(repeated=10**18), "collections[0].repeated"),
    (docs(without_text=10**18), "collections[0].without_text"),
    ({"withheld": {"search": -1}}, "withheld.search"), ({"withheld": {"actions": 10**18}}, "withheld.actions"),
    (docs(keys=["sku"] * 9), "collections[0].keys"), (docs(keys=["a:what"]), "collections[0].keys"),
    ({"collections": [CollectionInfo(f"c{n}") for n in range(5000)]}, "collections"),
    ({"collections": [CollectionInfo("docs"), CollectionInfo("docs")]}, "collections"),
    ({"labels": {f"l{n}": "x" for n in range(5000)}}, "labels"),
    ({"incarnation": "x" * 5000}, "incarnation"), ({"version": "x" * 5000}, "version"),
    ({"analyzer": "x" * 5000}, "analyzer"), ({"embedder": "x" * 5000}, "embedder"),
    ({"actions": [ActionInfo(f"a{n}", {}) for n in range(5000)]}, "actions"),
    ({"actions": [ActionInfo("a", {}), ActionInfo("a", {})]}, "actions"),
    (ship(schema={"description": "x" * 100_000}), "actions.ship.schema"),
    (ship(result={"description": "x" * 100_000}), "actions.ship.result"),
    (ship(summary="x" * 5000), "actions.ship.summary"),
    (ship(timeout_s=-1.0), "actions.ship.timeout_s"), (ship(timeout_s=1e300), "actions.ship.timeout_s"),
    (ship(heartbeat_s=-1.0), "actions.ship.heartbeat_s"), (ship(slots=10**18), "actions.ship.slots"),
]  # fmt: skip


@pytest.mark.parametrize(("lie", "named"), LIES, ids=[f"{number}-{named}" for number, (_, named) in enumerate(LIES)])
def test_a_description_out_of_bounds_is_refused_by_name(lie: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_description(replace(HONEST, **lie))
    assert refused.value.field == named
    assert refused.value.message.startswith(named)
    assert len(refused.value.message) < 200


def test_an_honest_description_is_taken() -> None:
    check_description(HONEST)
    check_description(HONEST, HONEST)


@pytest.mark.parametrize("epochs", [{"docs": -1}, {"docs": 2**70}, {f"c{n}": 1 for n in range(5000)}], ids=len)
def test_epochs_that_cannot_be_are_no_news(epochs: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match=r"^epochs"):
        check_epochs(epochs)
    known = CollectionVersions()
    known.described("shop", HONEST)
    assert not known.record("shop", "i1", epochs)
    assert known.of("shop") == ("i1", {"docs": 7, "more": 0})


def test_epochs_of_ever_new_names_are_not_kept() -> None:
    known = CollectionVersions()
    known.described("shop", HONEST)
    for number in range(1000):
        known.record("shop", "i1", {f"c{number}": 1})
    told = known.of("shop")
    assert told is not None
    assert len(told[1]) <= 256


def _counted(**lie: int) -> ServiceCounters:
    return ServiceCounters(incarnation="i1", version="1", started="", endpoints=[EndpointCounters("ping", **lie)])


@pytest.mark.parametrize(
    "message",
    [
        Heartbeat(seq=-1, description=HONEST), Heartbeat(seq=1, description=HONEST, in_flight=-1),
        Heartbeat(seq=1, description=HONEST, in_flight=10**18), Pong(incarnation="i1", in_flight=-1),
        Pong(incarnation="x" * 5000), _counted(requests=-1), _counted(nanoseconds=-1),
    ],
    ids=lambda one: type(one).__name__,
)  # fmt: skip
def test_numbers_out_of_bounds_in_a_message_are_refused(message: Message) -> None:
    with pytest.raises(InvalidInput):
        decode(encode(message), type(message))
