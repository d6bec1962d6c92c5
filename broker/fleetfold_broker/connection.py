"""One connection of nats-py: its faults told in one line, its end without loss."""

from __future__ import annotations

import asyncio
import contextlib

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

__all__ = ["Connection", "on_error", "part", "reason", "retire", "size_of"]

log = structlog.get_logger(__name__)

RETIRE_S = 30.0
"""How long a connection may take over what it has heard."""


class Connection(Client):
    """nats-py's client, which tells of its end in every case, also when it breaks with much left to send."""

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        """Close. nats-py's own raises half-way when what is left cannot be sent, and then calls nobody: the second time
        there is nothing left. Nor does it wake those who wait until there is room to send.
        """
        try:
            await super()._close(status, do_cbs)
        except OSError:
            self._pending, self._pending_data_size, self._status = [], 0, Client.DISCONNECTED
            await super()._close(status, do_cbs)
        finally:
            self._wake_senders()

    def _wake_senders(self) -> None:
        while self._flush_queue is not None and not self._flush_queue.empty():
            waiting = self._flush_queue.get_nowait()
            if not waiting.done():
                waiting.set_result(None)


async def retire(client: Client) -> None:
    """Part from a connection that another has replaced, when what was on its way to it has been handled.

    nats-py's own `drain()` drops a subscription after one flush, and with it what the server had just routed there:
    one message in a thousand was lost under load. Hence its private parts.
    """
    subscriptions = list(client._subs.values())  # noqa: SLF001 (see above)
    with contextlib.suppress(NatsError, OSError, TimeoutError):
        async with asyncio.timeout(RETIRE_S):
            for subscription in subscriptions:
                await client._send_unsubscribe(subscription._id)  # noqa: SLF001 (see above)
            for _ in range(3):
                await client.flush()
                await asyncio.gather(*(each._pending_queue.join() for each in subscriptions))  # noqa: SLF001 (see above)
    await part(client)


async def part(client: Client | None) -> None:
    """Send what is pending and close, whatever state it is in."""
    if client is not None and not client.is_closed:
        with contextlib.suppress(NatsError, OSError, TimeoutError):
            await client.flush(timeout=1)
        with contextlib.suppress(NatsError, OSError):
            await client.close()


def size_of(headers: dict[str, str] | None) -> int:
    """What they add to the bytes that the broker counts against its limit, at most."""
    if not headers:
        return 0
    return len("NATS/1.0\r\n\r\n") + sum(len(key.encode()) + len(value.encode()) + 4 for key, value in headers.items())


async def on_error(error: Exception) -> None:
    """Log what nats-py has to say."""
    quiet = isinstance(error, OSError)  # the supervisor tells of those, once
    (log.debug if quiet else log.warning)("link.error", reason=reason(error), kind=type(error).__name__)


def reason(error: BaseException) -> str:
    """What an error says, or its name when it says nothing."""
    return str(error) or type(error).__name__
