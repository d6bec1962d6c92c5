"""A broker that asks who connects, and a master's part of it alone: the test says whom to admit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_broker.identity import BrokerKeys, Grant, LoginData
from fleetfold_broker.identity.callout import Admit, Callout
from fleetfold_broker.identity.user_jwt import Issuer
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.messages import CAPABILITIES

__all__ = ["Guarded", "Shows", "anyone", "guarded", "member"]


class Shows:
    """A credential: shows the first of `tokens`; each refusal and each `next()` leads on to the next."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)
        self.shown: list[str] = []
        self.refusals = 0

    def token(self) -> str:
        self.shown.append(self._tokens[0])
        return self._tokens[0]

    async def refused(self) -> None:
        self.refusals += 1
        self.next()

    def next(self) -> None:
        if len(self._tokens) > 1:
            del self._tokens[0]


def member(name: str, expires_at: float | None = None) -> Grant:
    """All that a node may be granted."""
    return Grant(name=name, role="child", capabilities=frozenset(CAPABILITIES), expires_at=expires_at)


async def anyone(presented: LoginData) -> Grant:
    """Admits whoever comes, as a node."""
    return member(presented.name)


class Guarded:
    """The broker, and buses of all kinds to it, which end with it."""

    def __init__(self, broker: EmbeddedBroker, keys: BrokerKeys) -> None:
        self.broker, self.keys = broker, keys
        self._buses: list[Bus] = []
        self._callouts: list[Callout] = []

    async def callout(self, admit: Admit = anyone) -> Callout:
        """One more master that answers who may connect, from now on."""
        callout = Callout(await self.bus(seed=self.keys.auth), Issuer(self.keys.issuer), Subjects(), admit)
        await callout.start()
        self._callouts.append(callout)
        return callout

    async def master(self) -> Bus:
        """A master's bus, in the account of the streams."""
        return await self.bus(seed=self.keys.fleet)

    async def system(self) -> Bus:
        """A bus to the servers themselves."""
        return await self.bus(seed=self.keys.sys)

    async def connect(self, name: str, *tokens: str, **options: Any) -> Bus:
        """A bus of `name`, which shows `tokens`, one after the other as they are refused."""
        return await self.bus(name, credential=Shows(*(tokens or ("a token",))), **options)

    async def bus(self, caller: str = "master", *, patient: bool = False, **options: Any) -> Bus:
        """A bus by any `ConnectionOptions`."""
        options = {"answer_s": 5.0, **options}
        self._buses.append(
            await Bus.open(ConnectionOptions(url=self.broker.url, caller=caller, **options), patient=patient)
        )
        return self._buses[-1]

    async def close(self) -> None:
        """Part from the broker."""
        for callout in self._callouts:
            await callout.stop()
        for bus in reversed(self._buses):
            await bus.close()


@pytest.fixture
async def guarded(nats_server: str, tmp_path: Path) -> AsyncIterator[Guarded]:
    """A broker with identity. Nobody answers who may connect until the test has somebody do so."""
    keys = BrokerKeys.generate()
    broker = EmbeddedBroker(tmp_path / "broker", identity=keys.public)
    await broker.start()
    guarded = Guarded(broker, keys)
    yield guarded
    await guarded.close()
    await broker.stop()
