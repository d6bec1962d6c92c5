"""Who asked for a command travels with it, and both sides write down what became of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fleetfold import Context, Refused, action
from fleetfold_child.ledger.node_audit import read_node_audit
from fleetfold_shared.errors import NotFound, Unavailable
from fleetfold_shared.messages import (
    AuditEntry,
    Caller,
    Command,
    Rollback,
    ScheduleSpec,
    StepSpec,
    encode,
)
from support.inprocess import Fleet, fleet

__all__ = ["fleet"]

SEEN: list[tuple[str, Caller | None]] = []
HELD: list[asyncio.Event] = []


@action
async def note(ctx: Context, what: str = "do", fail: str = "") -> dict[str, str]:
    SEEN.append((what, ctx.caller))
    if fail:
        raise Refused(fail)
    return {"what": what}


@action
async def hold(ctx: Context) -> None:
    await HELD[0].wait()
    raise Refused("no")


@pytest.fixture
async def shop(fleet: Fleet) -> Fleet:
    SEEN.clear()
    HELD[:] = [asyncio.Event()]
    await fleet.start(fleet.declare("shop").add(note, hold))
    return fleet


async def _audited(fleet: Fleet, **wanted: Any) -> list[AuditEntry]:
    return await fleet.client.audit.list(**wanted)


def _step(name: str, **params: Any) -> StepSpec:
    rollback = Rollback("note", {"what": f"undo {name}"})
    return StepSpec(name=name, node="shop", action="note", params={"what": name, **params}, rollback=rollback)


async def test_a_handler_knows_who_asked(shop: Fleet) -> None:
    pia = await shop.new_client("pia", "publisher")
    await pia.run("note", nodes=["shop"])
    view = await pia.transact([_step("a"), _step("b", fail="no")])
    assert view.state == "rolled_back"
    who = Caller("pia", "publisher")
    assert [("do", who), ("a", who), ("b", who), ("undo a", who)] == SEEN


async def test_a_schedule_runs_for_its_owner(shop: Fleet) -> None:
    pia = await shop.new_client("pia", "publisher")
    run = {"action": "note", "params": {"what": "scheduled"}, "nodes": ["shop"]}
    await pia.schedules.put(ScheduleSpec(name="nightly", every_s=86_400, run=run))
    await shop.client.schedules.fire("nightly")
    async with asyncio.timeout(20):
        while not SEEN:
            await shop.client.audit.list(what="jobs.end", limit=1)
    assert [("scheduled", Caller("pia", "publisher"))] == SEEN


async def test_the_audit_tells_how_it_ended_and_how_long_it_took(shop: Fleet) -> None:
    for fail in ("", "no"):
        await shop.client.run("note", {"fail": fail}, nodes=["shop"], id=f"job-{fail or 'good'}")
    await shop.client.transact([_step("a"), _step("b", fail="no")], id="tx-bad")
    ended = [*await _audited(shop, what="jobs.end"), *await _audited(shop, what="transactions.end")]
    assert [(each.who, each.role, each.node, each.target, each.outcome, each.reason) for each in ended] == [
        ("tester", "admin", "shop", "note job-good", "ok", ""),
        ("tester", "admin", "shop", "note job-no", "failed", "failed: 1 failed"),
        ("tester", "admin", "shop", "tx-bad", "failed", "rolled_back"),
    ]
    asked = await _audited(shop, what="actions.run")
    assert {(each.target, each.outcome) for each in asked} <= {
        ("note job-good", "ok"), ("note job-good", "accepted"), ("note job-no", "failed"), ("note job-no", "accepted"),
    }  # fmt: skip
    assert all((each.ms or 0.0) > 0.0 for each in [*ended, *asked])


async def test_a_job_that_is_not_waited_for_is_accepted_and_its_end_is_told(shop: Fleet) -> None:
    job = await shop.client.run("hold", nodes=["shop"], detach=True)
    assert [(each.what, each.outcome) for each in await _audited(shop) if job.id in each.target] == [
        ("actions.run", "accepted")
    ]
    HELD[0].set()
    await shop.client.jobs.wait(job.id, 20)
    assert [(each.what, each.outcome) for each in await _audited(shop) if job.id in each.target] == [
        ("actions.run", "accepted"),
        ("jobs.end", "failed"),
    ]


async def test_searches_and_pings_are_in_the_audit(shop: Fleet) -> None:
    await shop.client.search("secret")
    await shop.client.nodes.ping("shop")
    entries = await _audited(shop)
    told = {each.what: each for each in entries}
    assert (told["search.query"].outcome, told["nodes.ping"].node) == ("ok", "shop")
    assert "secret" not in repr(entries)


async def test_a_forged_caller_shows_in_the_node_s_own_audit(shop: Fleet) -> None:
    await shop.client.run("note", nodes=["shop"], id="mine")
    forged = Command(id="j.forged.shop", attempt=1, action="note", caller=Caller("ceo", "admin"))
    await shop.store_command("shop", encode(forged))
    async with asyncio.timeout(20):
        while len(entries := await shop.client.nodes.audit("shop")) < 2 or entries[-1].outcome is None:
            pass
    assert [(each.command, each.caller, each.role, each.outcome) for each in entries] == [
        ("j.mine.shop", "tester", "admin", "ok"), ("j.forged.shop", "ceo", "admin", "ok"),
    ]  # fmt: skip
    assert "forged" not in repr(await _audited(shop, what="jobs.end"))
    assert read_node_audit(shop.place / "shop" / "node.db") == entries
    assert read_node_audit(shop.place / "shop" / "node.db", limit=1) == entries[1:]
    assert read_node_audit(shop.place / "shop" / "node.db", since=entries[1].at) == entries[1:]


async def test_a_node_that_is_away_cannot_tell(shop: Fleet) -> None:
    await shop.stop_child("shop")
    with pytest.raises(Unavailable, match="shop does not answer; `fleetfold node-audit --data DIR` reads its folder"):
        await shop.client.nodes.audit("shop")
    with pytest.raises(NotFound, match="there is no 'nobody' in the fleet"):
        await shop.client.nodes.audit("nobody")


async def test_errors_are_redacted_where_they_leave_the_node(fleet: Fleet) -> None:
    await fleet.start(fleet.declare("shop", redact=[r"card \d+"]).add(note))
    job = await fleet.client.run("note", {"fail": "card 1234 is spent"}, nodes=["shop"])
    assert job.nodes[0].error == "[redacted] is spent"
    assert "1234" not in repr(await fleet.client.jobs.get(job.id)).replace(repr(job.params), "")


async def test_errors_are_redacted_where_they_reach_the_master(fleet: Fleet) -> None:
    await fleet.stop_master()
    fleet.redact = [r"card \d+"]
    await fleet.start_master()
    await fleet.start(fleet.declare("shop").add(note))
    job = await fleet.client.run("note", {"fail": "card 1234 is spent"}, nodes=["shop"])
    assert job.nodes[0].error == "[redacted] is spent"


def test_an_encoded_command_says_who_asked() -> None:
    command = Command(id="j.a.shop", attempt=1, action="note", caller=Caller("pia", "publisher"))
    assert b'"caller":{"name":"pia","role":"publisher"}' in encode(command)
