"""What a program sees of the fleet when parts of it are missing."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold import Client
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_shared.errors import DeadlineExceeded, InvalidInput, NotFound, TooLarge, Unavailable
from support.inprocess import Fleet, failures, fleet
from support.wait import eventually

__all__ = ["fleet"]


async def test_without_a_broker_there_is_no_client() -> None:
    with pytest.raises(Unavailable, match=r"nats://127\.0\.0\.1:1"):
        await Client.connect("nats://127.0.0.1:1")


async def test_without_a_master_every_call_says_what_to_start(broker: EmbeddedBroker) -> None:
    async with Client.connect(broker.url) as client, asyncio.timeout(5):
        for call in (client.search("tent"), client.nodes.list(), client.run("doze", nodes="all"), client.jobs.get("x")):
            with pytest.raises(Unavailable, match=r"no master answers.*fleetfold up"):
                await call


async def test_a_broker_that_goes_away_ends_a_search_at_once(fleet: Fleet) -> None:
    await fleet.broker.stop()
    await eventually(lambda: not fleet.client._caller.bus.connection.is_up)
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await fleet.client.search("tent", timeout_s=60)
        with pytest.raises(Unavailable):
            await fleet.client.run("doze", nodes="all")


async def test_a_job_is_waited_for_while_the_master_is_away(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    await fleet.start_child("shop")
    job = await fleet.client.run("doze", {"seconds": 0.2}, nodes=["shop"], detach=True)
    await fleet.stop_master()
    missed = failures(fleet.client, monkeypatch)
    waiting = asyncio.create_task(fleet.client.jobs.wait(job.id, 60))
    await eventually(lambda: len(missed) >= 2)
    assert not waiting.done()
    await fleet.start_master()
    assert (await waiting).state == "ok"


async def test_waiting_ends_when_its_time_is_over(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    job = await fleet.client.run("doze", {"seconds": 3600}, nodes=["shop"], detach=True)
    async with asyncio.timeout(60):
        with pytest.raises(DeadlineExceeded, match="goes on"):
            await fleet.client.jobs.wait(job.id, 0.1)


async def test_what_is_not_there_is_not_found(fleet: Fleet) -> None:
    client = fleet.client
    for call in (client.jobs.get, client.transactions.get, client.nodes.get, client.nodes.remove):
        with pytest.raises(NotFound):
            await call("nothing")


async def test_a_name_that_may_not_stand_in_a_subject_is_refused(fleet: Fleet) -> None:
    with pytest.raises(InvalidInput, match="name"):
        await Client.connect(fleet.broker.url, name="a.b")


async def test_a_body_over_the_brokers_limit_is_refused_before_it_is_sent(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"docs": None})
    documents = [{"id": str(number), "text": "tent " * 10_000} for number in range(30)]
    with pytest.raises(TooLarge, match="1,048,576"):
        await fleet.client.run("index", {"collection": "docs", "documents": documents}, nodes=["shop"])


async def test_hits_that_do_not_fit_into_a_message_come_on_further_pages_and_none_is_missing(fleet: Fleet) -> None:
    records = [{"id": str(number), "text": f"tent {number} " + "word " * 20_000} for number in range(20)]
    await fleet.start_child("shop", {"docs": lambda: records})
    pages = [page async for page in fleet.client.search_pages("tent", limit=20)]
    hits = [hit for page in pages for hit in page.hits]
    assert len(pages) > 1
    assert not any(page.partial for page in pages)
    assert sorted(int(hit.id) for hit in hits) == list(range(20))
    assert all(hit.content == records[int(hit.id)]["text"] for hit in hits)
