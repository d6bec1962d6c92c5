"""Request-reply: an answer, a typed error, or a plain word at once; nobody waits out a timeout to learn of an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.rpc import request_server as dispatch
from fleetfold_broker.rpc.admission import AdmissionControl, begin_waiting
from fleetfold_broker.rpc.headers import DEADLINE, error_of
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import (
    Conflict,
    DeadlineExceeded,
    FleetfoldError,
    InternalError,
    InvalidInput,
    NotFound,
    Overloaded,
    TooLarge,
    Unavailable,
)
from fleetfold_shared.messages import Message, NodeGet, NodeList, NodePinged, NodeRemoved, decode, encode
from support.broker import Connect, listen
from support.wait import eventually

SUBJECT = "fleet.api.cli.nodes.get"
LONG_S = 30.0
"""A timeout that no test waits out."""


@pytest.fixture
async def cli(connect: Connect) -> Bus:
    return await connect("cli")


@pytest.fixture
async def api(master: Bus) -> AsyncIterator[RequestServer]:
    service = RequestServer(master, "fleetfold", version="1.2.3", description="the master")
    yield service
    await service.stop(grace_s=0)


async def _serve(api: RequestServer, bus: Bus, handler: Handler) -> None:
    subject = bus.subjects.api(verb="nodes.get")
    await api.serve("get", subject, handler, queue="masters", caller=lambda s: bus.subjects.token(s, 1))
    await bus.connection.barrier()


async def _ask(cli: Bus, node: str = "shop", timeout_s: float = LONG_S) -> NodeRemoved:
    return await cli.request(SUBJECT, NodeGet(node=node), NodeRemoved, timeout_s)


async def test_a_handler_gets_the_caller_of_the_subject_and_the_time_that_remains(
    api: RequestServer, master: Bus, cli: Bus
) -> None:
    async def get(call: Call) -> Message:
        remaining = call.remaining_s()
        assert remaining is not None
        assert 0 < remaining <= LONG_S
        return NodeRemoved(node=f"{call.identity}/{decode(call.body, NodeGet).node}")

    await _serve(api, master, get)
    assert (await _ask(cli)).node == "cli/shop"


@pytest.mark.parametrize("kind", FleetfoldError.__subclasses__(), ids=lambda kind: kind.__name__)
async def test_the_error_a_handler_raises_is_the_error_the_caller_gets(
    api: RequestServer, master: Bus, cli: Bus, kind: type[FleetfoldError]
) -> None:
    async def refuse(call: Call) -> Message:
        raise kind("«naïve» names\nare refused", field="node")

    await _serve(api, master, refuse)
    with pytest.raises(kind) as refused:
        await _ask(cli)
    assert (refused.value.message, refused.value.field) == ("«naïve» names\nare refused", "node")


async def test_a_handler_with_a_defect_answers_at_once_and_goes_on_serving(
    api: RequestServer, master: Bus, cli: Bus
) -> None:
    async def broken(call: Call) -> Message:
        if decode(call.body, NodeGet).node == "shop":
            raise ZeroDivisionError("secret detail")
        return NodeRemoved(node="served")

    await _serve(api, master, broken)
    with pytest.raises(InternalError, match="ZeroDivisionError while serving") as told:
        await _ask(cli)
    assert "secret detail" not in told.value.message
    assert (await _ask(cli, "blog")).node == "served"


async def test_a_request_that_cannot_be_read_is_refused_by_its_field(api: RequestServer, master: Bus, cli: Bus) -> None:
    async def get(call: Call) -> Message:
        return NodeRemoved(node=decode(call.body, NodeGet).node)

    await _serve(api, master, get)
    with pytest.raises(InvalidInput) as refused:
        await cli.ask(SUBJECT, b'{"node":7}', LONG_S)
    assert refused.value.field == "node"


async def test_nobody_there_is_told_at_once(cli: Bus) -> None:
    with pytest.raises(Unavailable, match="no responders"):
        await _ask(cli)


async def test_silence_ends_at_the_timeout(api: RequestServer, master: Bus, cli: Bus) -> None:
    async def silent(call: Call) -> Message:
        await asyncio.Event().wait()
        raise NotFound("never")

    await _serve(api, master, silent)
    with pytest.raises(DeadlineExceeded, match=r"no answer on fleet\.api\.cli\.nodes\.get within 0\.05 s"):
        await _ask(cli, timeout_s=0.05)


async def test_an_answer_that_comes_too_late_disturbs_no_other(api: RequestServer, master: Bus, cli: Bus) -> None:
    release = asyncio.Event()

    async def get(call: Call) -> Message:
        node = decode(call.body, NodeGet).node
        if node == "slow":
            await release.wait()
        return NodeRemoved(node=node)

    await _serve(api, master, get)
    with pytest.raises(DeadlineExceeded):
        await _ask(cli, "slow", timeout_s=0.05)
    release.set()
    assert [(await _ask(cli, name)).node for name in ("a", "b")] == ["a", "b"]


async def test_a_request_past_its_deadline_is_dropped_unserved(
    master: Bus, cli: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "MOST_AT_ONCE", 1)
    api = RequestServer(master, "fleetfold", version="1.2.3")
    entered, release, served = asyncio.Event(), asyncio.Event(), list[str]()

    async def get(call: Call) -> Message:
        served.append(decode(call.body, NodeGet).node)
        entered.set()
        await release.wait()
        return NodeRemoved(node="done")

    await api.serve("get", SUBJECT, get, queue="masters")  # without a caller: who may ask waits for a turn
    await master.connection.barrier()
    first = asyncio.create_task(_ask(cli, "first"))
    await entered.wait()
    hopeless = encode(NodeGet(node="hopeless"))
    await cli.connection.publish(SUBJECT, hopeless, f"{cli.connection.options.inbox_prefix}.hopeless", {DEADLINE: "0"})
    third = asyncio.create_task(_ask(cli, "third"))
    await cli.connection.barrier()
    release.set()
    assert [(await task).node for task in (first, third)] == ["done", "done"]
    assert served == ["first", "third"]
    await api.stop()


async def test_a_hundred_slow_requests_are_served_at_once(api: RequestServer, master: Bus, cli: Bus) -> None:
    together = asyncio.Barrier(100)

    async def slow(call: Call) -> Message:
        await together.wait()
        return NodeRemoved(node=decode(call.body, NodeGet).node)

    await _serve(api, master, slow)
    answers = await asyncio.gather(*(_ask(cli, str(number)) for number in range(100)))
    assert [answer.node for answer in answers] == [str(number) for number in range(100)]


async def test_an_answer_goes_to_the_callers_own_inbox_only(
    api: RequestServer, master: Bus, cli: Bus, connect: Connect
) -> None:
    served = list[str]()

    async def get(call: Call) -> Message:
        served.append(decode(call.body, NodeGet).node)
        return NodeRemoved(node="served")

    await _serve(api, master, get)
    victim = await connect("cli-2")
    heard = await listen(victim, "_INBOX.cli-2.>"), await listen(victim, "fleet.cmd.*")
    for reply in ("_INBOX.cli-2.x", "fleet.cmd.shop", ""):
        await cli.publish(SUBJECT, NodeGet(node="aimed"), reply=reply)
    assert (await _ask(cli, "mine")).node == "served"
    await master.connection.barrier()
    await victim.connection.barrier()
    assert served == ["mine"]
    assert heard == ([], [])


async def test_what_is_too_large_is_refused_before_it_is_sent(cli: Bus, connect: Connect) -> None:
    heard = await listen(await connect("other"), "fleet.api.>")
    with pytest.raises(TooLarge, match=r"message of 1,048,\d\d\d bytes is over the broker's limit of 1,048,576"):
        await cli.publish(SUBJECT, NodeGet(node="x" * 1_048_576))
    assert cli.connection.is_up
    assert heard == []


@pytest.mark.parametrize("size", [1_048_576, 1_048_560])
async def test_headers_count_in_what_is_too_large(cli: Bus, size: int) -> None:
    with pytest.raises(TooLarge):
        await cli.ask(SUBJECT, b"x" * size, LONG_S)
    await cli.connection.barrier()
    assert cli.connection.reconnects == 0


async def test_an_answer_that_is_too_large_becomes_an_error(api: RequestServer, master: Bus, cli: Bus) -> None:
    async def much(call: Call) -> Message:
        return NodeRemoved(node="x" * 1_048_576)

    await _serve(api, master, much)
    with pytest.raises(TooLarge, match="over the broker's limit"):
        await _ask(cli)


async def test_a_service_that_stops_finishes_what_runs_and_hears_nothing_more(
    api: RequestServer, master: Bus, cli: Bus
) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def get(call: Call) -> Message:
        entered.set()
        await release.wait()
        return NodeRemoved(node="finished")

    await _serve(api, master, get)
    asked = asyncio.create_task(_ask(cli))
    await entered.wait()
    stopping = asyncio.create_task(api.stop())
    await master.connection.barrier()
    with pytest.raises(Unavailable, match="no responders"):
        await _ask(cli)
    release.set()
    assert (await asked).node == "finished"
    await stopping


async def test_who_waits_for_one_that_ends_is_told_at_once(api: RequestServer, master: Bus, cli: Bus) -> None:
    asked = asyncio.Event()

    async def hang(call: Call) -> Message:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    await _serve(api, master, hang)
    asking = asyncio.create_task(_ask(cli))
    await asked.wait()
    await api.stop(grace_s=0)
    async with asyncio.timeout(5):
        with pytest.raises(DeadlineExceeded, match="ask again"):
            await asking


async def test_a_request_that_is_cancelled_leaves_nothing_behind(api: RequestServer, master: Bus, cli: Bus) -> None:
    entered = asyncio.Event()

    async def silent(call: Call) -> Message:
        entered.set()
        await asyncio.Event().wait()
        raise Conflict("never")

    await _serve(api, master, silent)
    task = asyncio.create_task(_ask(cli))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not cli._requests._open


async def test_a_member_of_a_group_gets_each_request_once(connect: Connect, cli: Bus) -> None:
    served, services = list[str](), list[RequestServer]()
    for name in ("m1", "m2", "m3"):
        bus = await connect("master")
        services.append(RequestServer(bus, "fleetfold", version="1.2.3"))

        async def get(call: Call, name: str = name) -> Message:
            served.append(name)
            return NodePinged(ms={})

        await _serve(services[-1], bus, get)
    await asyncio.gather(*(cli.request(SUBJECT, NodeList(), NodePinged, LONG_S) for _ in range(60)))
    assert len(served) == 60
    assert set(served) == {"m1", "m2", "m3"}
    for service in services:
        await service.stop()


async def test_a_member_of_a_group_that_leaves_answers_what_it_has_been_given(connect: Connect, cli: Bus) -> None:
    answered = 0

    async def get(call: Call) -> Message:
        nonlocal answered
        answered += 1
        return NodeRemoved(node=decode(call.body, NodeGet).node)

    async def keep_asking(number: int) -> None:
        for _ in range(30):
            await _ask(cli, f"n{number}", 5.0)

    services = [RequestServer(await connect("master"), "fleetfold", version="1") for _ in range(3)]
    for service in services:
        await _serve(service, service._bus, get)
    asking = asyncio.gather(*(keep_asking(number) for number in range(40)))
    for service in services[1:]:
        enough = answered + 80
        await eventually(lambda enough=enough: answered >= enough)  # type: ignore[misc]
        assert not asking.done()
        await service.stop()
    await asking
    await services[0].stop()


@pytest.mark.parametrize("remaining", ["²", "9" * 5000, "-1", "soon", ""])
async def test_a_deadline_that_is_no_number_is_refused_by_its_header(
    api: RequestServer, master: Bus, cli: Bus, remaining: str
) -> None:
    async def get(call: Call) -> Message:
        return NodeRemoved(node="served")

    await _serve(api, master, get)
    answers = await listen(cli, f"{cli.connection.options.inbox_prefix}.odd")
    await cli.connection.publish(SUBJECT, b"{}", f"{cli.connection.options.inbox_prefix}.odd", {DEADLINE: remaining})
    await eventually(lambda: len(answers) == 1)
    assert (error := error_of(answers[0])).code == "invalid_input"
    assert (error.field, error.message.startswith(f"{DEADLINE}: expected a whole number")) == (DEADLINE, True)


def _waiting(hold_on: asyncio.Event) -> Handler:
    async def wait(call: Call) -> Message:
        if decode(call.body, NodeGet).node == "wait":
            begin_waiting()
        await hold_on.wait()
        return NodeRemoved(node="done")

    return wait


async def test_one_that_has_too_many_under_way_is_refused_at_once_and_others_are_served(
    master: Bus, cli: Bus, connect: Connect
) -> None:
    hold_on, places = asyncio.Event(), AdmissionControl(LimitsConfig(requests_per_identity=3, waiting_per_identity=5))
    api = RequestServer(master, "fleetfold", version="1.2.3", places=places)
    await _serve(api, master, _waiting(hold_on))
    asked = [asyncio.create_task(_ask(cli)) for _ in range(3)]
    await eventually(lambda: places.working.total == 3)
    with pytest.raises(Overloaded, match="'cli' has 3 requests under way") as refused:
        await _ask(cli)
    assert refused.value.retry_after_s == 1.0
    other = await connect("ann")
    theirs = other.request("fleet.api.ann.nodes.get", NodeGet(node="shop"), NodeRemoved, LONG_S)
    asked.append(asyncio.create_task(theirs))
    await eventually(lambda: places.working.total == 4)
    hold_on.set()
    assert [each.node for each in await asyncio.gather(*asked)] == ["done"] * 4
    assert (await _ask(cli)).node == "done"
    await api.stop()


async def test_what_waits_takes_no_place_of_what_works(master: Bus, cli: Bus) -> None:
    hold_on, places = asyncio.Event(), AdmissionControl(LimitsConfig(requests_per_identity=1, waiting_per_identity=50))
    api = RequestServer(master, "fleetfold", version="1.2.3", places=places)
    await _serve(api, master, _waiting(hold_on))
    waiting = []
    for number in range(50):
        waiting.append(asyncio.create_task(_ask(cli, "wait")))
        await eventually(lambda number=number: places.waiting.total == number + 1)  # type: ignore[misc]
    with pytest.raises(Overloaded, match="'cli' has 50 requests waiting"):
        await _ask(cli, "wait")
    working = asyncio.create_task(_ask(cli))
    await eventually(lambda: places.working.total == 1)
    hold_on.set()
    assert {each.node for each in await asyncio.gather(working, *waiting)} == {"done"}
    assert (places.working.total, places.waiting.total) == (0, 0)
    await api.stop()


async def test_an_endpoint_with_places_of_its_own_is_served_when_all_others_are_taken(master: Bus, cli: Bus) -> None:
    hold_on, places = asyncio.Event(), AdmissionControl(LimitsConfig(requests_per_identity=1))
    api = RequestServer(master, "fleetfold", version="1.2.3", places=places)
    await _serve(api, master, _waiting(hold_on))

    async def join(call: Call) -> Message:
        return NodeRemoved(node="joined")

    await api.serve(
        "join", master.subjects.api(verb="nodes.join"), join, queue="masters",
        caller=lambda subject: master.subjects.token(subject, 1), places=AdmissionControl(),
    )  # fmt: skip
    await master.connection.barrier()
    working = asyncio.create_task(_ask(cli))
    await eventually(lambda: places.working.total == 1)
    joined = await cli.request("fleet.api.cli.nodes.join", NodeList(), NodeRemoved, LONG_S)
    assert joined.node == "joined"
    hold_on.set()
    await working
    await api.stop()
