"""Finding the API key to show a fleet: one that is given, one of the environment, or the one of this machine's fleet.

A key is never shown to a URL it does not belong to: the keys of this machine are kept with the URL of their fleet.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec
import structlog

from fleetfold.state_directory import fleet_at, same_place, state_directory
from fleetfold_broker.secret_file import check_owner, from_environment, replace, weakness
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.errors import InvalidInput

__all__ = [
    "API_KEY", "LOCAL_NAME", "ApiKey", "LocalKey", "find_api_key", "find_key", "keys_directory", "local_key_file",
    "read_local_key", "write_local_key",
]  # fmt: skip

log = structlog.get_logger(__name__)

API_KEY = "FLEETFOLD_API_KEY"
LOCAL, LOCAL_NAME = "cli.json", "cli"


class LocalKey(msgspec.Struct, frozen=True):
    """`cli.json` in a keys directory: the key that commands on this machine show the fleet at `url`."""

    url: str
    name: str
    key: str

    def __repr__(self) -> str:
        return f"LocalKey({self.url}, {self.name})"


class ApiKey:
    """An API key and its origin, as the credential of a connection.

    A key of a file is read again when the broker has refused it, since somebody may have put a new one there.
    """

    def __init__(self, credential: Credential, origin: str, read: Callable[[], Credential] | None = None) -> None:
        self._credential, self.origin, self._read = credential, origin, read

    def __repr__(self) -> str:
        return f"ApiKey({self._credential}, {self.origin})"

    @property
    def name(self) -> str:
        """The identity that the key names."""
        return self._credential.name

    def token(self) -> str:
        """The key itself. Never log it."""
        return self._credential.text

    async def refused(self) -> None:
        """Note that the broker rejected the key: look for a newer one of the same name."""
        if self._read is not None:
            with contextlib.suppress(InvalidInput):
                fresh = self._read()
                self._credential = fresh if fresh.name == self.name else self._credential


def find_api_key(url: str, given: str | Path | None = None, env: Mapping[str, str] | None = None) -> ApiKey | None:
    """Find the API key for the broker at `url`; None if there is none.

    `given` is a key, or the file that holds one; else `$FLEETFOLD_API_KEY` or the file that `$FLEETFOLD_API_KEY_FILE`
    names; else this machine's own, if `url` is its fleet's. `InvalidInput` for what is no API key.
    """
    env = os.environ if env is None else env
    if given is not None:
        return _of_file(given) if isinstance(given, Path) else ApiKey(_key(given, "key"), "the key given")
    if not env.get(API_KEY) and (file := env.get(f"{API_KEY}_FILE")):
        return _of_file(Path(file))
    if text := from_environment(API_KEY, env):
        return ApiKey(_key(text, API_KEY), f"${API_KEY}")
    return _local(url)


def find_key(url: str) -> str | None:
    """The text of the key that `find_api_key` finds."""
    found = find_api_key(url)
    return found.token() if found is not None else None


def keys_directory(url: str | None = None) -> Path:
    """Where the secrets of the fleet at `url` are, if it runs here; else `$FLEETFOLD_ACCESS_KEYS`, else `keys` in the
    state directory.
    """
    fleet = fleet_at(url) if url else None
    if fleet is not None and fleet.keys:
        return Path(fleet.keys)
    named = os.environ.get("FLEETFOLD_ACCESS_KEYS")
    return Path(named) if named else state_directory() / "keys"


def local_key_file(directory: Path) -> Path:
    """The path, in a keys directory, of the key for commands on this machine."""
    return directory / LOCAL


def read_local_key(directory: Path) -> LocalKey | None:
    """What is there; `None` for nothing, or nothing that can be read. `InvalidInput` for another user's file."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        check_owner(local_key_file(directory))
        return msgspec.json.decode(local_key_file(directory).read_bytes(), type=LocalKey)
    return None


def write_local_key(directory: Path, stored: LocalKey) -> None:
    """Store the key for commands on this machine, readable by its owner alone."""
    replace(local_key_file(directory), msgspec.json.encode(stored))


def _local(url: str) -> ApiKey | None:
    """This machine's key: that of the fleet that runs here, or else one that was kept for `url`."""
    fleet = fleet_at(url)
    if fleet is not None and fleet.insecure:
        return None
    directory = keys_directory(url)
    stored = read_local_key(directory)
    if stored is None or not ((fleet is not None and fleet.keys) or same_place(stored.url, url)):
        return None
    file = local_key_file(directory)
    _warn(file)
    return ApiKey(_key(stored.key, str(file)), str(file), partial(_read_local, directory))


def _read_local(directory: Path) -> Credential:
    stored = read_local_key(directory)
    return _key(stored.key if stored else "", str(local_key_file(directory)))


def _of_file(path: Path) -> ApiKey:
    _warn(path)
    return ApiKey(_read_file(path), str(path), partial(_read_file, path))


def _read_file(path: Path) -> Credential:
    try:
        return _key(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}", field="key_file") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: this is no API key: not text", field="key_file") from None


def _key(text: str, field: str) -> Credential:
    credential = Credential.parse(text, field)
    if credential.kind != "key":
        raise InvalidInput(f"{field}: this is a {credential.kind} token; an API key begins with ffk_", field=field)
    return credential


def _warn(path: Path) -> None:
    if problem := weakness(path):
        log.warning("key.exposed", reason=problem)
