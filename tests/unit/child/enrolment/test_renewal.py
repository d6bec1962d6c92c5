"""Membership: whatever is lost on the way is asked for again with the same secret, and renewal comes before the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleetfold_child.enrolment.credential_store import CredentialStore
from fleetfold_child.enrolment.renewal import REFUSED, CredentialRenewal
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.credential_format import fingerprint
from fleetfold_shared.errors import DeadlineExceeded, Forbidden, RateLimited, Unauthenticated, Unavailable
from fleetfold_shared.messages import NodeDescription
from support.registrar import LIFETIME_S, Died, Registrar, Trap
from support.wait import eventually

DESCRIPTION = NodeDescription(incarnation="i1", version="1.0")
STEPS = range(8)
"""More than any of the two exchanges takes."""


class Desk:
    """A node's process: what it has in memory ends with it, its directory and the master stay."""

    def __init__(self, place: Path, trap: Trap) -> None:
        self.place, self.trap = place, trap
        self.clock, self.registrar = ManualClock(), Registrar("shop", trap)
        self.restart()

    def restart(self, dies_at: int | None = None) -> CredentialRenewal:
        self.passport = CredentialStore.open(self.place, "shop", self.clock)
        self.membership = CredentialRenewal("shop", self.passport, self.registrar, self.clock)
        self.trap.set(dies_at)
        return self.membership

    @property
    def is_in(self) -> bool:
        """Whether the node shows what the master gave last, and may renew it."""
        pair, registrar = self.passport.pair, self.registrar
        return pair is not None and not registrar.revoked and pair.refresh == registrar.refresh

    async def reconnect(self) -> None:
        self.membership.token()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    trap = Trap()
    trap.watch_the_disk(monkeypatch)
    return Desk(tmp_path, trap)


@pytest.fixture
async def staying(desk: Desk) -> AsyncIterator[asyncio.Task[None]]:
    """An enrolled node that renews, over a connection that stands."""
    await desk.membership.enrol(desk.registrar.invitation)
    desk.membership.token()
    task = asyncio.create_task(desk.membership.keep_renewed(desk.registrar.ask, desk.reconnect))
    await asyncio.sleep(0)
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def nobody_invites() -> None:
    """There is no key of the fleet on this machine."""


async def pass_by(desk: Desk, seconds: float) -> None:
    """Let time pass in small steps, so that whoever sleeps anew is woken too."""
    for _ in range(int(seconds)):
        desk.clock.advance(1)
        for _ in range(3):
            await asyncio.sleep(0)


async def pass_until(desk: Desk, so_far: Callable[[], bool]) -> None:
    """Let time pass until it has come to that; what is written to the disk meanwhile takes its own time."""

    def passed() -> bool:
        desk.clock.advance(0 if so_far() else 1)
        return so_far()

    await eventually(passed)


@pytest.mark.parametrize("first", STEPS)
@pytest.mark.parametrize("second", STEPS)
async def test_a_join_token_is_used_once_wherever_the_process_dies(desk: Desk, first: int, second: int) -> None:
    for dies_at in (first, second, None):
        membership = desk.restart(dies_at)
        with contextlib.suppress(Died):
            if not membership.has_credentials:
                await membership.enrol(desk.registrar.invitation)
    desk.restart()
    assert desk.is_in
    assert len(desk.registrar.claims) == 1


@pytest.mark.parametrize("first", STEPS)
@pytest.mark.parametrize("second", STEPS)
async def test_a_refresh_token_is_never_used_twice_wherever_the_process_dies(
    desk: Desk, first: int, second: int
) -> None:
    await desk.membership.enrol(desk.registrar.invitation)
    for dies_at in (first, second, None):
        membership = desk.restart(dies_at)
        membership.token()
        with contextlib.suppress(Died):
            await membership.refused()
    desk.restart()
    assert desk.is_in


async def test_a_spent_token_says_what_to_do(desk: Desk) -> None:
    desk.registrar.claims.add("another's")
    with pytest.raises(Unauthenticated, match="`fleetfold nodes invite shop`") as refused:
        await desk.membership.enrol(desk.registrar.invitation)
    assert refused.value.field == "join"
    assert desk.registrar.invitation not in refused.value.message


async def test_a_master_that_is_away_or_wants_a_pause_is_waited_for(desk: Desk) -> None:
    desk.registrar.mishaps = [Unavailable("away"), DeadlineExceeded("slow"), RateLimited("wait", retry_after_s=30)]
    enrolling = asyncio.create_task(desk.membership.enrol(desk.registrar.invitation))
    with capture_logs() as logs:
        await pass_until(desk, lambda: len(desk.registrar.asked) == 3)
        await pass_by(desk, 29)
        assert len(desk.registrar.asked) == 3
        await pass_until(desk, enrolling.done)
        await enrolling
    assert desk.is_in
    assert [entry["log_level"] for entry in logs if entry["event"] == "node.awaiting_master"].count("warning") == 1


async def test_a_join_request_is_repeated_until_it_is_approved(desk: Desk) -> None:
    with capture_logs() as logs:
        asking = asyncio.create_task(desk.membership.request_to_join(DESCRIPTION, nobody_invites))
        await pass_until(desk, lambda: desk.registrar.asked.count("request") >= 2)
        assert not asking.done()
        desk.registrar.approved = True
        await pass_until(desk, asking.done)
        await asking
    assert desk.is_in
    [claim] = desk.registrar.claims
    told = [entry["fingerprint"] for entry in logs if entry["event"] == "node.awaiting_approval"]
    assert told == [fingerprint(claim)]


async def test_where_nobody_may_wait_the_node_says_how_to_be_invited(desk: Desk) -> None:
    desk.registrar.mishaps = [Unauthenticated("no")]
    with pytest.raises(Unauthenticated, match=r"`fleetfold nodes invite shop`.*--join"):
        await desk.membership.request_to_join(DESCRIPTION, nobody_invites)


async def test_an_inactive_node_hears_so(desk: Desk) -> None:
    await desk.membership.enrol(desk.registrar.invitation)
    desk.membership.token()
    desk.registrar.mishaps = [Forbidden("an operator has set 'shop' inactive")]
    with capture_logs() as logs, pytest.raises(Forbidden, match="inactive"):
        await desk.membership.refused()
    assert [entry["event"] for entry in logs] == ["node.refused"]


async def test_tokens_are_renewed_before_they_end(desk: Desk, staying: asyncio.Task[None]) -> None:
    await pass_by(desk, LIFETIME_S * 0.74)
    assert desk.registrar.asked == ["enrol"]
    began = desk.clock.monotonic()
    await pass_until(desk, lambda: desk.registrar.asked == ["enrol", "refresh"])
    assert desk.clock.monotonic() - began <= LIFETIME_S * 0.13
    await eventually(lambda: desk.membership._shown == desk.registrar.access)
    assert desk.registrar.entered == [desk.registrar.invitation]  # the rest went over the present connection
    assert desk.is_in


async def test_renewal_goes_on_when_a_master_was_away_past_the_end(desk: Desk, staying: asyncio.Task[None]) -> None:
    desk.registrar.mishaps = [Unavailable("away")] * 40
    await pass_until(desk, lambda: not desk.registrar.mishaps)
    await pass_until(desk, lambda: desk.membership._shown == desk.registrar.access)
    assert desk.is_in


async def test_a_connection_that_could_not_be_made_is_made_again(desk: Desk) -> None:
    await desk.membership.enrol(desk.registrar.invitation)
    tries: list[str] = []

    async def reconnect() -> None:
        tries.append(desk.membership.token())
        if len(tries) < 3:
            raise Unavailable("the broker is away")

    task = asyncio.create_task(desk.membership.keep_renewed(desk.registrar.ask, reconnect))
    await asyncio.sleep(0)
    await pass_until(desk, lambda: len(tries) == 3)
    assert set(tries) == {desk.registrar.access}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("problem", [None, Unavailable("away")])
async def test_it_ends_though_a_cancellation_is_lost_on_the_way(desk: Desk, problem: Unavailable | None) -> None:
    await desk.membership.enrol(desk.registrar.invitation)
    connecting = asyncio.Event()

    async def reconnect() -> None:
        connecting.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        if problem is not None:
            raise problem

    task = asyncio.create_task(desk.membership.keep_renewed(desk.registrar.ask, reconnect))
    await asyncio.sleep(0)
    await pass_until(desk, connecting.is_set)
    task.cancel()
    await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 5)
    assert task.cancelled()


async def test_one_that_is_revoked_says_so_once_and_tries_on(desk: Desk, staying: asyncio.Task[None]) -> None:
    desk.registrar.revoked, began = True, desk.clock.monotonic()
    with capture_logs() as logs:
        await pass_until(desk, lambda: desk.registrar.asked.count("refresh") == 5)
    [told] = [entry for entry in logs if entry["log_level"] == "error"]
    assert "`fleetfold nodes invite shop`" in told["reason"]
    assert desk.clock.monotonic() - began >= 3 * REFUSED.base_s  # it tries on, and slowly
    desk.registrar.revoked = False
    await pass_until(desk, lambda: desk.is_in)


async def test_a_refusal_is_answered_with_one_refresh_at_the_door(desk: Desk) -> None:
    await desk.membership.enrol(desk.registrar.invitation)
    before = desk.passport.pair
    assert before is not None
    assert desk.membership.token() == before.access
    await asyncio.gather(desk.membership.refused(), desk.membership.refused())
    assert desk.registrar.entered == [desk.registrar.invitation, before.refresh]
    assert desk.membership.token() == desk.registrar.access
    assert desk.is_in


async def test_a_connection_that_is_refused_again_and_again_does_not_ask_the_master_each_time(desk: Desk) -> None:
    await desk.membership.enrol(desk.registrar.invitation)
    desk.registrar.revoked = True
    desk.membership.token()
    with pytest.raises(Unauthenticated):
        await desk.membership.refused()
    for _ in range(5):
        await desk.membership.refused()
    assert desk.registrar.asked == ["enrol", "refresh"]
    desk.clock.advance(REFUSED.base_s)
    desk.registrar.revoked = False
    await desk.membership.refused()
    assert desk.is_in
    desk.registrar.access = "gone"
    desk.membership.token()
    await desk.membership.refused()
    assert desk.registrar.asked == ["enrol"] + ["refresh"] * 3


async def test_a_token_that_has_surely_expired_is_not_shown(desk: Desk) -> None:
    await desk.membership.enrol(desk.registrar.invitation)
    await desk.restart().renew_if_expired()
    assert desk.registrar.asked == ["enrol"]
    desk.clock.advance(LIFETIME_S)
    await desk.restart().renew_if_expired()
    assert desk.registrar.asked == ["enrol", "refresh"]
    assert desk.membership.token() == desk.registrar.access
