"""A request server passes every call through its interceptors, and counts each request by its one end."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.rpc import request_server, streamed_reply
from fleetfold_broker.rpc.admission import AdmissionControl
from fleetfold_broker.rpc.headers import DEADLINE
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.rpc.streamed_reply import in_parts
from fleetfold_broker.rpc.trace_context import TraceContext
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import DeadlineExceeded, Forbidden, InternalError, InvalidInput, NotFound, Overloaded
from fleetfold_shared.messages import Message, NodeGet, NodeRemoved, decode, encode
from support.broker import Connect
from support.wait import eventually

SUBJECT = "fleet.api.cli.nodes.get"
LONG_S = 30.0
"""A timeout that no test waits out."""
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
async def cli(connect: Connect) -> Bus:
    return await connect("cli")


async def _serve(api: RequestServer, bus: Bus, handler: Handler) -> Counter[str]:
    """Serve `nodes.get`; return the counters of its requests' ends."""
    subject = bus.subjects.api(verb="nodes.get")
    await api.serve("nodes.get", subject, handler, queue="masters", caller=lambda s: bus.subjects.token(s, 1))
    await bus.connection.barrier()
    return api.introspection.endpoints[-1].exits


async def _ask(cli: Bus, node: str = "shop", timeout_s: float = LONG_S) -> str:
    return (await cli.request(SUBJECT, NodeGet(node=node), NodeRemoved, timeout_s)).node


async def _named(call: Call) -> Message:
    return NodeRemoved(node=decode(call.body, NodeGet).node)


async def test_a_call_passes_every_interceptor_of_its_server_with_all_that_is_known_of_it(
    master: Bus, cli: Bus
) -> None:
    seen: list[Call] = []

    async def see(call: Call, proceed: Handler) -> Message | None:
        seen.append(call)
        return await proceed(call)

    api = RequestServer(master, "fleetfold", version="1.2.3", interceptors=[see])
    await _serve(api, master, _named)
    reply = f"{cli.connection.options.inbox_prefix}.traced"
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", DEADLINE: "30000"}
    await cli.connection.publish(SUBJECT, b'{"node":"shop"}', reply, headers)
    await eventually(lambda: bool(seen))
    [call] = seen
    assert (call.verb, call.identity, call.transport, call.subject) == ("nodes.get", "cli", "bus", SUBJECT)
    assert (call.body, call.trace) == (b'{"node":"shop"}', TraceContext(TRACE, SPAN, sampled=True))
    assert (left_s := call.remaining_s()) is not None
    assert 0 < left_s <= 30
    await api.stop()


async def test_what_an_interceptor_refuses_is_the_error_that_the_caller_gets(master: Bus, cli: Bus) -> None:
    served: list[Call] = []

    async def refuse(call: Call, proceed: Handler) -> Message | None:
        raise Forbidden(f"{call.identity} may not {call.verb}")

    async def note(call: Call) -> Message:
        served.append(call)
        return await _named(call) or NodeRemoved(node="")

    api = RequestServer(master, "fleetfold", version="1.2.3", interceptors=[refuse])
    exits = await _serve(api, master, note)
    with pytest.raises(Forbidden, match=r"cli may not nodes\.get"):
        await _ask(cli)
    assert (served, exits) == ([], {"forbidden": 1})
    await api.stop()


async def test_the_parts_of_a_reply_pass_interceptors_too(master: Bus, cli: Bus) -> None:
    async def loudly(call: Call, proceed: Handler) -> Message | None:
        await call.say(NodeRemoved(node="from the interceptor"))
        return await proceed(call)

    api = RequestServer(master, "fleetfold", version="1.2.3", interceptors=[loudly])
    await _serve(api, master, _named)
    heard = [part async for part in in_parts(cli, SUBJECT, encode(NodeGet(node="shop")), LONG_S, LONG_S)]
    assert [decode(part.data, NodeRemoved).node for part in heard] == ["from the interceptor", "shop"]
    await api.stop()


async def test_replies_and_errors_are_counted_by_their_kind(master: Bus, cli: Bus) -> None:
    async def choose(call: Call) -> Message:
        match decode(call.body, NodeGet).node:
            case "gone":
                raise NotFound("no such node")
            case "broken":
                raise ZeroDivisionError
            case name:
                return NodeRemoved(node=name)

    api = RequestServer(master, "fleetfold", version="1.2.3")
    exits = await _serve(api, master, choose)
    await _ask(cli)
    for node, error in (("gone", NotFound), ("broken", InternalError)):
        with pytest.raises(error):
            await _ask(cli, node)
    with pytest.raises(InvalidInput):
        await cli.ask(SUBJECT, b"{", LONG_S)
    assert exits == {"replied": 1, "not_found": 1, "internal": 1, "invalid_input": 1}
    await api.stop()


async def test_what_is_refused_by_admission_or_ends_with_its_service_is_counted(master: Bus, cli: Bus) -> None:
    places, entered = AdmissionControl(LimitsConfig(requests_per_identity=1)), asyncio.Event()

    async def hang(call: Call) -> Message:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    api = RequestServer(master, "fleetfold", version="1.2.3", places=places)
    exits = await _serve(api, master, hang)
    first = asyncio.create_task(_ask(cli))
    await entered.wait()
    with pytest.raises(Overloaded):
        await _ask(cli)
    assert exits == {"refused": 1}
    await api.stop(grace_s=0)
    with pytest.raises(DeadlineExceeded, match="ask again"):
        await first
    assert exits == {"refused": 1, "cancelled": 1}


async def test_what_waits_past_its_deadline_is_counted_and_passes_no_interceptor(
    master: Bus, cli: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_server, "MOST_AT_ONCE", 1)
    entered, release, passed = asyncio.Event(), asyncio.Event(), list[bytes]()

    async def note(call: Call, proceed: Handler) -> Message | None:
        passed.append(call.body)
        return await proceed(call)

    async def wait(call: Call) -> Message:
        entered.set()
        await release.wait()
        return NodeRemoved(node="done")

    api = RequestServer(master, "fleetfold", version="1.2.3", interceptors=[note])
    await api.serve("nodes.get", SUBJECT, wait, queue="masters")  # without a caller: who may ask waits for a turn
    await master.connection.barrier()
    first = asyncio.create_task(_ask(cli))
    await entered.wait()
    await cli.connection.publish(SUBJECT, b"late", f"{cli.connection.options.inbox_prefix}.late", {DEADLINE: "0"})
    await cli.connection.barrier()
    await master.connection.barrier()
    release.set()
    assert await first == "done"
    exits = api.introspection.endpoints[0].exits
    await eventually(lambda: exits.total() == 2)
    assert (exits, passed) == ({"replied": 1, "past_deadline": 1}, [encode(NodeGet(node="shop"))])
    await api.stop()


async def test_a_caller_that_goes_away_is_counted(master: Bus, cli: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed_reply, "ALIVE_S", 0.02)

    async def endless(call: Call) -> Message:
        await call.say(NodeRemoved(node="first"))
        await asyncio.Event().wait()
        raise AssertionError

    api = RequestServer(master, "fleetfold", version="1.2.3")
    exits = await _serve(api, master, endless)
    async with aclosing(in_parts(cli, SUBJECT, encode(NodeGet(node="shop")), LONG_S, LONG_S)) as heard:
        await anext(heard)
    await eventually(lambda: exits == {"caller_gone": 1})
    await api.stop()
