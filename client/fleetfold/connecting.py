"""The connection of a client to its broker: how it is made, and as whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from fleetfold.credentials import API_KEY, ApiKey, find_api_key
from fleetfold.state_directory import find_url
from fleetfold.tls import find_tls
from fleetfold_broker.bus import Bus
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.config import TlsConfig
from fleetfold_shared.errors import Unauthenticated
from fleetfold_shared.ids import check_slug
from fleetfold_shared.urls import redacted_url

__all__ = ["Connecting", "connect_bus"]


class Closable(Protocol):
    """What can be closed."""

    async def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


class Connecting(Generic[C]):
    """A connection that is not made yet: `await` it for the client, or enter it by `async with`, which also closes the
    client. Each `await` connects anew."""

    def __init__(self, connect: Callable[[], Awaitable[C]]) -> None:
        self._connect = connect
        self._client: C | None = None

    def __await__(self) -> Generator[Any, None, C]:
        return self._connect().__await__()

    async def __aenter__(self) -> C:
        self._client = client = await self._connect()
        return client

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()


async def connect_bus(
    url: str | None, *, name: str | None, key: str | Path | None, ca: str | Path | None, prefix: str
) -> Bus:
    """Connect as the identity that the API key names, or as `name` to a fleet without identities."""
    url = find_url(url)
    shown_key = find_api_key(url, key)
    named = check_slug(name or "client", "name")
    caller = shown_key.name if shown_key else named
    tls = find_tls(url, TlsConfig(ca=str(ca)) if ca else None)
    try:
        return await Bus.connect(url, caller, Subjects(prefix), credential=shown_key, tls=tls)
    except Unauthenticated:
        raise Unauthenticated(_not_admitted(redacted_url(url), shown_key)) from None


def _not_admitted(url: str, key: ApiKey | None) -> str:
    if key is None:
        return (
            f"{url} asks who you are, and there is no API key for it here: give one with --key-file FILE or "
            f"${API_KEY}_FILE; `fleetfold keys create NAME` on the master's machine makes one"
        )
    return (
        f"{url} does not take the API key of {key.name} ({key.origin}): it is revoked, expired or another fleet's; "
        "`fleetfold keys create NAME` on the master's machine makes another"
    )
