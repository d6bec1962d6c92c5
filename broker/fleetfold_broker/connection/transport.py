"""The bytes under nats-py's client: a transport that encrypts before it speaks, and ends when a handshake fails."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from nats.aio.transport import Transport

from fleetfold_broker.connection.tls import CutOff, NotEncrypted

if TYPE_CHECKING:
    from urllib.parse import ParseResult

__all__ = ["NatsTransport"]

GOODBYE_S = 1.0


class NatsTransport(Transport):
    """One connection's TCP transport, in place of nats-py's.

    With `encrypted_only` nothing leaves before it is encrypted. nats-py's own would send the credentials in plain text
    to whoever greets it without TLS, whatever the URL says.
    """

    def __init__(self, *, encrypted_only: bool = False) -> None:
        self._encrypted_only = encrypted_only
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._encrypted = self._heard = self._failed = False

    def __bool__(self) -> bool:
        """nats-py puts its own in the place of what is false."""
        return True

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Connect, within `connect_timeout` seconds."""
        async with asyncio.timeout(connect_timeout):
            self._reader, self._writer = await asyncio.open_connection(uri.hostname, uri.port, limit=buffer_size)

    async def connect_tls(
        self,
        uri: str | ParseResult,
        ssl_context: ssl.SSLContext,
        buffer_size: int,  # noqa: ARG002 (nats-py gives it; the reader has it already)
        connect_timeout: int,
    ) -> None:
        """Encrypt what is connected. nats-py's own leaves a failed one half open, and waits for its end for ever."""
        host = uri if isinstance(uri, str) else uri.hostname
        try:
            async with asyncio.timeout(connect_timeout):
                await self._out.start_tls(ssl_context, server_hostname=host)
        except BaseException:
            self._failed = True
            self._out.transport.abort()
            raise
        self._encrypted = True

    def write(self, payload: bytes) -> None:
        """Send, or `NotEncrypted`; `ConnectionResetError` when it is closed, where uvloop raises no `OSError`."""
        if self._encrypted_only and not self._encrypted:
            raise NotEncrypted("the broker does not speak TLS")
        if self._out.transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._out.write(payload)

    def writelines(self, payload: list[bytes]) -> None:
        """Send all, or `NotEncrypted`."""
        self.write(b"".join(payload))

    async def drain(self) -> None:
        """Wait until there is room to send."""
        try:
            await self._out.drain()
        except ConnectionError as error:
            raise self._told(error) from None

    async def read(self, buffer_size: int) -> bytes:
        """What has come, at most `buffer_size` bytes; nothing at the end."""
        return await self._in.read(buffer_size)

    async def readline(self) -> bytes:
        """One line of the greeting. The end of the stream is an error here: nats-py would take it for an answer."""
        try:
            line = await self._in.readline()
        except ConnectionError as error:
            raise self._told(error) from None
        if not line:
            raise self._told(ConnectionResetError("the broker closed the connection before it answered"))
        self._heard = self._encrypted
        return line

    def at_eof(self) -> bool:
        """Whether all has been read that will ever come."""
        return self._reader is None or self._reader.at_eof()

    def close(self) -> None:
        """Begin to end."""
        if self._writer is not None:
            self._writer.close()

    async def wait_closed(self) -> None:
        """Wait for the end, unless it has come already.

        TLS ends with a word of the other side's, for which asyncio waits half a minute. A server that is asking the
        masters about this very connection does not say it.
        """
        if self._writer is None or self._failed:
            return
        try:
            async with asyncio.timeout(GOODBYE_S if self._encrypted else None):
                await self._writer.wait_closed()
        except TimeoutError:
            self._writer.transport.abort()

    @property
    def _in(self) -> asyncio.StreamReader:
        if self._reader is None:
            raise ConnectionError("not connected")
        return self._reader

    @property
    def _out(self) -> asyncio.StreamWriter:
        if self._writer is None:
            raise ConnectionError("not connected")
        return self._writer

    def _told(self, error: ConnectionError) -> ConnectionError:
        """With TLS 1.3 a server refuses a client's certificate after the handshake, and its words may get lost."""
        if self._encrypted and not self._heard:
            return CutOff("the broker closed the connection after the TLS handshake")
        return error
