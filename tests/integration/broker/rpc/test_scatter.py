"""Scatter-gather: the answers of many, the dead at once, the silent by absence, and no answer in a wrong place."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc import scatter
from fleetfold_broker.rpc.headers import CORRELATION, ERROR_CODE, GATHER
from fleetfold_broker.rpc.interceptors import drop_late_reply, skip_empty
from fleetfold_broker.rpc.pipeline import Call
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.rpc.scatter import ScatterClient, ScatterReply
from fleetfold_broker.rpc.scatter_responder import serve_node
from fleetfold_shared.errors import DeadlineExceeded, InvalidInput, NotFound, TooLarge, Unavailable
from fleetfold_shared.messages import Message, NodeGet, Pong, decode
from fleetfold_shared.verbs.node_requests import COUNTERS, PING
from support.broker import Connect, ServeNode, listen
from support.wait import eventually

LONG_S = 30.0


@pytest.fixture
def gone() -> list[str]:
    return []


@pytest.fixture
def unexpected() -> list[str]:
    return []


@pytest.fixture
async def gatherer(connect: Connect, gone: list[str], unexpected: list[str]) -> ScatterClient:
    gatherer = ScatterClient(await connect("master"), on_gone=gone.append, on_unexpected=unexpected.append)
    await gatherer.start()
    return gatherer


async def _silent(call: Call) -> Message:
    await asyncio.Event().wait()
    raise NotFound("never")


def _pong(name: str) -> Message:
    return Pong(incarnation=name)


async def _nodes(connect: Connect, serve: ServeNode, *names: str) -> Bus:
    """Nodes that say their own name, all on one connection."""
    bus = await connect("nodes")
    for name in names:

        async def ping(call: Call, name: str = name) -> Message:
            return _pong(name)

        await serve(bus, name, ping=ping)
    return bus


def _said(answers: dict[str, ScatterReply]) -> dict[str, str]:
    return {node: decode(answer.data, Pong).incarnation for node, answer in answers.items()}


async def test_each_node_answers_for_itself(gatherer: ScatterClient, connect: Connect, serve: ServeNode) -> None:
    names = ["shop", "blog", "crm"]
    await _nodes(connect, serve, *names, "unasked")
    answers = await gatherer.ask("ping", names, b"{}", LONG_S)
    assert _said(answers) == {name: name for name in names}
    assert all(answer.error is None and answer.ms > 0 for answer in answers.values())


async def test_asking_nobody_is_answered_by_nobody(gatherer: ScatterClient) -> None:
    assert await gatherer.ask("ping", [], b"{}", LONG_S) == {}


async def test_the_dead_cost_no_waiting(
    gatherer: ScatterClient, gone: list[str], connect: Connect, serve: ServeNode
) -> None:
    await _nodes(connect, serve, "shop")
    answers = await gatherer.ask("ping", ["shop", "dead"], b"{}", LONG_S)
    assert isinstance(answers["dead"].error, Unavailable)
    assert "'dead' is not connected" in answers["dead"].error.message
    assert answers["shop"].error is None
    assert gone == ["dead"]


async def test_the_silent_are_absent_after_the_timeout(
    gatherer: ScatterClient, connect: Connect, serve: ServeNode
) -> None:
    bus = await _nodes(connect, serve, "shop")
    await serve(bus, "slow", ping=_silent)
    assert set(await gatherer.ask("ping", ["shop", "slow"], b"{}", 0.1)) == {"shop"}
    assert not gatherer._rounds


async def test_an_error_is_told_typed_and_at_once(gatherer: ScatterClient, connect: Connect, serve: ServeNode) -> None:
    async def broken(call: Call) -> Message:
        return _pong(1 // 0 * "")

    async def wrong(call: Call) -> Message:
        return _pong(decode(call.body, NodeGet).node)

    async def much(call: Call) -> Message:
        return _pong("x" * 1_048_576)

    bus = await connect("nodes")
    for name, handler in (("broken", broken), ("wrong", wrong), ("much", much)):
        await serve(bus, name, ping=handler)
    answers = await gatherer.ask("ping", ["broken", "wrong", "much"], b'{"node":1}', LONG_S)
    assert answers["broken"].error is not None
    assert answers["broken"].error.code == "internal"
    assert isinstance(answers["wrong"].error, InvalidInput)
    assert answers["wrong"].error.field == "node"
    assert isinstance(answers["much"].error, TooLarge)


async def test_a_question_to_many_is_broadcast(gatherer: ScatterClient, connect: Connect, serve: ServeNode) -> None:
    names = [f"n{number}" for number in range(scatter.BROADCAST_FROM)]
    bus = await _nodes(connect, serve, *names)
    asked, called = await listen(bus, "fleet.ask.>"), await listen(bus, "fleet.call.>")
    assert _said(await gatherer.ask("ping", names, b"{}", LONG_S)) == {name: name for name in names}
    assert (len(asked), len(called)) == (1, 0)


async def test_a_broadcast_counts_only_those_it_was_meant_for(
    gatherer: ScatterClient, connect: Connect, serve: ServeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scatter, "BROADCAST_FROM", 2)
    await _nodes(connect, serve, "shop", "blog", "unasked")
    assert set(await gatherer.ask("ping", ["shop", "blog"], b"{}", LONG_S)) == {"shop", "blog"}


async def test_rounds_at_the_same_time_keep_their_answers_apart(
    gatherer: ScatterClient, connect: Connect, serve: ServeNode
) -> None:
    async def echo(call: Call) -> Message:
        return _pong(decode(call.body, NodeGet).node)

    bus = await connect("nodes")
    for name in ("shop", "blog"):
        await serve(bus, name, ping=echo)
    bodies = [b'{"node":"%d"}' % number for number in range(50)]
    rounds = await asyncio.gather(*(gatherer.ask("ping", ["shop", "blog"], body, LONG_S) for body in bodies))
    assert [_said(answers) for answers in rounds] == [{"shop": str(n), "blog": str(n)} for n in range(50)]


async def _puppet(bus: Bus) -> asyncio.Queue[Incoming]:
    """Hears the questions to `shop` and leaves it to the test to answer."""
    questions: asyncio.Queue[Incoming] = asyncio.Queue()
    await bus.connection.subscribe("fleet.call.shop.ping", questions.put)
    await bus.connection.subscribe("fleet.call.blog.ping", questions.put)
    await bus.connection.barrier()
    return questions


async def _answer(bus: Bus, question: Incoming, node: str, said: str) -> None:
    headers = question.headers or {}
    subject = bus.subjects.gather(headers[GATHER], node)
    body = b'{"incarnation":"%s"}' % said.encode()
    await bus.connection.publish(subject, body, headers={CORRELATION: headers[CORRELATION]})


async def test_a_late_answer_does_not_leak_into_the_next_round(gatherer: ScatterClient, connect: Connect) -> None:
    bus = await connect("shop")
    questions = await _puppet(bus)
    assert await gatherer.ask("ping", ["shop"], b"{}", 0.05) == {}
    late = await questions.get()
    asking = asyncio.create_task(gatherer.ask("ping", ["shop"], b"{}", LONG_S))
    question = await questions.get()
    await _answer(bus, late, "shop", "late")
    await _answer(bus, question, "shop", "right")
    assert _said(await asking) == {"shop": "right"}


async def test_a_late_answer_is_told_and_so_is_that_there_will_be_none(
    gatherer: ScatterClient, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scatter, "LATE_S", 0.5)
    told: asyncio.Queue[tuple[str, ScatterReply | None]] = asyncio.Queue()
    bus = await connect("shop")
    questions = await _puppet(bus)
    with gatherer.round("ping", lambda *_: True, lambda node, answer: told.put_nowait((node, answer))) as round_:
        await round_.ask(["shop", "blog"], b"{}", LONG_S)
        assert not await round_.wait(0.01)
    assert not gatherer._rounds
    await _answer(bus, await questions.get(), "shop", "late")
    node, answer = await told.get()
    assert (node, _said({"shop": answer} if answer else {})) == ("shop", {"shop": "late"})
    assert await told.get() == ("blog", None)
    assert not gatherer._late


async def test_the_second_answer_of_a_node_and_that_of_an_unasked_one_do_not_count(
    gatherer: ScatterClient, connect: Connect
) -> None:
    bus = await connect("shop")
    questions = await _puppet(bus)
    asking = asyncio.create_task(gatherer.ask("ping", ["shop", "blog"], b"{}", LONG_S))
    question = await questions.get()
    for node, said in (("shop", "first"), ("shop", "second"), ("crm", "unasked"), ("blog", "last")):
        await _answer(bus, question, node, said)
    assert _said(await asking) == {"shop": "first", "blog": "last"}


async def test_a_gatherer_hears_nothing_of_another(gatherer: ScatterClient, connect: Connect, serve: ServeNode) -> None:
    other = ScatterClient(await connect("master"))
    await other.start()
    bus = await connect("shop")
    questions = await _puppet(bus)
    mine = asyncio.create_task(gatherer.ask("ping", ["shop"], b"{}", LONG_S))
    question_of_mine = await questions.get()
    its = asyncio.create_task(other.ask("ping", ["shop"], b"{}", LONG_S))
    question_of_its = await questions.get()
    await _answer(bus, question_of_mine, "shop", "mine")
    await _answer(bus, question_of_its, "shop", "its")
    assert (_said(await mine), _said(await its)) == ({"shop": "mine"}, {"shop": "its"})


async def test_without_a_connection_it_is_said_at_once(gatherer: ScatterClient) -> None:
    await gatherer._bus.close()
    with pytest.raises(Unavailable):
        await gatherer.ask("ping", ["shop"], b"{}", LONG_S)
    assert not gatherer._rounds


async def test_a_question_that_does_not_say_who_gathers_is_heard_and_not_answered(
    master: Bus, gatherer: ScatterClient, connect: Connect, serve: ServeNode
) -> None:
    heard = list[str]()

    async def note(call: Call) -> Message:
        heard.append(decode(call.body, NodeGet).node)
        return _pong("x")

    await serve(await connect("shop"), "shop", ping=note)
    with pytest.raises(DeadlineExceeded):
        await master.ask("fleet.call.shop.ping", b'{"node":"unsigned"}', 0.1)
    assert heard == ["unsigned"]


async def test_what_has_no_body_is_nobodys_question(
    master: Bus, gatherer: ScatterClient, connect: Connect, serve: ServeNode
) -> None:
    """Such as the server's own «no responders», when somebody has named a node's subject as the reply."""
    heard = list[bytes]()

    async def note(call: Call) -> Message:
        heard.append(call.body)
        return _pong("x")

    await serve(await connect("shop"), "shop", ping=note)
    await master.connection.publish("fleet.call.nobody.ping", b"{}", "fleet.call.shop.ping")
    await master.connection.publish(
        "fleet.call.shop.ping", b"", headers={GATHER: gatherer._requester, CORRELATION: "1"}
    )
    assert set(await gatherer.ask("ping", ["shop"], b"{}", LONG_S)) == {"shop"}
    assert heard == [b"{}"]


async def test_what_was_not_asked_is_not_read_and_told(
    gatherer: ScatterClient, unexpected: list[str], connect: Connect, serve: ServeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[object]()
    monkeypatch.setattr(scatter, "error_of", lambda message: read.append(message) or NotFound("read"))
    nodes = await _nodes(connect, serve, "shop")
    with gatherer.round("ping", lambda _node, _answer: True) as round_:
        await round_.ask(["shop"], b"{}", LONG_S)
        assert await round_.wait(LONG_S)
        for number in ("", "1", "7", "²"):  # no round, this one once more, one that is not
            await nodes.connection.publish(
                nodes.subjects.gather(gatherer._requester, "shop"),
                b"{}",
                headers={CORRELATION: number, ERROR_CODE: "500"},
            )
        await eventually(lambda: len(unexpected) == 4)
    assert (set(unexpected), read) == ({"shop"}, [])
    assert _said(round_.answers) == {"shop": "shop"}


async def test_a_probe_finds_whoever_answers_a_broadcast_by_its_verified_name(
    gatherer: ScatterClient, connect: Connect, serve: ServeNode
) -> None:
    async def refuse(_call: Call) -> Message:
        raise NotFound("an error is a sign of life, too")

    bus = await _nodes(connect, serve, "shop", "blog")
    await serve(bus, "crm", ping=refuse)
    found: dict[str, float] = {}
    while found.keys() != {"shop", "blog", "crm"}:
        assert found.keys() <= {"shop", "blog", "crm"}
        found = await gatherer.probe("ping", b"{}", 0.2)
    assert all(ms > 0 for ms in found.values())


async def test_replies_to_a_probe_are_expected(
    gatherer: ScatterClient, connect: Connect, serve: ServeNode, gone: list[str], unexpected: list[str]
) -> None:
    await _nodes(connect, serve, "shop")
    while not await gatherer.probe("ping", b"{}", 0.2):
        pass
    assert (unexpected, gone) == ([], [])


async def test_an_answer_of_a_replaced_process_is_refused_at_once_and_a_pong_is_not(connect: Connect) -> None:
    bus = await connect("nodes")
    service = RequestServer(bus, "shop", version="1.2.3", interceptors=[skip_empty, drop_late_reply])

    async def pong(_call: Call) -> Message:
        return _pong("old")

    await serve_node(service, bus, "shop", {PING: pong, COUNTERS: pong}, incarnation="old")
    await bus.connection.barrier()
    gatherer = ScatterClient(await connect("master"), is_replaced=lambda node, said: (node, said) == ("shop", "old"))
    await gatherer.start()
    refused = (await gatherer.ask("figures", ["shop"], b"{}", LONG_S))["shop"]
    assert isinstance(refused.error, Unavailable)
    assert "another one has replaced" in refused.error.message
    assert _said(await gatherer.ask("ping", ["shop"], b"{}", LONG_S)) == {"shop": "old"}
    await service.stop(grace_s=0)
