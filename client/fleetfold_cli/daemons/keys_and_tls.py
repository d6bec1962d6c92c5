"""What guards a fleet that is run here: its keys, its TLS, the key for commands on this machine, and the warning that
there is none of it.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from fleetfold.credentials import LOCAL_NAME, LocalKey, read_local_key, write_local_key
from fleetfold.state_directory import state_directory
from fleetfold_shared.config import Config, TlsConfig
from fleetfold_shared.errors import InvalidInput

if TYPE_CHECKING:
    from fleetfold_broker.connection.tls import ServerTls
    from fleetfold_broker.identity import PublicKeys

__all__ = ["INSECURE", "KeysAndTls", "in_the_open", "keep_local_key", "protection"]

log = structlog.get_logger(__name__)

EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 (no address that anybody connects to)
INSECURE = "INSECURE: no identities; whoever connects may do everything, on every node"


@dataclass(frozen=True, slots=True)
class KeysAndTls:
    """Keys and TLS of an embedded broker. `identity` is None if it is insecure; `ca` is the CA file that clients
    need."""

    identity: PublicKeys | None
    tls: ServerTls | None
    ca: str | None


def protection(config: Config, keys: Path, host: str) -> KeysAndTls:
    """The configured protection; missing keys and certificates are created."""
    server_tls, ca = _tls(config.tls, host) if config.tls.enabled else (None, None)
    return KeysAndTls(None if config.access.insecure else _identity(keys), server_tls, ca)


def in_the_open(host: str, *, tls: bool) -> str | None:
    """The warning for a broker that listens beyond this machine without TLS."""
    if tls or _is_loopback(host):
        return None
    return f"the broker listens on {host} without TLS: keys, tokens and documents pass readable; use TLS, or 127.0.0.1"


async def keep_local_key(directory: Path, url: str, local_key: Callable[[str | None], Awaitable[str]]) -> None:
    """Store in `cli.json` in `directory` an API key that is valid at `url`.

    `local_key` returns the key it is given if that is still valid, else a new one.
    """
    stored = read_local_key(directory)
    fresh = LocalKey(url, LOCAL_NAME, await local_key(stored.key if stored else None))
    if fresh == stored:
        return
    try:
        write_local_key(directory, fresh)
    except OSError as error:  # a folder of secrets may be read-only
        log.warning("key.not_stored", directory=str(directory), reason=error.strerror)


def _identity(directory: Path) -> PublicKeys:
    from fleetfold_broker.identity import BrokerKeys

    return BrokerKeys.load(directory, os.environ).public


def _tls(config: TlsConfig, host: str) -> tuple[ServerTls, str | None]:
    if config.cert and config.key:
        from fleetfold_broker.connection.tls import ServerTls

        return ServerTls(cert=config.cert, key=config.key, ca=config.ca), config.ca
    if config.cert or config.key:
        raise InvalidInput("tls: a certificate and its key go together: give both tls.cert and tls.key", field="tls")
    from fleetfold_broker.server.certificates import ensure

    made, ca = ensure(state_directory() / "tls", [] if host in EVERYWHERE else [host])
    return made, str(ca)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
