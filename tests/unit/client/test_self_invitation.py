"""A node beside its fleet's admin key invites itself; a key that may not invite is not worth a word to the fleet."""

from __future__ import annotations

from typing import Any, Self

import pytest

from fleetfold import self_invitation
from fleetfold_shared.errors import Conflict, FleetfoldError, Forbidden, Unauthenticated
from fleetfold_shared.messages import NodeInvited

URL = "nats://127.0.0.1:4222"


class Desk:
    """`Client`, as far as it is used."""

    def __init__(self, problem: FleetfoldError | None) -> None:
        self.problem, self.calls = problem, list[tuple[Any, ...]]()

    def connect(self, url: str, **options: Any) -> Self:
        self.calls.append((url, options))
        return self

    @property
    def nodes(self) -> Self:
        return self

    async def invite(self, name: str, *, expires_s: float) -> NodeInvited:
        self.calls.append((name, expires_s))
        if self.problem:
            raise self.problem
        return NodeInvited(node=name, token="T", expires_at=0, uses=1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


def desk(monkeypatch: pytest.MonkeyPatch, key: str | None, problem: FleetfoldError | None = None) -> Desk:
    desk = Desk(problem)
    monkeypatch.setattr(self_invitation, "Client", desk)
    monkeypatch.setattr(self_invitation, "find_key", lambda _url: key)
    return desk


async def test_the_key_found_for_this_broker_gets_a_short_lived_token(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = desk(monkeypatch, "K")
    assert await self_invitation.LocalInvitation("shop", URL, "fleet", None)() == "T"
    assert seen.calls == [(URL, {"key": "K", "prefix": "fleet", "ca": None}), ("shop", self_invitation.EXPIRES_S)]


async def test_without_a_key_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = desk(monkeypatch, None)
    assert await self_invitation.LocalInvitation("shop", URL, "fleet", None)() is None
    assert seen.calls == []


@pytest.mark.parametrize("problem", [Forbidden("a reader"), Unauthenticated("revoked")])
async def test_a_key_that_may_not_invite_is_as_none(monkeypatch: pytest.MonkeyPatch, problem: FleetfoldError) -> None:
    seen = desk(monkeypatch, "K", problem)
    invite = self_invitation.LocalInvitation("shop", URL, "fleet", None)
    assert [await invite(), await invite()] == [None, None]
    assert len(seen.calls) == 2  # one connection and one request: it is not asked for again with the same key


async def test_a_name_that_is_taken_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    desk(monkeypatch, "K", Conflict("taken"))
    with pytest.raises(Conflict):
        await self_invitation.LocalInvitation("shop", URL, "fleet", None)()
