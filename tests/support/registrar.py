"""A master of one node's credentials, at a door without a broker, and a trap in which the node's process dies."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleetfold_broker import secret_file
from fleetfold_child.enrolment.enrolment_client import BusEnrolmentClient, JoinCall
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.errors import FleetfoldError, Unauthenticated
from fleetfold_shared.messages import Capability, Enrol, JoinRequest, JoinRequestReply, Message, Refresh, Tokens

__all__ = ["Died", "Registrar", "Trap"]

LIFETIME_S = 100.0


class Died(Exception):
    """kill -9."""


class Trap:
    """Counts the steps that a process takes, and ends it at the one that `dies_at` names."""

    def __init__(self) -> None:
        self.dies_at: int | None = None
        self._steps = itertools.count()

    def set(self, dies_at: int | None) -> None:
        self.dies_at, self._steps = dies_at, itertools.count()

    def step(self) -> None:
        if next(self._steps) == self.dies_at:
            raise Died

    def watch_the_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let it die before and after each write of a secret."""
        write = secret_file.replace

        def replace(path: Path, data: bytes) -> None:
            self.step()
            write(path, data)
            self.step()

        monkeypatch.setattr(secret_file, "replace", replace)

    def watch_the_door(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let it die before and after each request that it makes at a real door."""
        enter = BusEnrolmentClient.enter

        @asynccontextmanager
        async def watched(door: BusEnrolmentClient, credential: str) -> AsyncIterator[JoinCall]:
            self.step()
            async with enter(door, credential) as ask:

                async def asked(verb: str, message: Message, kind: type[Any], /) -> Any:
                    self.step()
                    answer = await ask(verb, message, kind)
                    self.step()
                    return answer

                yield asked

        monkeypatch.setattr(BusEnrolmentClient, "enter", watched)


class Registrar:
    """Gives credentials by the rules: one use for each claim, a successor for each attempt, an end to thieves.

    `mishaps` are errors for the next requests, raised before they are looked at. It is a `Door`.
    """

    def __init__(self, node: str, trap: Trap | None = None, lifetime_s: float = LIFETIME_S) -> None:
        self.node, self._trap, self.lifetime_s = node, trap or Trap(), lifetime_s
        self.invitation = Credential.mint("join", node).text
        self.claims: set[str] = set()
        self.access, self.refresh, self.spent = "", "", ("", "")
        self.revoked = False
        self.approved = False
        self.asked: list[str] = []
        self.entered: list[str] = []
        self.mishaps: list[FleetfoldError] = []
        self.capabilities: list[Capability] = ["search"]
        self._numbers = itertools.count(1)

    @asynccontextmanager
    async def enter(self, credential: str) -> AsyncIterator[JoinCall]:
        self._trap.step()
        self.entered.append(credential)
        yield self.ask

    async def ask(self, verb: str, message: Message, _kind: type[Any], /) -> Any:
        self._trap.step()
        self.asked.append(verb)
        if self.mishaps:
            raise self.mishaps.pop(0)
        answers: dict[str, Callable[[Any], Message]] = {
            "enrol": self._enrol, "refresh": self._refresh, "request": self._join_request,
        }  # fmt: skip
        answer = answers[verb](message)
        self._trap.step()
        return answer

    def _enrol(self, ask: Enrol) -> Tokens:
        if ask.token != self.invitation or self.claims - {ask.claim}:
            raise Unauthenticated("the join token has been used")
        self.claims.add(ask.claim)
        return self._issue()

    def _refresh(self, ask: Refresh) -> Tokens:
        if self.revoked or (ask.token != self.refresh and (ask.token, ask.attempt) != self.spent):
            self.revoked = True
            raise Unauthenticated("not a refresh token, or not any more")
        self.spent = (ask.token, ask.attempt)
        return self._issue()

    def _join_request(self, ask: JoinRequest) -> JoinRequestReply:
        self.claims.add(ask.claim)
        return JoinRequestReply(fingerprint="", retry_after_s=1.0, tokens=self._issue() if self.approved else None)

    def _issue(self) -> Tokens:
        number = next(self._numbers)
        self.access, self.refresh = f"access-{number}", f"refresh-{number}"
        return Tokens(
            node=self.node, role="child", capabilities=self.capabilities, access=self.access, refresh=self.refresh,
            access_expires_s=self.lifetime_s, refresh_expires_s=1e6,
        )  # fmt: skip
