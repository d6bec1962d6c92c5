"""TCP transport of a nats-py client: it sends nothing in plain text when TLS is required, and closes when a handshake
fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from typing import TYPE_CHECKING

from nats.aio.transport import Transport

from fleetfold_broker.connection.tls import ClosedAfterHandshake, TlsNotOffered

if TYPE_CHECKING:
    from urllib.parse import ParseResult

__all__ = ["NatsTransport"]

CLOSE_S = 1.0


class NatsTransport(Transport):
    """One connection's TCP transport, in place of nats-py's.

    With `encrypted_only` nothing is sent before TLS is established. nats-py's own transport would send the credentials
    in plain text to a server whose INFO does not offer TLS, whatever the URL's scheme. `greeting_s` limits how long
    the server may take to accept the connection, and to send its INFO: the kernel accepts for a server that is frozen.
    """

    def __init__(self, *, encrypted_only: bool = False, greeting_s: float | None = None) -> None:
        self._encrypted_only, self._greeting_s = encrypted_only, greeting_s
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._encrypted = self._greeted = self._heard = self._failed = False

    def __bool__(self) -> bool:
        """Return true: nats-py replaces a transport that is false."""
        return True

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Open the TCP connection within `connect_timeout` seconds, or those of the greeting."""
        async with asyncio.timeout(min(connect_timeout, self._greeting_s or connect_timeout)):
            self._reader, self._writer = await asyncio.open_connection(uri.hostname, uri.port, limit=buffer_size)

    async def connect_tls(
        self,
        uri: str | ParseResult,
        ssl_context: ssl.SSLContext,
        buffer_size: int,  # noqa: ARG002 (nats-py gives it; the reader has it already)
        connect_timeout: int,
    ) -> None:
        """Start TLS on the open connection. Aborts it when the handshake fails; nats-py's own transport leaves it half
        open and then waits for its end without a limit.
        """
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
        """Send `payload`. Raises `TlsNotOffered`, or `ConnectionResetError` when closed, where uvloop raises no
        `OSError`.
        """
        if self._encrypted_only and not self._encrypted:
            raise TlsNotOffered("the broker does not speak TLS")
        if self._out.transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._out.write(payload)

    def writelines(self, payload: list[bytes]) -> None:
        """Send all of `payload`. Raises like `write`."""
        self.write(b"".join(payload))

    async def drain(self) -> None:
        """Wait until the send buffer has room."""
        try:
            await self._out.drain()
        except ConnectionError as error:
            raise self._classified(error) from None

    async def read(self, buffer_size: int) -> bytes:
        """Return received data, at most `buffer_size` bytes; empty at the end of the stream."""
        return await self._in.read(buffer_size)

    async def readline(self) -> bytes:
        """Return one line of the handshake. Raises at the end of the stream, which nats-py would take for a reply."""
        try:
            async with asyncio.timeout(None if self._greeted else self._greeting_s):
                line = await self._in.readline()
        except ConnectionError as error:
            raise self._classified(error) from None
        if not line:
            raise self._classified(ConnectionResetError("the broker closed the connection before it answered"))
        self._greeted, self._heard = True, self._encrypted
        return line

    def at_eof(self) -> bool:
        """Whether the stream has ended and everything was read."""
        return self._reader is None or self._reader.at_eof()

    def close(self) -> None:
        """Start to close the connection."""
        if self._writer is not None:
            self._writer.close()

    def shut_down(self) -> None:
        """Shut the socket down at once, from any thread. The server sees the end now, the loop when it turns."""
        sock = None if self._writer is None else self._writer.get_extra_info("socket")
        if sock is None or sock.fileno() < 0:
            return
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(sock.fileno())) as twin:
            twin.shutdown(socket.SHUT_RDWR)

    async def wait_closed(self) -> None:
        """Wait until the connection is closed.

        asyncio waits half a minute for the other side's TLS close_notify; a server that is asking the masters about
        this very connection does not send it. So an encrypted connection is aborted after `CLOSE_S`.
        """
        if self._writer is None or self._failed:
            return
        try:
            async with asyncio.timeout(CLOSE_S if self._encrypted else None):
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

    def _classified(self, error: ConnectionError) -> ConnectionError:
        """Return `ClosedAfterHandshake` for an error right after the handshake: with TLS 1.3 a server refuses a
        client certificate only then, and its alert may get lost.
        """
        if self._encrypted and not self._heard:
            return ClosedAfterHandshake("the broker closed the connection after the TLS handshake")
        return error
