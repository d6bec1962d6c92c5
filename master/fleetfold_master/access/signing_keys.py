"""The keys that sign access tokens: one that signs, and earlier ones that are still accepted for a while.

They are in `signing.json`, which all masters of a fleet share, or in `$FLEETFOLD_SIGNING_KEYS` as the same JSON:

    {"keys": [{"kid": "01k9x3m2c4d5", "secret": "<32 bytes in base64>"},
              {"kid": "01k8m2v7q0ze", "secret": "<32 bytes in base64>", "until": 1790000000.0}]}

The key without `until` signs. The others are accepted until then (Unix seconds).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from fleetfold_broker import secret_file
from fleetfold_broker.file_lock import FileLock
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import Conflict, InvalidInput
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import RetiringKey, SigningRotated

__all__ = ["FILE", "VARIABLE", "SigningKeys"]

log = structlog.get_logger(__name__)

FILE = "signing.json"
VARIABLE = "FLEETFOLD_SIGNING_KEYS"
SECRET_BYTES = 32
"""The output length of HS256; RFC 7518 section 3.2 requires at least that."""
LOOK_S = 1.0
"""Interval in seconds at which the file is checked for changes by other masters."""
LOCK_S = 10.0


class _Key(msgspec.Struct, frozen=True, omit_defaults=True):
    kid: str
    secret: bytes
    until: float | None = None

    def __repr__(self) -> str:
        return f"_Key({self.kid!r}, until={self.until!r})"


class _Ring(msgspec.Struct, frozen=True):
    keys: tuple[_Key, ...]

    @property
    def current(self) -> _Key:
        return next(key for key in self.keys if key.until is None)


class SigningKeys:
    """The keys of one fleet. The file's modification time is checked once a second, and the file is read when it
    changes."""

    def __init__(self, ring: _Ring, clock: Clock, path: Path | None) -> None:
        self._ring, self._clock, self._path = ring, clock, path
        self._stamp = _stamp(path)
        self._looked_at = clock.monotonic()

    @classmethod
    def load(cls, directory: Path, env: Mapping[str, str], clock: Clock) -> SigningKeys:
        """The keys of the environment, else those in `directory`, where a first key is created if there is no file.

        Raises `InvalidInput`, naming the file or variable, for invalid content, which is left as it is.
        """
        if (text := secret_file.from_environment(VARIABLE, env)) is not None:
            return cls(_read(text.encode(), f"${VARIABLE}"), clock, None)
        path = directory / FILE
        data = secret_file.read_or_create(path, lambda: msgspec.json.encode(_Ring((_new(),))))
        return cls(_read(data, str(path)), clock, path)

    def current(self) -> tuple[str, bytes]:
        """The id of the signing key, and its 32 bytes."""
        self._look()
        return self._ring.current.kid, self._ring.current.secret

    def find(self, kid: str) -> bytes | None:
        """The 32 bytes of a key that is accepted now."""
        self._look()
        now = self._clock.wall()
        found = (key for key in self._ring.keys if key.kid == kid and (key.until is None or now < key.until))
        return next((key.secret for key in found), None)

    def rotate(self, overlap_s: float) -> SigningRotated:
        """Sign with a new key from now on; earlier keys are accepted for `overlap_s` more seconds, and no longer.

        Does blocking I/O. Raises `Conflict` for keys of the environment, which are changed there, and if another
        master has been rotating for 10 s.
        """
        if self._path is None:
            raise Conflict(
                f"the signing keys come from ${VARIABLE}: put the new key there, give the old one an `until`, "
                "and start the masters again"
            )
        with _locked(self._path):
            ring = self._rotated(_read(self._path.read_bytes(), str(self._path)), overlap_s)
            secret_file.replace(self._path, msgspec.json.encode(ring))
            self._ring, self._stamp = ring, _stamp(self._path)
        retiring = [RetiringKey(key.kid, key.until) for key in ring.keys if key.until is not None]
        return SigningRotated(kid=ring.current.kid, retiring=retiring)

    def refresh(self) -> None:
        """Check the file now: another master has changed it."""
        self._looked_at = -LOOK_S
        self._look()

    def _rotated(self, ring: _Ring, overlap_s: float) -> _Ring:
        now = self._clock.wall()
        ends = ((key, now + overlap_s if key.until is None else min(key.until, now + overlap_s)) for key in ring.keys)
        return _Ring((_new(), *(msgspec.structs.replace(key, until=until) for key, until in ends if until > now)))

    def _look(self) -> None:
        """Read the file again if it has changed; invalid content changes nothing here."""
        now = self._clock.monotonic()
        if self._path is None or now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        if (stamp := _stamp(self._path)) == self._stamp or stamp is None:
            return
        self._stamp = stamp
        try:
            self._ring = _read(self._path.read_bytes(), str(self._path))
        except (InvalidInput, OSError) as error:
            log.warning("signing.file_unusable", file=str(self._path), reason=str(error))


def _new() -> _Key:
    return _Key(new_id(), os.urandom(SECRET_BYTES))


def _read(data: bytes, where: str) -> _Ring:
    """Errors do not quote the content: it may be secret."""
    try:
        ring = msgspec.json.decode(data, type=_Ring)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _not_ours(where, "not of their form") from None
    if sum(key.until is None for key in ring.keys) != 1:
        raise _not_ours(where, "exactly one key must have no `until`")
    if len({key.kid for key in ring.keys}) < len(ring.keys) or not all(key.kid for key in ring.keys):
        raise _not_ours(where, "each key needs a `kid` of its own")
    if any(len(key.secret) != SECRET_BYTES for key in ring.keys):
        raise _not_ours(where, f"a secret must be {SECRET_BYTES} bytes, in base64")
    return ring


def _not_ours(where: str, why: str) -> InvalidInput:
    return InvalidInput(f"{where}: these are no signing keys ({why}); mend it, or move it away", field=where)


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    """Changes when the file is replaced; None if it does not exist."""
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found else None


def _locked(path: Path) -> FileLock:
    """Lock the file: with concurrent rotations, one master would lose the other's key."""
    return FileLock(path.with_suffix(".lock")).claim(f"another master is rotating {path}; try again", LOCK_S)
