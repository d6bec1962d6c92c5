"""A node's passport: its credentials on disk, and the secrets of requests whose answer may have got lost.

Whatever is asked for is asked with a secret that was on disk before. So a process that dies anywhere asks again with
the same one, and gets what it has missed:

    joining     a join token, and the claim it is used with; until the credentials are here
    petition    what a node without a token asks with; until it is approved
    pair        the access and the refresh token
    attempt     what their successors are asked for with; until these are here
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec
import structlog

from fleetfold_broker import secret_file
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.credentials import Credential, new_secret
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import Capability, Tokens

__all__ = ["FILE", "CredentialStore", "Joining", "Pair"]

log = structlog.get_logger(__name__)

FILE = "credentials.json"


class _Secrets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of the file, which never shows itself."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Joining(_Secrets, frozen=True):
    """A join token that may be spent already: with the same claim it is good for its answer once more."""

    token: str
    claim: str


class Pair(_Secrets, frozen=True):
    """What a node is let in with. `expires_at` is when the access token ends, in Unix seconds of this machine's own
    clock, `lifetime_s` how long it was valid when it came.
    """

    access: str
    refresh: str
    capabilities: frozenset[Capability]
    lifetime_s: float
    expires_at: float


class _Papers(_Secrets, frozen=True):
    """The file."""

    node: str
    joining: Joining | None = None
    petition: str | None = None
    pair: Pair | None = None
    attempt: str | None = None


class CredentialStore:
    """The credentials of the node `name`, kept in `credentials.json` of its data directory, for its owner alone.

    The directory belongs to one process, which holds its lock.
    """

    def __init__(self, path: Path, papers: _Papers, clock: Clock) -> None:
        self._path, self._papers, self._clock = path, papers, clock
        self._ends = clock.monotonic() + _remaining_s(papers.pair, clock)

    @classmethod
    def open(cls, directory: Path, name: str, clock: Clock | None = None) -> CredentialStore:
        """What the directory holds, or an empty one. `InvalidInput` for a file that is damaged or another node's."""
        path = directory / FILE
        _tighten(path)
        return cls(path, _read(path, name), clock or SystemClock())

    @property
    def pair(self) -> Pair | None:
        """The tokens; `None` for a node that is not yet let in."""
        return self._papers.pair

    @property
    def joining(self) -> Joining | None:
        """A join token that was used and not answered."""
        return self._papers.joining

    @property
    def remaining_s(self) -> float:
        """How long the access token is still good, in seconds; 0 for none, or one that has surely expired.

        Reckoned by intervals alone, from when it came: clocks differ.
        """
        return max(0.0, self._ends - self._clock.monotonic())

    async def join(self, token: str) -> Joining:
        """What to use `token` with: the same claim each time, kept before this returns."""
        joining = self._papers.joining
        if joining is None or joining.token != token:
            joining = Joining(token=token, claim=new_secret())
            await self._write(msgspec.structs.replace(self._papers, joining=joining))
        return joining

    async def petition(self) -> Credential:
        """What to ask for approval with: the same each time, kept before this returns."""
        if self._papers.petition is None:
            asking = Credential.mint("petition", self._papers.node).text
            await self._write(msgspec.structs.replace(self._papers, petition=asking))
        assert self._papers.petition is not None
        return Credential.parse(self._papers.petition)

    async def attempt(self) -> str:
        """What to ask for the successors of the pair with: the same until they are here, kept before this returns.

        Made only then: a copy of the file that was made before gives no thief the right to the same successors.
        """
        if self._papers.attempt is None:
            await self._write(msgspec.structs.replace(self._papers, attempt=new_secret()))
        assert self._papers.attempt is not None
        return self._papers.attempt

    async def keep(self, tokens: Tokens) -> None:
        """Replace the pair; what it was asked for with is done with."""
        pair = Pair(
            access=tokens.access, refresh=tokens.refresh,
            capabilities=frozenset(tokens.capabilities), lifetime_s=tokens.access_expires_s,
            expires_at=self._clock.wall() + tokens.access_expires_s,
        )  # fmt: skip
        ends = self._clock.monotonic() + tokens.access_expires_s
        await self._write(_Papers(node=self._papers.node, pair=pair))
        self._ends = ends

    async def _write(self, papers: _Papers) -> None:
        try:
            await asyncio.to_thread(secret_file.replace, self._path, msgspec.json.encode(papers))
        except OSError as error:
            raise Unavailable(
                f"credentials: {self._path} cannot be written ({error.strerror}); look at the disk"
            ) from None
        self._papers = papers


def _read(path: Path, name: str) -> _Papers:
    try:
        secret_file.check_owner(path)
    except FileNotFoundError:
        return _Papers(node=name)
    try:
        papers = msgspec.json.decode(path.read_bytes(), type=_Papers)
        if papers.petition is not None:
            Credential.parse(papers.petition)
    except FileNotFoundError:
        return _Papers(node=name)
    except OSError as error:
        raise InvalidInput(f"credentials: {path} cannot be read: {error.strerror}", field="credentials") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, InvalidInput):
        raise InvalidInput(
            f"credentials: {path} is damaged; move it away, and join again with --join and a new token "
            f"(`fleetfold nodes invite {name}` on the master's machine)",
            field="credentials",
        ) from None
    if papers.node != name:
        raise InvalidInput(
            f"credentials: {path} is of the node {papers.node!r}, not {name!r}; "
            "give each node a data directory of its own",
            field="credentials",
        )
    return papers


def _tighten(path: Path) -> None:
    if problem := secret_file.weakness(path):
        log.warning("credentials.exposed", reason=problem)
        with contextlib.suppress(OSError):  # another's file, perhaps: then the warning stands
            path.chmod(secret_file.FILE_MODE)


def _remaining_s(pair: Pair | None, clock: Clock) -> float:
    """What is left after a restart, by this machine's clock; one that was set back does not make it longer."""
    return 0.0 if pair is None else min(pair.expires_at - clock.wall(), pair.lifetime_s)
