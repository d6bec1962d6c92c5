"""A server that hangs costs its callers nothing but a moment: another has the request within its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.rpc.requests_in_progress import serve_directly
from fleetfold_broker.rpc.streamed_reply import in_parts
from fleetfold_shared.messages import Locate, Located, Message, NodeGet, NodeRemoved, decode, encode
from support.broker import Connect
from support.wait import eventually

VERB = "nodes.get"
ASK = encode(NodeGet(node="shop"))
LONG_S = 30.0
"""A timeout that no test waits out."""


@pytest.fixture
async def cli(connect: Connect) -> Bus:
    return await connect("cli")


@pytest.fixture
async def live(master: Bus) -> AsyncIterator[RequestServer]:
    service = RequestServer(master, "live", version="1.2.3")
    yield service
    await service.stop(grace_s=0)


async def serve(service: RequestServer, bus: Bus, handler: Handler, *, queue: str) -> None:
    """Serve as the live master; in the queue group `masters`, or in another, which no caller reaches."""
    subject = bus.subjects.api(verb=VERB) if queue == "masters" else "fleet.unused"
    receive = await service.serve("get", subject, handler, queue=queue, caller=lambda s: bus.subjects.token(s, 1))
    await serve_directly(bus, "live", service.held, {VERB: receive})
    await bus.connection.barrier()


async def hang(bus: Bus) -> list[Incoming]:
    """Take the requests of the queue group and leave them, as a frozen master does. Returns what it has taken."""
    taken: list[Incoming] = []

    async def take(message: Incoming) -> None:
        taken.append(message)

    await bus.connection.subscribe(bus.subjects.api(verb=VERB), take, "masters")
    await bus.connection.barrier()
    return taken


async def answer(call: Call) -> Message:
    return NodeRemoved(node=f"{call.identity}/{decode(call.body, NodeGet).node}")


async def test_what_a_hanging_server_has_taken_is_answered_by_a_live_one(
    live: RequestServer, master: Bus, cli: Bus
) -> None:
    taken = await hang(master)
    await serve(live, master, answer, queue="apart")
    reply = await cli.ask_api(VERB, ASK, LONG_S, repeatable=True)
    assert decode(reply.data, NodeRemoved).node == "cli/shop"
    assert len(taken) == 1


async def test_a_stream_whose_server_hangs_from_the_start_comes_from_a_live_one(
    live: RequestServer, master: Bus, cli: Bus
) -> None:
    taken = await hang(master)
    await serve(live, master, answer, queue="apart")
    hedging = cli.hedging(VERB, ASK, LONG_S)
    parts = [part async for part in in_parts(cli, f"fleet.api.cli.{VERB}", ASK, LONG_S, LONG_S, hedging)]
    assert [decode(part.data, NodeRemoved).node for part in parts] == ["cli/shop"]
    assert len(taken) == 1


async def test_what_must_not_be_repeated_is_given_to_a_live_server_at_once(
    live: RequestServer, master: Bus, cli: Bus
) -> None:
    taken = await hang(master)
    await serve(live, master, answer, queue="apart")
    assert decode((await cli.ask_api(VERB, ASK, LONG_S, repeatable=False)).data, NodeRemoved).node == "cli/shop"
    assert taken == []


async def test_a_request_that_a_server_works_on_is_not_sent_again(live: RequestServer, master: Bus, cli: Bus) -> None:
    done, calls, asked = asyncio.Event(), list[Call](), list[Incoming]()

    async def slow(call: Call) -> Message:
        calls.append(call)
        await done.wait()
        return await answer(call)

    async def observe(message: Incoming) -> None:
        asked.append(message)

    await serve(live, master, slow, queue="masters")
    await master.connection.subscribe(master.subjects.locate(), observe)
    asking = asyncio.create_task(cli.ask_api(VERB, ASK, LONG_S, repeatable=True))
    await eventually(lambda: len(asked) == 2)
    done.set()
    assert decode((await asking).data, NodeRemoved).node == "cli/shop"
    assert len(calls) == 1


async def test_the_same_request_again_is_no_further_work_while_it_is_in_progress(
    live: RequestServer, master: Bus, cli: Bus
) -> None:
    done, replies, calls = asyncio.Event(), list[Incoming](), list[Call]()

    async def slow(call: Call) -> Message:
        calls.append(call)
        await done.wait()
        return await answer(call)

    async def take(message: Incoming) -> None:
        replies.append(message)

    await serve(live, master, slow, queue="masters")
    await cli.connection.subscribe("_INBOX.cli.mine", take)
    for subject in (cli.subjects.api("cli", VERB), cli.subjects.direct("cli", "live", VERB)):
        await cli.connection.publish(subject, ASK, "_INBOX.cli.mine")
    await cli.connection.barrier()
    await eventually(lambda: bool(calls))
    last = await cli.request(cli.subjects.locate("cli"), Locate(request="_INBOX.cli.mine"), Located, LONG_S)
    assert last.holds
    done.set()
    await eventually(lambda: bool(replies))
    assert (len(calls), len(replies)) == (1, 1)


async def test_nobody_learns_of_the_requests_of_another(
    live: RequestServer, master: Bus, cli: Bus, connect: Connect
) -> None:
    done, calls = asyncio.Event(), list[Call]()

    async def slow(call: Call) -> Message:
        calls.append(call)
        await done.wait()
        return await answer(call)

    await serve(live, master, slow, queue="masters")
    await cli.connection.publish(cli.subjects.api("cli", VERB), ASK, "_INBOX.cli.mine")
    await eventually(lambda: bool(calls))
    bob = await connect("bob")
    found = await bob.request(bob.subjects.locate("bob"), Locate(request="_INBOX.cli.mine"), Located, LONG_S)
    assert found == Located(master="live", holds=False)
    done.set()


async def test_servers_that_do_not_know_the_question_are_asked_as_ever(
    live: RequestServer, master: Bus, cli: Bus
) -> None:
    subject = master.subjects.api(verb=VERB)
    await live.serve("get", subject, answer, queue="masters", caller=lambda s: master.subjects.token(s, 1))
    await master.connection.barrier()
    for repeatable in (True, False):
        reply = await cli.ask_api(VERB, ASK, LONG_S, repeatable=repeatable)
        assert decode(reply.data, NodeRemoved).node == "cli/shop"
