"""Long work on a real node: its progress is heard, it is cancelled over the bus, it is tried again by a policy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from fleetfold import Context, RetryPolicy, action
from fleetfold_broker.bus import Bus
from fleetfold_broker.identity.message_seals import Seals
from fleetfold_broker.rpc.scatter import ScatterClient, ScatterReply
from fleetfold_master.api import CommandPublisher
from fleetfold_shared.errors import Forbidden
from fleetfold_shared.messages import (
    Cancelled,
    CancelRequest,
    Command,
    CommandResult,
    CommandResults,
    ProgressReport,
    decode,
    encode,
)  # fmt: skip
from support.inprocess import Fleet, fleet
from support.wait import eventually

__all__ = ["fleet"]


@action(timeout=3600, cancel_grace=60)
async def crawl(ctx: Context, pages: int) -> str:
    """Go through pages for a while."""
    for page in range(pages):
        ctx.progress(page, pages, f"page {page}")
        if ctx.cancelled:
            return f"stopped by {ctx.cancelled_by}"
        await asyncio.sleep(0)
    return "done"


@action(retry=RetryPolicy(attempts=3, backoff_s=0.0))
async def fickle(ctx: Context) -> int:
    """Works at the third try."""
    ctx.progress(ctx.attempt)
    if ctx.attempt < 3:
        raise ConnectionError("away")
    return ctx.attempt


class Desk:
    """What a master does: commands out, results and progress in."""

    def __init__(self, bus: Bus, seals: Seals) -> None:
        self.bus = bus
        self.gatherer, self._sender = ScatterClient(bus, seals=seals), CommandPublisher(bus, seals)
        self.results, self.progress = list[CommandResult](), list[ProgressReport]()

    async def send(self, command: Command) -> None:
        await self._sender.send("shop", command)

    async def cancel(self, ids: Sequence[str], node: str = "shop") -> ScatterReply:
        ask = encode(CancelRequest(ids=list(ids), by="ann"))
        return (await self.gatherer.ask("cancel", [node], ask, 10.0))[node]

    async def result(self, command_id: str) -> CommandResult:
        await eventually(lambda: any(one.id == command_id for one in self.results))
        return next(one for one in self.results if one.id == command_id)


@asynccontextmanager
async def desk(fleet: Fleet) -> AsyncIterator[Desk]:
    async def result_came(message: object) -> None:
        master.results.extend(decode(message.data, CommandResults).results)  # type: ignore[attr-defined]  # as nats-py gives it

    async def progress_came(message: object) -> None:
        master.progress.append(decode(message.data, ProgressReport))  # type: ignore[attr-defined]  # likewise

    async with fleet.masters_bus() as bus:
        master = Desk(bus, fleet.seals)
        await master.gatherer.start()
        await bus.connection.subscribe(bus.subjects.result("shop"), result_came)
        await bus.connection.subscribe(bus.subjects.progress("shop"), progress_came)
        await bus.connection.barrier()
        yield master


async def test_a_long_command_is_heard_of_and_stops_when_it_is_told_to(fleet: Fleet) -> None:
    await fleet.start(fleet.declare("shop").add(crawl))
    async with desk(fleet) as master:
        await master.send(Command(id="long", attempt=1, action="crawl", params={"pages": 10**9}))
        await eventually(lambda: len(master.progress) >= 2)
        said = master.progress[-1]
        assert (said.id, said.progress.total, said.progress.attempt) == ("long", 10**9, 1)
        assert said.progress.note == f"page {said.progress.done:g}"
        answer = await master.cancel(["long", "later"])
        assert decode(answer.data, Cancelled).verdicts == {"long": "stopping", "later": "never"}
        ended = await master.result("long")
        assert (ended.outcome, ended.result) == ("ok", "stopped by ann")
        never = await master.result("later")
        assert (never.outcome, never.error) == ("rejected", "cancelled by ann before it began")
        master.results.clear()
        await master.send(Command(id="later", attempt=1, action="crawl", params={"pages": 1}))
        assert (await master.result("later")).outcome == "rejected"


async def test_the_last_word_comes_before_the_result(fleet: Fleet) -> None:
    await fleet.start(fleet.declare("shop").add(fickle))
    async with desk(fleet) as master:
        order: list[str] = []
        for subject in (master.bus.subjects.result("shop"), master.bus.subjects.progress("shop")):

            async def note(message: object) -> None:
                order.append(message.subject)  # type: ignore[attr-defined]  # as nats-py gives it

            await master.bus.connection.subscribe(subject, note)
        await master.bus.connection.barrier()
        await master.send(Command(id="f", attempt=1, action="fickle"))
        ended = await master.result("f")
        assert (ended.outcome, ended.result) == ("ok", 3)
        assert (master.progress[-1].progress.done, master.progress[-1].progress.attempt) == (3, 3)
        assert order[-1] == master.bus.subjects.result("shop")


async def test_a_node_without_actions_cancels_nothing(fleet: Fleet) -> None:
    token = (await fleet.client.nodes.invite("shop", only=["search"])).token
    await fleet.start(fleet.declare("shop", {"products": list}, join=token))
    async with desk(fleet) as master:
        answer = await master.cancel(["a"])
        assert isinstance(answer.error, Forbidden)
        assert "shop was not granted 'actions'" in answer.error.message


async def test_an_action_shows_what_it_asks_for(fleet: Fleet) -> None:
    @action(destructive=True, slots=2, heartbeat=30, retry=RetryPolicy(attempts=4))
    async def wipe(ctx: Context) -> None:
        """Forget everything."""

    await fleet.start(fleet.declare("shop").add(wipe))
    [node] = await fleet.client.nodes.list()
    [said] = [one for one in node.description.actions if one.name == "wipe"]
    assert (said.destructive, said.slots, said.heartbeat_s, said.retry) == (True, 2, 30.0, RetryPolicy(attempts=4))


@pytest.mark.parametrize("grace", [0.0])
async def test_what_was_cancelled_stays_so_over_a_restart_of_its_node(fleet: Fleet, grace: float) -> None:
    begun = asyncio.Event()

    @action(timeout=3600, cancel_grace=3600)
    async def stubborn(ctx: Context) -> None:
        """Heed nothing."""
        begun.set()
        await asyncio.Event().wait()

    child = await fleet.start(fleet.declare("shop").add(stubborn))
    async with desk(fleet) as master:
        await master.send(Command(id="s", attempt=1, action="stubborn"))
        await begun.wait()
        assert decode((await master.cancel(["s"])).data, Cancelled).verdicts == {"s": "stopping"}
        assert child._node is not None
        await child._node._deliveries.stop(grace)
        await fleet.stop_child("shop")
        await fleet.start(fleet.declare("shop").add(stubborn))
        ended = await master.result("s")
        assert ended.outcome == "unknown"
        assert "cancelled by ann; the node had stopped while it ran" in (ended.error or "")
