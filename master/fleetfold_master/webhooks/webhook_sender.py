"""Sending of webhooks: one signed POST to an allowed server, and the meaning of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fleetfold_master.webhooks.destinations import Destination, Destinations
from fleetfold_master.webhooks.model import NotDelivered, Undeliverable
from fleetfold_master.webhooks.webhook_signing import WebhookSecret
from fleetfold_shared import __version__
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.integer_parsing import whole_number

if TYPE_CHECKING:
    import httpx2

__all__ = ["Webhooks"]

TIMEOUT_S = 10.0
GONE = 410
MOST_WAIT_S = 3600.0
"""The longest pause in seconds that a server may ask for with `Retry-After`."""


class Webhooks:
    """The HTTP client for webhooks."""

    def __init__(
        self, client: httpx2.AsyncClient, destinations: Destinations, secret: WebhookSecret, clock: Clock
    ) -> None:
        self._client, self._destinations, self._secret, self._clock = client, destinations, secret, clock

    @classmethod
    @asynccontextmanager
    async def open(cls, destinations: Destinations, secret: WebhookSecret, clock: Clock) -> AsyncIterator[Webhooks]:
        """Open the client. Raises `Unavailable`, naming the missing package."""
        try:
            import httpx2
        except ModuleNotFoundError:
            raise Unavailable("callbacks.allow: it needs httpx2: `pip install 'fleetfold[webhooks]'`") from None
        # Connections go to an address rather than a name: kept open, one might serve another name of the same address.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(TIMEOUT_S), limits=limits, follow_redirects=False, trust_env=False
        )
        async with client:
            yield cls(client, destinations, secret, clock)

    async def post(self, url: str, message_id: str, body: bytes) -> None:
        """Return when the server has accepted it. Raises `NotDelivered` or `Undeliverable`."""
        import httpx2

        try:
            async with asyncio.timeout(TIMEOUT_S):
                to = self._destinations.destination(url)
                await self._post(to, await self._destinations.addresses(to), message_id, body)
        except TimeoutError:
            raise NotDelivered(f"{to.place} did not answer within {TIMEOUT_S:g} s") from None
        except InvalidInput as error:  # the settings have changed since
            raise NotDelivered(error.message) from None
        except httpx2.TimeoutException:
            raise NotDelivered(f"{to.place} did not answer within {TIMEOUT_S:g} s") from None
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL) as error:
            raise NotDelivered(f"{to.place} cannot be reached ({type(error).__name__}: {error})") from None

    async def _post(self, to: Destination, addresses: list[str], message_id: str, body: bytes) -> None:
        """Post to the first of the addresses that accepts the connection."""
        import httpx2

        for address in addresses[:-1]:
            try:
                return await self._post_at(to, address, message_id, body)
            except httpx2.ConnectError:
                continue
        return await self._post_at(to, addresses[-1], message_id, body)

    async def _post_at(self, to: Destination, address: str, message_id: str, body: bytes) -> None:
        headers = {
            "host": to.place.partition("://")[2], "content-type": "application/json",
            "user-agent": f"fleetfold/{__version__}", **self._secret.headers(message_id, self._clock.wall(), body),
        }  # fmt: skip
        said_to = {"sni_hostname": to.name} if to.scheme == "https" else {}
        asked = self._client.stream("POST", to.at(address), content=body, headers=headers, extensions=said_to)
        async with asked as response:
            _judge(response.status_code, response.headers.get("retry-after", ""))


def _judge(status: int, retry_after: str) -> None:
    if 200 <= status < 300:
        return
    if status == GONE:
        raise Undeliverable("the server says that nobody wants it any more (410)")
    wait_s = whole_number(retry_after.strip()) or 0
    raise NotDelivered(f"the server answers {status}", min(float(wait_s), MOST_WAIT_S))
