"""Replies in parts: in order, none missing, ended by either side, and never waited for in vain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.rpc import streamed_reply
from fleetfold_broker.rpc.headers import PART
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.rpc.streamed_reply import ReplyPart, in_parts
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_shared.errors import Conflict, DeadlineExceeded, Unavailable
from fleetfold_shared.messages import Message, NodeGet, NodeRemoved, decode, encode
from support.broker import Connect, kill
from support.wait import eventually

SUBJECT = "fleet.api.cli.ask.question"
LONG_S = 30.0


@pytest.fixture
async def cli(connect: Connect) -> Bus:
    return await connect("cli")


@pytest.fixture
async def api(master: Bus) -> AsyncIterator[RequestServer]:
    service = RequestServer(master, "fleetfold", version="1.2.3")
    yield service
    await service.stop(grace_s=0)


async def serve(api: RequestServer, bus: Bus, handler: Handler) -> None:
    subject = bus.subjects.api(verb="ask.question")
    await api.serve("ask", subject, handler, queue="masters", caller=lambda s: bus.subjects.token(s, 1))
    await bus.connection.barrier()


def ask(cli: Bus, silence_s: float = LONG_S, timeout_s: float = LONG_S) -> AsyncGenerator[ReplyPart, None]:
    return in_parts(cli, SUBJECT, encode(NodeGet(node="a")), timeout_s, silence_s)


def words(part: ReplyPart) -> tuple[str, bool]:
    return decode(part.data, NodeRemoved).node, part.last


async def counting(call: Call) -> Message:
    for number in range(5):
        await call.say(NodeRemoved(node=str(number)))
    return NodeRemoved(node="whole")


class Endless:
    """A handler that says one part, then works until it is cancelled."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def __call__(self, call: Call) -> Message:
        try:
            await call.say(NodeRemoved(node="first"))
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        raise AssertionError


async def test_parts_come_in_order_and_the_answer_is_the_last(api: RequestServer, master: Bus, cli: Bus) -> None:
    await serve(api, master, counting)
    heard = [words(part) async for part in ask(cli)]
    assert heard == [("0", False), ("1", False), ("2", False), ("3", False), ("4", False), ("whole", True)]


async def test_who_asks_for_one_reply_gets_the_answer_alone(api: RequestServer, master: Bus, cli: Bus) -> None:
    await serve(api, master, counting)
    assert (await cli.request(SUBJECT, NodeGet(node="a"), NodeRemoved, LONG_S)).node == "whole"


async def test_an_error_after_parts_is_raised_after_them(api: RequestServer, master: Bus, cli: Bus) -> None:
    async def failing(call: Call) -> Message:
        await call.say(NodeRemoved(node="first"))
        raise Conflict("taken", field="node")

    await serve(api, master, failing)
    heard = ask(cli)
    assert words(await anext(heard)) == ("first", False)
    with pytest.raises(Conflict, match="taken"):
        await anext(heard)


async def test_nobody_there_is_told_at_once(cli: Bus) -> None:
    with pytest.raises(Unavailable, match="no responders"):
        await anext(ask(cli))


async def test_a_caller_that_wants_no_more_ends_the_work(
    api: RequestServer, master: Bus, cli: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed_reply, "ALIVE_S", 0.02)
    handler = Endless()
    await serve(api, master, handler)
    async with aclosing(ask(cli)) as heard:
        assert words(await anext(heard)) == ("first", False)
    async with asyncio.timeout(5):
        await handler.ended.wait()
    await eventually(lambda: not api._parts._open and not len(api._tasks))


async def test_a_caller_that_is_gone_ends_the_work(
    api: RequestServer, master: Bus, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed_reply, "ALIVE_S", 0.02)
    handler = Endless()
    await serve(api, master, handler)
    cli = await connect("cli")
    heard = ask(cli)
    await anext(heard)
    cli.connection.client._transport.close()  # type: ignore[union-attr]
    with pytest.raises(Unavailable):
        await anext(heard)
    async with asyncio.timeout(5):
        await handler.ended.wait()


async def test_one_that_works_for_long_shows_that_it_is_there(
    api: RequestServer, master: Bus, cli: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed_reply, "ALIVE_S", 0.02)
    release = asyncio.Event()

    async def slow(call: Call) -> Message:
        await release.wait()
        return NodeRemoved(node="whole")

    await serve(api, master, slow)
    waiting = asyncio.ensure_future(anext(ask(cli, silence_s=0.5)))
    await asyncio.wait([waiting], timeout=1.0)
    assert not waiting.done()
    release.set()
    assert words(await waiting) == ("whole", True)


async def test_silence_ends_at_its_own_limit(api: RequestServer, master: Bus, cli: Bus) -> None:
    await serve(api, master, Endless())
    heard = ask(cli, silence_s=1.0)
    await anext(heard)
    with pytest.raises(DeadlineExceeded, match="nothing came for 1 s"):
        await anext(heard)


async def test_the_whole_has_a_limit_too(api: RequestServer, master: Bus, cli: Bus) -> None:
    await serve(api, master, Endless())
    heard = ask(cli, timeout_s=1.0)
    await anext(heard)
    with pytest.raises(DeadlineExceeded, match="not ended in time"):
        await anext(heard)


async def said_by_hand(cli: Bus, master: Bus, *numbers: int) -> AsyncGenerator[ReplyPart, None]:
    """The parts a caller hears when these arrive."""

    async def receive(message: object) -> None:
        for number in numbers:
            body = encode(NodeRemoved(node=str(number)))
            await master.connection.publish(message.reply, body, headers={PART: str(number)})  # type: ignore[attr-defined]

    await master.connection.subscribe(SUBJECT, receive)
    await master.connection.barrier()
    return ask(cli)


async def test_a_missing_part_is_refused(master: Bus, cli: Bus) -> None:
    heard = await said_by_hand(cli, master, 0, 2)
    assert words(await anext(heard))[0] == "0"
    with pytest.raises(Unavailable, match="lost on the way"):
        await anext(heard)


async def test_a_part_that_comes_twice_is_heard_once(master: Bus, cli: Bus) -> None:
    heard = await said_by_hand(cli, master, 0, 0, 1)
    assert [words(await anext(heard))[0] for _ in range(2)] == ["0", "1"]


async def test_a_broken_connection_ends_the_waiting_at_once(
    api: RequestServer, master: Bus, cli: Bus, broker: EmbeddedBroker
) -> None:
    handler = Endless()
    await serve(api, master, handler)
    heard = ask(cli)
    await anext(heard)
    kill(broker)
    with pytest.raises(Unavailable, match="broke"):
        await anext(heard)
    assert not cli.connection._on_down[1:]


async def test_of_several_that_serve_one_gives_all_parts(connect: Connect, cli: Bus) -> None:
    services = list[RequestServer]()
    for name in ("m1", "m2", "m3"):
        bus = await connect("master")
        services.append(RequestServer(bus, "fleetfold", version="1.2.3"))

        async def naming(call: Call, name: str = name) -> Message:
            for _ in range(3):
                await call.say(NodeRemoved(node=name))
            return NodeRemoved(node=name)

        await serve(services[-1], bus, naming)
    answers = [[words(part)[0] async for part in ask(cli)] for _ in range(30)]
    assert {len(answer) for answer in answers} == {4}
    assert {len(set(answer)) for answer in answers} == {1}
    assert len({answer[0] for answer in answers}) > 1
    for service in services:
        await service.stop()
