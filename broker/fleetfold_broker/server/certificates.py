"""Certificate files of a fleet in one directory: `ca.pem`, `ca.key`, and a `.pem` with its `.key` for the server and
for each client.

Keys are readable by their owner alone. A key is written before its certificate, so every certificate has its key.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fleetfold_broker.connection.tls import ServerTls
from fleetfold_broker.file_lock import FileLock
from fleetfold_broker.secret_file import private_folder, replace
from fleetfold_shared.errors import Conflict, InvalidInput, Unavailable
from fleetfold_shared.ids import check_slug

if TYPE_CHECKING:
    from types import ModuleType

    from fleetfold_broker.server.x509 import Authority, Pem

__all__ = ["DAYS", "Issued", "Made", "ensure", "make"]

DAYS = 825
"""Most days that platforms accept for a server's certificate: https://support.apple.com/HT210176"""
MOST_DAYS = 3650
RENEW_DAYS = 30
LOCK_S = 10.0
PUBLIC_MODE = 0o644


class Issued(msgspec.Struct, frozen=True):
    """A created certificate: the paths of its files, the names it is for, and its end in Unix seconds."""

    cert: str
    key: str
    names: list[str]
    until: float


class Made(msgspec.Struct, frozen=True):
    """Result of `make`: the CA, created (`new_ca`) or existing, and the certificates."""

    ca: str
    new_ca: bool
    server: Issued | None
    clients: list[Issued]


def make(
    directory: Path, hosts: Sequence[str], *, days: int = DAYS, clients: Sequence[str] = (), force: bool = False
) -> Made:
    """Create certificates that last `days`, signed by the CA in `directory`, which is created if missing.

    The server's is for this machine and `hosts`; an existing one is kept when only `clients` are requested. An existing
    certificate raises `Conflict`, unless `force` replaces it. `InvalidInput` names the field that is wrong.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"days: {days} is not from 1 to {MOST_DAYS}", field="days")
    for name in clients:
        check_slug(name, "client")
    x509 = _x509()
    wanted = _local(hosts, x509)
    with _locked(directory):
        server = bool(hosts) or not clients or not (directory / "server.pem").exists()
        _refuse_there(directory, [*(["server"] if server else []), *(f"client-{name}" for name in clients)], force)
        authority, new = _authority(directory, x509)
        return Made(
            str(directory / "ca.pem"),
            new,
            _write(directory, "server", wanted, authority.server(wanted, days)) if server else None,
            [_write(directory, f"client-{name}", [name], authority.client(name, days)) for name in clients],
        )


def ensure(directory: Path, hosts: Sequence[str] = ()) -> tuple[ServerTls, Path]:
    """Return a server's certificate for this machine and `hosts`, and the path of the CA that signed it.

    Missing files are created; a certificate that ends within a month or lacks a host is replaced by one for the old and
    new hosts. Without the CA's key, existing files are used as they are.
    """
    x509 = _x509()
    with _locked(directory):
        cert, key, ca = directory / "server.pem", directory / "server.key", directory / "ca.pem"
        if not (cert.exists() and ca.exists() and not (directory / "ca.key").exists()):
            _renew(directory, _local(hosts, x509), x509)
    return ServerTls(cert=str(cert), key=str(key)), ca


def _renew(directory: Path, wanted: list[str], x509: ModuleType) -> None:
    authority, _ = _authority(directory, x509)
    cert, key = _read(directory / "server.pem"), _read(directory / "server.key")
    if x509.still_good(cert, key, (directory / "ca.pem").read_bytes(), RENEW_DAYS):
        there = x509.hosts_of(cert)
        if set(wanted) <= set(there):
            return
        wanted = list(dict.fromkeys([*there, *wanted]))
    _write(directory, "server", wanted, authority.server(wanted, DAYS))


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _local(hosts: Sequence[str], x509: ModuleType) -> list[str]:
    """Return this machine's names followed by `hosts`, without duplicates."""
    machine = []
    with contextlib.suppress(InvalidInput):  # some host names are not valid in DNS
        machine.append(x509.checked(socket.gethostname()))
    return list(dict.fromkeys(["localhost", "127.0.0.1", "::1", *machine, *map(x509.checked, hosts)]))


def _authority(directory: Path, x509: ModuleType) -> tuple[Authority, bool]:
    cert, key = directory / "ca.pem", directory / "ca.key"
    if cert.exists():
        if not key.exists():
            raise Conflict(f"{cert} is there without ca.key; put its key there, or make another CA in --directory DIR")
        return x509.Authority.load(cert.read_bytes(), key.read_bytes()), False
    authority: Authority = x509.Authority.create()
    _write(directory, "ca", [], authority.pem)
    cert.chmod(PUBLIC_MODE)
    return authority, True


def _write(directory: Path, stem: str, names: list[str], pem: Pem) -> Issued:
    cert, key = directory / f"{stem}.pem", directory / f"{stem}.key"
    replace(key, pem.key)
    replace(cert, pem.cert)
    return Issued(str(cert), str(key), names, pem.until)


def _refuse_there(directory: Path, stems: list[str], force: bool) -> None:
    for stem in stems:
        if not force and (directory / f"{stem}.pem").exists():
            raise Conflict(f"{directory / f'{stem}.pem'} is there already; --force replaces it, the CA stays")


def _locked(directory: Path) -> FileLock:
    """Lock the directory: two processes that create a CA at once would overwrite each other's files."""
    private_folder(directory)
    return FileLock(directory / ".lock").claim(f"another process writes certificates to {directory}; try again", LOCK_S)


def _x509() -> ModuleType:
    try:
        from fleetfold_broker.server import x509
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "cryptography":
            raise
        raise Unavailable(
            "certificates need the package cryptography: `pip install 'fleetfold[master]'`, or bring your own files"
        ) from None
    return x509
