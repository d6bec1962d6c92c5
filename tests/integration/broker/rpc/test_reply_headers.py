"""A handler may send headers with its answer: they arrive with it, and with an error in its stead."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.headers import ERROR_CODE
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_shared.errors import RateLimited
from fleetfold_shared.messages import Message, NodeList, encode
from support.broker import Connect, listen
from support.wait import eventually

SUBJECT = "fleet.api.cli.nodes.list"
LEFT = "RateLimit-Remaining"


@pytest.fixture
async def cli(connect: Connect) -> Bus:
    return await connect("cli")


@pytest.fixture
async def api(master: Bus) -> AsyncIterator[RequestServer]:
    service = RequestServer(master, "fleetfold", version="1.2.3")
    yield service
    await service.stop(grace_s=0)


async def answered(api: RequestServer, master: Bus, cli: Bus, handler: Handler, times: int = 1) -> list[Incoming]:
    """What comes back for so many requests, as it is on the wire."""
    await api.serve("list", SUBJECT, handler, queue="masters", caller=lambda subject: master.subjects.token(subject, 1))
    await master.connection.barrier()
    replies = await listen(cli, "_INBOX.cli.test.*")
    for number in range(times):
        await cli.connection.publish(SUBJECT, encode(NodeList()), f"_INBOX.cli.test.{number}")
    await eventually(lambda: len(replies) == times)
    return replies


async def test_headers_of_a_handler_arrive_with_its_answer(api: RequestServer, master: Bus, cli: Bus) -> None:
    async def handle(call: Call) -> Message:
        call.reply_headers[LEFT] = "5"
        return NodeList()

    (reply,) = await answered(api, master, cli, handle)
    assert (reply.headers or {})[LEFT] == "5"
    assert ERROR_CODE not in (reply.headers or {})


async def test_headers_of_a_handler_arrive_with_its_error(api: RequestServer, master: Bus, cli: Bus) -> None:
    async def handle(call: Call) -> Message:
        call.reply_headers[LEFT] = "0"
        raise RateLimited("later", retry_after_s=1.0)

    (reply,) = await answered(api, master, cli, handle)
    assert reply.headers is not None
    assert (reply.headers[LEFT], reply.headers[ERROR_CODE]) == ("0", "429")


async def test_headers_of_a_handler_arrive_with_the_report_of_its_defect(
    api: RequestServer, master: Bus, cli: Bus
) -> None:
    async def handle(call: Call) -> Message:
        call.reply_headers[LEFT] = "0"
        raise ZeroDivisionError

    (reply,) = await answered(api, master, cli, handle)
    assert reply.headers is not None
    assert (reply.headers[LEFT], reply.headers[ERROR_CODE]) == ("0", "500")


async def test_the_headers_of_one_answer_are_not_on_the_next(api: RequestServer, master: Bus, cli: Bus) -> None:
    seen: list[Call] = []

    async def handle(call: Call) -> Message:
        if not seen:
            call.reply_headers[LEFT] = "5"
        seen.append(call)
        return NodeList()

    replies = await answered(api, master, cli, handle, times=2)
    assert sorted(LEFT in (reply.headers or {}) for reply in replies) == [False, True]
