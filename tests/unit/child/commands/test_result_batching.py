"""Results that are ready at the same time travel together, and each of those who wait learns what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fleetfold_child.commands.result_batching import MOST, MOST_BYTES, ResultBatcher
from fleetfold_shared.errors import TooLarge, Unavailable
from fleetfold_shared.messages import CommandResult, CommandResults, Message, encode


class Kept:
    """Stores what it is given, unless it is away."""

    def __init__(self) -> None:
        self.said: list[list[str]] = []
        self.away = False
        self.bytes: list[int] = []
        self.most_bytes = 1024 * 1024

    async def publish(self, subject: str, message: Message, timeout_s: float = 10.0) -> None:
        assert isinstance(message, CommandResults)
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("the broker is away")
        if len(encode(message)) > self.most_bytes:
            raise TooLarge("it is over the broker's limit")
        self.said.append([result.id for result in message.results])
        self.bytes.append(len(encode(message)))


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
async def line(kept: Kept) -> AsyncIterator[ResultBatcher]:
    line = ResultBatcher(kept, "fleet.res.shop")  # type: ignore[arg-type]  # all that is used of it
    yield line
    await line.stop()


def _result(id_: str, size: int = 0) -> CommandResult:
    return CommandResult(id=id_, attempt=1, epoch=0, outcome="ok", result="x" * size)


async def test_what_is_ready_in_one_turn_goes_together_and_later_ones_by_themselves(
    kept: Kept, line: ResultBatcher
) -> None:
    await asyncio.gather(*(line.publish(_result(id_)) for id_ in "abc"))
    await line.publish(_result("d"))
    assert kept.said == [["a", "b", "c"], ["d"]]


async def test_no_message_has_too_many_or_is_too_large(kept: Kept, line: ResultBatcher) -> None:
    await asyncio.gather(*(line.publish(_result(str(n))) for n in range(MOST + 1)))
    assert sorted(map(len, kept.said)) == [1, MOST]
    await asyncio.gather(*(line.publish(_result(str(n), MOST_BYTES // 3)) for n in range(8)))
    assert max(kept.bytes) <= MOST_BYTES
    assert sum(map(len, kept.said)) == MOST + 1 + 8


async def test_a_message_that_this_broker_does_not_take_is_divided(kept: Kept, line: ResultBatcher) -> None:
    kept.most_bytes = 1000
    told = await asyncio.gather(*(line.publish(_result(id_, 600)) for id_ in "abc"), return_exceptions=True)
    assert (told, sorted(kept.said)) == ([None] * 3, [["a"], ["b"], ["c"]])
    with pytest.raises(TooLarge):
        await line.publish(_result("d", 2000))


async def test_all_of_a_message_that_was_not_stored_are_told_so(kept: Kept, line: ResultBatcher) -> None:
    kept.away = True
    told = await asyncio.gather(*(line.publish(_result(id_)) for id_ in "abc"), return_exceptions=True)
    assert [type(each) for each in told] == [Unavailable] * 3
    kept.away = False
    await line.publish(_result("a"))
    assert kept.said == [["a"]]


async def test_one_who_gives_up_keeps_nothing_from_the_others(kept: Kept, line: ResultBatcher) -> None:
    waiting = [asyncio.create_task(line.publish(_result(id_))) for id_ in "ab"]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await waiting[1]
    assert kept.said == [["a", "b"]]
