"""A node beside its fleet's admin key invites itself; a key that may not invite is not worth a word to the fleet."""

from __future__ import annotations

from typing import Any, Self

import pytest

from fleetfold import self_invitation
from fleetfold_shared.errors import Conflict, FleetfoldError, Forbidden, Unauthenticated
from fleetfold_shared.messages import NodeInvite, NodeInvited
from fleetfold_shared.verbs import Verb

URL = "nats://127.0.0.1:4222"


class Asked:
    """The connection and the caller, as far as they are used."""

    def __init__(self, problem: FleetfoldError | None) -> None:
        self.problem, self.calls, self.open = problem, list[Any](), 0

    async def connect(self, url: str, **options: Any) -> Self:
        self.calls.append((url, options))
        self.open += 1
        return self

    async def close(self) -> None:
        self.open -= 1

    async def ask(self, verb: Verb[Any, Any], request: NodeInvite) -> NodeInvited:
        self.calls.append((verb.name, request.node, request.expires_s))
        if self.problem:
            raise self.problem
        return NodeInvited(node=request.node, token="T", expires_at=0, uses=1)


def asked(monkeypatch: pytest.MonkeyPatch, key: str | None, problem: FleetfoldError | None = None) -> Asked:
    asked = Asked(problem)
    monkeypatch.setattr(self_invitation, "connect_bus", asked.connect)
    monkeypatch.setattr(self_invitation, "Caller", lambda bus: bus)
    monkeypatch.setattr(self_invitation, "find_key", lambda _url: key)
    return asked


async def test_the_key_found_for_this_broker_gets_a_short_lived_token(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = asked(monkeypatch, "K")
    assert await self_invitation.LocalInvitation("shop", URL, "fleet", None)() == "T"
    assert seen.calls == [
        (URL, {"name": None, "key": "K", "prefix": "fleet", "ca": None}),
        ("nodes.invite", "shop", self_invitation.EXPIRES_S),
    ]
    assert seen.open == 0


async def test_without_a_key_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = asked(monkeypatch, None)
    assert await self_invitation.LocalInvitation("shop", URL, "fleet", None)() is None
    assert seen.calls == []


@pytest.mark.parametrize("problem", [Forbidden("a reader"), Unauthenticated("revoked")])
async def test_a_key_that_may_not_invite_is_as_none(monkeypatch: pytest.MonkeyPatch, problem: FleetfoldError) -> None:
    seen = asked(monkeypatch, "K", problem)
    invite = self_invitation.LocalInvitation("shop", URL, "fleet", None)
    assert [await invite(), await invite()] == [None, None]
    assert (len(seen.calls), seen.open) == (
        2,
        0,
    )  # one connection and one request: it is not asked for again with the same key


async def test_a_name_that_is_taken_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, "K", Conflict("taken"))
    with pytest.raises(Conflict):
        await self_invitation.LocalInvitation("shop", URL, "fleet", None)()
