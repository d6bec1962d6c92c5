"""Allowed destinations of webhooks: those in the settings by name, and by default no address of internal networks.

Callers choose the URL, and the master is inside the network: unchecked, it could be used to reach internal servers
(SSRF). The name is resolved once and the connection goes to the address that was checked, so that a name cannot
mean one address for the check and another for the connection.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from typing import NamedTuple

from fleetfold_master.webhooks.addresses import is_public, is_unicast
from fleetfold_master.webhooks.model import NotDelivered
from fleetfold_shared.config import CallbacksConfig
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Callback

__all__ = ["Destination", "Destinations", "place_of"]

_URL = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]{1,253})(?::([0-9]{1,5}))?([/?][!-\"$-~]*)?", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


class Destination(NamedTuple):
    """A parsed URL; `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def place(self) -> str:
        """The server."""
        return f"{self.scheme}://{self.host}{'' if self.port == _PORTS[self.scheme] else f':{self.port}'}"

    @property
    def name(self) -> str:
        """The host, without the brackets of an IPv6 address."""
        return self.host.strip("[]")

    def at(self, address: str) -> str:
        """The URL with an address in place of the name."""
        host = f"[{address}]" if ":" in address else address
        return f"{self.scheme}://{host}:{self.port}{self.path}"


class Destinations:
    """The destinations that the settings allow. Raises `InvalidInput`, naming the setting."""

    def __init__(self, config: CallbacksConfig) -> None:
        self._private = config.private
        self._allowed = frozenset(map(_allowed_place, config.allow))

    @property
    def any(self) -> bool:
        """Whether webhooks are allowed at all."""
        return bool(self._allowed)

    def check(self, callback: Callback | None) -> None:
        """Raise `InvalidInput`, naming the field, unless it is one event, or one allowed URL."""
        if callback is None:
            return
        if (callback.type is None) == (callback.url is None):
            raise InvalidInput("callback: name a type of event or a url, one of them", field="callback")
        if callback.url is not None:
            self.destination(callback.url)

    def destination(self, url: str) -> Destination:
        """Parse a URL. Raises `InvalidInput` if it is invalid or not allowed."""
        found = _parse(url)
        if found is None:
            raise InvalidInput(
                "callback.url: write http(s)://HOST[:PORT]/PATH, without a user, spaces or '#'", field="callback.url"
            )
        if found.place not in self._allowed:
            raise InvalidInput(
                f"callback.url: {found.place} is not allowed here; the masters' settings have to name it in "
                f'[callbacks]: allow = ["{found.place}"]',
                field="callback.url",
            )
        return found

    async def addresses(self, to: Destination) -> list[str]:
        """Resolve the name. Raises `NotDelivered` if it cannot be resolved, or is in an internal network that is not
        allowed."""
        if _is_address(to.name):  # the settings name it literally
            return [to.name]
        try:
            found = await asyncio.get_running_loop().getaddrinfo(to.name, to.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise NotDelivered(f"{to.name} is not known to the DNS") from None
        addresses = list(dict.fromkeys(str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found))
        if not all(map(is_unicast, addresses)):
            raise NotDelivered(f"{to.name} stands for what is not the address of one server")
        if not self._private and not all(map(is_public, addresses)):
            raise NotDelivered(f"{to.name} stands for a private address: set callbacks.private if that is meant")
        return addresses


def place_of(url: str | None) -> str:
    """The server of a URL, empty for none."""
    found = None if url is None else _parse(url)
    return "" if found is None else found.place


def _parse(url: str) -> Destination | None:
    match = _URL.fullmatch(url)
    if match is None:
        return None
    scheme, host, port, path = match[1].lower(), match[2].lower(), match[3], match[4] or "/"
    number = _PORTS[scheme] if port is None else int(port)
    if not 0 < number < 65_536 or (host.startswith("[") and not _is_address(host.strip("[]"))):
        return None
    return Destination(scheme, host, number, path if path.startswith("/") else f"/{path}")


def _allowed_place(text: str) -> str:
    found = _parse(text)
    if found is None or found.path != "/":
        raise InvalidInput(
            f"callbacks.allow: {text!r} is no server; write https://HOST or https://HOST:PORT", field="callbacks.allow"
        )
    if _is_address(found.name) and not is_unicast(found.name):
        raise InvalidInput(f"callbacks.allow: {found.name} is not the address of one server", field="callbacks.allow")
    return found.place


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
