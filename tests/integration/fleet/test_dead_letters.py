"""Dead letters through the whole fleet: what nobody will do any more is kept, shown, tried again or dropped."""

from __future__ import annotations

import pytest

from fleetfold_shared.errors import Conflict, Forbidden, NotFound
from fleetfold_shared.messages import Command, DeadLetter, Scopes, encode
from support.inprocess import Fleet, fleet
from support.wait import eventually

__all__ = ["fleet"]


async def _dead_letters(fleet: Fleet, count: int) -> list[DeadLetter]:
    async def there() -> bool:
        return len((await fleet.client.dead_letters.list()).dead_letters) >= count

    await eventually(there)
    found = await fleet.client.dead_letters.list()
    assert found.total == len(found.dead_letters) == count
    return found.dead_letters


async def test_what_a_node_cannot_read_is_told_with_what_is_wrong(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    newer = encode(Command(id="j.j1.shop", attempt=1, action="enter")).replace(b"{", b'{"v":99,', 1)
    for body in (newer, b"not json"):
        await fleet.store_command("shop", body)
    newer, unread = sorted(await _dead_letters(fleet, 2), key=lambda dead: "JSON" in dead.error)
    assert {newer.reason, unread.reason} == {"malformed"}
    assert (newer.node, unread.node) == ("shop", "shop")
    assert "protocol" in newer.error
    with pytest.raises(Conflict, match="too little is known"):
        await fleet.client.dead_letters.retry(unread.id)
    await fleet.client.dead_letters.drop(unread.id)
    with pytest.raises(NotFound):
        await fleet.client.dead_letters.get(unread.id)


async def test_what_was_queued_for_a_node_that_is_removed_can_be_done_when_it_is_back(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    await fleet.stop_child("shop")
    job = await fleet.client.run("enter", {"tx": "q"}, nodes=["shop"], timeout_s=0.5)
    assert job.nodes[0].outcome in {"unreachable", "timed_out"}
    await fleet.client.nodes.remove("shop")
    [dead_letter] = await _dead_letters(fleet, 1)
    assert (dead_letter.reason, dead_letter.job, dead_letter.params) == ("node_removed", job.id, {"tx": "q"})
    await fleet.start_child("shop", data="anew")
    again = await fleet.client.dead_letters.retry(dead_letter.id)
    assert (await fleet.client.jobs.wait(again, 20)).state == "ok"
    assert fleet.effects("anew") == [("", "do")]
    with pytest.raises(Conflict, match=again):
        await fleet.client.dead_letters.retry(dead_letter.id)
    assert (await fleet.client.dead_letters.list()).dead_letters == []


async def test_what_comes_too_late_to_be_begun_is_told(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    await fleet.stop_child("shop")
    late = Command(id="j.j1.shop", attempt=1, action="enter", params={"tx": "x"}, start_within_s=0.01)
    await fleet.store_command("shop", encode(late))
    await fleet.client.run("enter", {"tx": "x"}, nodes=["shop"], id="j1", timeout_s=0.2)
    await fleet.start_child("shop")
    [dead_letter] = await _dead_letters(fleet, 1)
    assert (dead_letter.reason, dead_letter.job, dead_letter.history[-1].what) == ("expired", "j1", "timed_out")
    assert fleet.effects("shop") == []


async def test_dead_letters_are_for_those_who_may_see_them(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    await fleet.stop_child("shop")
    till = await fleet.new_client("till", "publisher")
    await fleet.client.run("enter", {"tx": "a"}, nodes=["shop"], timeout_s=0.2)
    await till.run("enter", {"tx": "b"}, nodes=["shop"], timeout_s=0.2)
    await fleet.client.nodes.remove("shop")
    mine, other = sorted(await _dead_letters(fleet, 2), key=lambda dead_letter: dead_letter.caller != "till")
    assert [dead_letter.id for dead_letter in (await till.dead_letters.list()).dead_letters] == [mine.id]
    with pytest.raises(Forbidden):
        await till.dead_letters.drop(other.id)
    await till.dead_letters.drop(mine.id)
    narrow = await fleet.new_client("narrow", "operator", scopes=Scopes(nodes=["blog"]))
    assert (await narrow.dead_letters.list()).dead_letters == []
    with pytest.raises(Forbidden):
        await narrow.dead_letters.retry(other.id)
