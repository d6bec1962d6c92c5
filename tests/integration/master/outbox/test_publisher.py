"""Deliveries over a real database: tried until they arrive, by one master at a time, whatever dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from fleetfold_master.dead_letters import DeadLetters, dead_letter_of_delivery
from fleetfold_master.events import DeadLettered, Event
from fleetfold_master.outbox import Delivery, rows
from fleetfold_master.outbox.publisher import CLAIM_S, MOST_AT_ONE_PLACE, Publisher
from fleetfold_master.store import Store
from fleetfold_master.webhooks.destinations import place_of
from fleetfold_master.webhooks.model import MOST_TRIES, NotDelivered, Undeliverable
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import NotFound, Unavailable
from fleetfold_shared.messages import DeadLetterList
from support.wait import eventually


class Post:
    """Master's publishers on one database, and what they have sent. `fails` is raised for the ids it names."""

    def __init__(self, store: Store) -> None:
        self.store, self.clock = store, ManualClock()
        self.sent: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.published: list[Event] = []
        self.dead_letters = DeadLetters(store, self.clock)
        self.hanging = asyncio.Event()
        self.publisher = self.master()

    def master(self) -> Publisher:
        return Publisher(self.store, self.clock, self.send, dead_letter_of_delivery, self.published.append)

    async def send(self, delivery: Delivery) -> None:
        self.sent.append(delivery.id)
        if delivery.record == "hangs":
            await self.hanging.wait()
        if delivery.id in self.fails:
            raise self.fails[delivery.id]

    async def put(self, *ids: str, record: str = "j1", url: str | None = None) -> None:
        now = self.clock.wall()
        await self.store.write(
            rows.added([
                Delivery(
                    id=key, mark=key, type="job.ended", record=record, name="ann", url=url,
                    subject=None if url else "x", place=place_of(url), created_at=now, due_at=now,
                )
                for key in ids
            ])
        )  # fmt: skip

    async def round(self, publisher: Publisher | None = None) -> int:
        """One look, and the end of what it has begun."""
        publisher = publisher or self.publisher
        begun = await publisher.round()
        await eventually(lambda: not len(publisher._tasks))
        return begun

    async def left(self) -> list[Delivery]:
        return await rows.read_due(self.store, 1e18, (), 1000)


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    store = await Store.open(f"sqlite:///{tmp_path}/master.db")
    post = Post(store)
    yield post
    await post.publisher.close()
    await store.close()


async def test_what_has_arrived_is_gone(post: Post) -> None:
    await post.put("a", "b")
    assert await post.round() == 2
    assert (sorted(post.sent), await post.left(), await post.round()) == (["a", "b"], [], 0)


async def test_what_fails_is_tried_again_ever_more_rarely_and_given_up_after_about_a_day(post: Post) -> None:
    await post.put("a")
    post.fails["a"] = NotDelivered("no answer")
    began, times = post.clock.wall(), []
    while not (lost := await rows.read_abandoned(post.store, 10)):
        if await post.round():
            times.append(post.clock.wall() - began)
        if left := await post.left():
            assert left[0].error == "no answer"
            post.clock.advance((left[0].due_at or 0.0) - post.clock.wall())
    assert len(times) == MOST_TRIES
    assert times[0] == 0.0
    assert 0.8 <= times[1] <= 1.2
    assert 19 * 3600 < times[-1] < 29 * 3600
    assert [(one.id, one.tries, one.error, one.target) for one in lost] == [("a", MOST_TRIES, "no answer", "evt.ann.x")]


@pytest.mark.parametrize("error", [Undeliverable("gone"), NotFound("no job")])
async def test_what_can_never_arrive_is_given_up_at_once(post: Post, error: Exception) -> None:
    await post.put("a")
    post.fails["a"] = error
    await post.round()
    assert [one.id for one in await rows.read_abandoned(post.store, 10)] == ["a"]


async def test_a_broker_that_is_away_is_waited_for(post: Post) -> None:
    await post.put("a")
    post.fails["a"] = Unavailable("no broker")
    await post.round()
    post.clock.advance(2)
    post.fails.clear()
    assert (await post.round(), await post.left()) == (1, [])


async def test_the_other_side_may_ask_for_a_longer_pause(post: Post) -> None:
    await post.put("a")
    post.fails["a"] = NotDelivered("busy", 600.0)
    await post.round()
    post.clock.advance(599)
    assert await post.round() == 0
    post.clock.advance(2)
    assert await post.round() == 1


async def test_two_masters_share_the_work_and_never_send_the_same_at_once(post: Post) -> None:
    ids = [f"d{number:03}" for number in range(100)]
    await post.put(*ids)
    other = post.master()
    begun = await asyncio.gather(post.round(), post.round(other))
    assert sum(begun) == 100
    assert sorted(post.sent) == ids
    assert await post.left() == []


async def test_what_a_dead_master_had_claimed_is_taken_over(post: Post) -> None:
    await post.put("a", record="hangs")
    await post.publisher.round()
    await post.publisher.close()  # it dies in the midst
    other = post.master()
    post.hanging.set()
    post.clock.advance(CLAIM_S - 1)
    assert await post.round(other) == 0
    post.clock.advance(1)
    assert (await post.round(other), await post.left(), post.sent) == (1, [], ["a", "a"])


async def test_who_has_lost_its_claim_changes_nothing_any_more(post: Post) -> None:
    await post.put("a", record="hangs")
    await post.publisher.round()
    post.clock.advance(CLAIM_S)
    other = post.master()
    assert await other.round() == 1
    [held] = await post.left()
    post.fails["a"] = Undeliverable("too late")
    post.hanging.set()
    await eventually(lambda: not len(post.publisher._tasks) and not len(other._tasks))
    assert held.tries == 2
    assert [one.tries for one in await rows.read_abandoned(post.store, 10)] == [2]


async def test_a_server_that_keeps_us_waiting_holds_up_no_other(post: Post) -> None:
    await post.put(*(f"h{n:03}" for n in range(300)), record="hangs", url="https://slow.example.org/")
    await post.put("w", url="https://quick.example.org/")
    await post.put("e")
    for _ in range(4):
        await post.publisher.round()
    await eventually(lambda: {"w", "e"} <= set(post.sent))
    assert len([key for key in post.sent if key.startswith("h")]) == MOST_AT_ONE_PLACE


async def test_what_was_given_up_can_be_tried_as_often_again_or_forgotten(post: Post) -> None:
    await post.put("a", "b")
    post.fails.update(dict.fromkeys("ab", Undeliverable("gone")))
    await post.round()
    assert await post.store.write(rows.dropped("b")) == 1
    assert await post.store.write(rows.again("a", post.clock.wall())) == 1
    post.fails.clear()
    assert (await post.round(), await post.left(), await rows.read_abandoned(post.store, 10)) == (1, [], [])
    assert await post.store.write(rows.again("a", post.clock.wall())) == 0


async def test_it_goes_on_though_the_database_fails_once(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a word wakes it before its next look."""
    read, failed = rows.read_due, asyncio.Event()

    async def fail(*given: object) -> list[Delivery]:
        if not failed.is_set():
            failed.set()
            raise OSError("disk full")
        return await read(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(rows, "read_due", fail)
    running = asyncio.create_task(post.publisher.run())
    await post.put("a")
    post.publisher.wake()
    await failed.wait()
    post.publisher.wake()
    await _until(lambda: _no(post.left))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _no(read: Callable[[], Awaitable[list[Delivery]]]) -> bool:
    return not await read()


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    await eventually(holds)


async def test_what_is_given_up_is_a_dead_letter_at_once(post: Post) -> None:
    await post.put("a", url="https://example.org/hook")
    post.fails["a"] = Undeliverable("410")
    await post.round()
    [dead], _ = await post.dead_letters.list(DeadLetterList())
    assert [(event.id, event.reason) for event in post.published if isinstance(event, DeadLettered)] == [
        (dead.id, "undelivered")
    ]
    assert (dead.reason, dead.command, dead.job, dead.error) == (
        "undelivered",
        "a",
        "j1",
        "410",
    )
    assert (dead.action, dead.caller) == ("https://example.org/hook", "ann")
