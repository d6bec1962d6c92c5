"""Whoever floods a master, or whose credential was stolen, is disconnected; the publisher does not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from fleetfold_master.access.flood_response import FloodResponse, log_flood
from fleetfold_master.events import IdentityFlooded, SessionStolen
from fleetfold_shared.config import LimitsConfig


class Guards:
    """What the response works with, in the order in which it did."""

    def __init__(self) -> None:
        self.done: list[tuple[str, ...]] = []
        self.spawned: list[Coroutine[Any, Any, Any]] = []
        authenticator = SimpleNamespace(shut_out=self._shut_out, where=lambda _: "10.0.0.7")
        audit = SimpleNamespace(note=self._note)
        limits = LimitsConfig(flood_per_s=100, flood_shut_out_s=600.0)
        self.response = FloodResponse(limits, authenticator, audit, self._disconnect, self.spawned.append)  # type: ignore[arg-type]

    async def finish(self) -> None:
        await asyncio.gather(*self.spawned)

    def _shut_out(self, name: str, seconds: float) -> None:
        self.done.append(("shut out", name, f"{seconds:g}"))

    def _note(self, who: str, what: str, outcome: str, **more: str) -> None:
        self.done.append(("audited", who, what, outcome, more["source"]))

    async def _disconnect(self, name: str) -> int:
        self.done.append(("disconnected", name))
        return 1


@pytest.fixture
def guards() -> Guards:
    return Guards()


async def test_who_floods_is_not_let_in_again_before_it_is_disconnected(guards: Guards) -> None:
    guards.response.end_flood(IdentityFlooded("crm"))
    assert guards.done == []
    await guards.finish()
    assert guards.done == [
        ("shut out", "crm", "600"), ("audited", "crm", "bus.flood", "refused", "10.0.0.7"), ("disconnected", "crm"),
    ]  # fmt: skip


async def test_a_node_whose_token_was_stolen_is_disconnected(guards: Guards) -> None:
    guards.response.end_stolen(SessionStolen("shop"))
    assert guards.done == []
    await guards.finish()
    assert guards.done == [("disconnected", "shop")]


def test_where_nobody_can_be_disconnected_a_flood_is_logged() -> None:
    with capture_logs() as logs:
        log_flood(IdentityFlooded("crm"))
    assert [(each["event"], each["name"]) for each in logs] == [("identity.flooded", "crm")]
