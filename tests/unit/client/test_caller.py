"""Asking the masters: what is learnt of the limit, and who is waited for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from fleetfold import caller
from fleetfold.caller import RateLimit
from fleetfold.client import Client
from fleetfold.transact_request import transact_request
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.errors import DeadlineExceeded, Forbidden, Overloaded, RateLimited, Unavailable
from fleetfold_shared.messages import AuditEntry, AuditList, AuditListed, Identity, Job, Message, decode, encode
from fleetfold_shared.verbs import VERBS as TABLE

ME = Identity(name="ann", role="reader")


class FakeBus:
    """Gives one answer after the other; an error is raised."""

    caller, subjects, connection = "ann", Subjects(), SimpleNamespace(is_up=True)

    def __init__(self, *answers: Message | Exception, headers: dict[str, str] | None = None) -> None:
        self._answers, self._headers = list(answers), headers
        self.asked: list[tuple[str, bytes]] = []
        self.timeouts, self.repeatable = list[float](), list[bool]()

    async def ask_api(self, verb: str, data: bytes, timeout_s: float, *, repeatable: bool) -> Any:
        self.asked.append((verb, data))
        self.timeouts.append(timeout_s)
        self.repeatable.append(repeatable)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(data=encode(answer), headers=self._headers)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(
        caller, "asyncio", SimpleNamespace(sleep=sleep, get_running_loop=caller.asyncio.get_running_loop)
    )
    return pauses


def client(*answers: Message | Exception, headers: dict[str, str] | None = None) -> tuple[Client, FakeBus]:
    bus = FakeBus(*answers, headers=headers)
    return Client(bus), bus  # type: ignore[arg-type]


async def test_a_caller_asks_as_who_it_is() -> None:
    ann, bus = client(ME)
    assert (await ann.access.whoami(), ann.name) == (ME, "ann")
    assert bus.asked[0][0] == "access.whoami"


async def test_the_limit_is_as_the_last_answer_had_it() -> None:
    ann, _ = client(ME, headers={"RateLimit-Limit": "60", "RateLimit-Remaining": "59"})
    assert ann.rate_limit is None
    await ann.access.whoami()
    assert ann.rate_limit == RateLimit(limit=60, remaining=59)


@pytest.mark.parametrize("headers", [None, {}, {"RateLimit-Limit": "60"}, {"RateLimit-Limit": "many"}])
async def test_an_answer_without_a_limit_tells_of_none(headers: dict[str, str] | None) -> None:
    ann, _ = client(ME, headers=headers)
    await ann.access.whoami()
    assert ann.rate_limit is None


async def test_asking_too_often_is_raised_with_when_to_try_again() -> None:
    ann, _ = client(RateLimited("too often", retry_after_s=2.5))
    with pytest.raises(RateLimited) as refused:
        await ann.nodes.list()
    assert refused.value.retry_after_s == 2.5


async def test_waiting_for_an_end_outlasts_a_limit(slept: list[float]) -> None:
    done = Job(id="j1", action="sync", params={}, state="ok", nodes=[], caller="ann", created_at=1.0)
    ann, bus = client(RateLimited("too often", retry_after_s=2.5), Unavailable("away"), done)
    assert (await ann.jobs.wait("j1", timeout_s=60)).state == "ok"
    assert slept == [2.5, caller.RETRY_S]
    assert len(bus.asked) == 3


def entry(seq: int) -> AuditEntry:
    return AuditEntry(seq=seq, at=1.0, who="cli", what="nodes.invite", outcome="ok")


async def following(ann: Client, count: int) -> list[int]:
    seen: list[int] = []
    async for found in ann.audit.follow(node="shop"):
        seen.append(found.seq)
        if len(seen) == count:
            break
    return seen


async def test_following_the_audit_log_misses_nothing_and_repeats_nothing(slept: list[float]) -> None:
    first, nothing, later = (
        AuditListed(entries=[entry(3), entry(5)]),
        AuditListed(entries=[]),
        AuditListed(entries=[entry(8)]),
    )
    ann, bus = client(first, nothing, DeadlineExceeded("the master is away"), later)
    assert await following(ann, 3) == [3, 5, 8]
    asks = [decode(data, AuditList) for _, data in bus.asked]
    assert [ask.after for ask in asks] == [None, 5, 5, 5]
    assert [ask.wait_ms > 0 for ask in asks] == [False, True, True, True]
    assert {ask.node for ask in asks} == {"shop"}


async def test_following_begins_where_nothing_is_yet() -> None:
    ann, bus = client(AuditListed(entries=[]), AuditListed(entries=[entry(1)]))
    assert await following(ann, 1) == [1]
    assert decode(bus.asked[1][1], AuditList).after == 0


@pytest.mark.parametrize("error", [Forbidden("not you"), Unavailable("no broker")])
async def test_following_is_refused_at_once_like_any_other_question(error: Exception) -> None:
    ann, _ = client(error)
    with pytest.raises(type(error)):
        await following(ann, 1)


VERBS: dict[str, Callable[[Client], Awaitable[object]]] = {
    "access.stats": lambda ann: ann.access.stats(),
    "nodes.invite": lambda ann: ann.nodes.invite("shop"),
    "nodes.approve": lambda ann: ann.nodes.approve("shop"),
    "nodes.revoke": lambda ann: ann.nodes.revoke("shop"),
    "keys.create": lambda ann: ann.keys.create("bob"),
    "keys.list": lambda ann: ann.keys.list(),
    "keys.rotate": lambda ann: ann.keys.rotate("bob"),
    "keys.revoke": lambda ann: ann.keys.revoke("bob"),
    "keys.sign": lambda ann: ann.keys.rotate_signing(),
    "audit.list": lambda ann: ann.audit.list(),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_every_verb_of_access_has_its_method(verb: str) -> None:
    ann, bus = client(Forbidden("not you"))
    with pytest.raises(Forbidden):
        await VERBS[verb](ann)
    assert bus.asked[0][0] == verb


async def test_a_master_that_has_no_place_is_asked_again_within_the_time_there_is(slept: list[float]) -> None:
    full = Overloaded("no place; try again in 1 s", retry_after_s=1.0)
    bus = FakeBus(full, full, ME)
    assert await Client(bus).access.whoami() == ME  # type: ignore[arg-type]
    assert len(slept) == 2
    assert all(0.5 <= pause <= 1.5 for pause in slept)
    with pytest.raises(Overloaded):
        await Client(FakeBus(Overloaded("later", retry_after_s=3600.0))).access.whoami()  # type: ignore[arg-type]
    with pytest.raises(Overloaded):
        await Client(FakeBus(Overloaded("the queue is full"))).access.whoami()  # type: ignore[arg-type]


async def test_no_request_outlasts_its_callers_deadline() -> None:
    """However often it is repeated: each is given what is left, and the error says what was asked for."""
    run = transact_request([], None, id="t1", name="")
    ann, bus = client(*[DeadlineExceeded("no answer")] * 3, Unavailable("away"))
    with pytest.raises(DeadlineExceeded, match=r"transactions\.run: no answer within 0 s; .*same id"):
        await ann.transactions.start(run, 0.0)
    with pytest.raises(DeadlineExceeded, match="t1 has not ended within 0 s; it goes on"):
        await ann.transactions.wait("t1", 0.0)
    with pytest.raises(DeadlineExceeded):
        await ann.search("tent", timeout_s=2.0)
    assert bus.timeouts == [0.0, 0.0, pytest.approx(2.0, abs=0.5)]


@pytest.mark.parametrize("verb", VERBS)
async def test_only_idempotent_verbs_are_sent_to_a_second_master(verb: str) -> None:
    ann, bus = client(Forbidden("not you"))
    with pytest.raises(Forbidden):
        await VERBS[verb](ann)
    assert bus.repeatable == [TABLE[verb].idempotent]
