"""Credential store of a node: its credentials on disk, and the secrets of requests whose reply may be lost.

Every request uses a secret that was on disk before. So a process that dies at any time repeats the request with the
same secret, and gets the reply it has missed:

    joining     a join token, and the claim it is used with; until the credentials are here
    petition    the credential of a join request; until an operator approves it
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
from fleetfold_shared.credential_format import Credential, new_secret
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import Capability, Tokens

__all__ = ["FILE", "CredentialStore", "PendingJoin", "TokenPair"]

log = structlog.get_logger(__name__)

FILE = "credentials.json"


class _Secrets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Part of the file, with a `repr` that hides its secrets."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class PendingJoin(_Secrets, frozen=True):
    """A join token that may be spent: with the same claim its reply can be requested once more."""

    token: str
    claim: str


class TokenPair(_Secrets, frozen=True):
    """Tokens of a node. `expires_at` is the end of the access token in Unix seconds by this machine's clock,
    `lifetime_s` its validity in seconds on arrival.
    """

    access: str
    refresh: str
    capabilities: frozenset[Capability]
    lifetime_s: float
    expires_at: float


class _FileContents(_Secrets, frozen=True):
    """Contents of the file."""

    node: str
    joining: PendingJoin | None = None
    join_request: str | None = msgspec.field(default=None, name="petition")
    pair: TokenPair | None = None
    attempt: str | None = None


class CredentialStore:
    """Credentials of the node `name`, stored in `credentials.json` of its data directory, readable by its owner alone.

    The directory belongs to one process, which holds its lock.
    """

    def __init__(self, path: Path, contents: _FileContents, clock: Clock) -> None:
        self._path, self._contents, self._clock = path, contents, clock
        self._ends = clock.monotonic() + _remaining_s(contents.pair, clock)

    @classmethod
    def open(cls, directory: Path, name: str, clock: Clock | None = None) -> CredentialStore:
        """Open the directory's credentials, or empty ones. Raises `InvalidInput` for a damaged file or that of another
        node.
        """
        path = directory / FILE
        _tighten(path)
        return cls(path, _read(path, name), clock or SystemClock())

    @property
    def pair(self) -> TokenPair | None:
        """The tokens; `None` for a node that is not enrolled."""
        return self._contents.pair

    @property
    def joining(self) -> PendingJoin | None:
        """A join token that was used without a reply."""
        return self._contents.joining

    @property
    def remaining_s(self) -> float:
        """Remaining validity of the access token in seconds; 0 for none or an expired one.

        Measured by intervals from its arrival, because clocks differ.
        """
        return max(0.0, self._ends - self._clock.monotonic())

    async def join(self, token: str) -> PendingJoin:
        """Return `token` with its claim, which is the same each time and stored before this returns."""
        joining = self._contents.joining
        if joining is None or joining.token != token:
            joining = PendingJoin(token=token, claim=new_secret())
            await self._write(msgspec.structs.replace(self._contents, joining=joining))
        return joining

    async def join_request(self) -> Credential:
        """Return the credential of the join request, which is the same each time and stored before this returns."""
        if self._contents.join_request is None:
            minted = Credential.mint("join_request", self._contents.node).text
            await self._write(msgspec.structs.replace(self._contents, join_request=minted))
        assert self._contents.join_request is not None
        return Credential.parse(self._contents.join_request)

    async def attempt(self) -> str:
        """Return the secret of the renewal, which is the same until it succeeds and stored before this returns.

        It is created only now, so an earlier copy of the file does not let a thief obtain the same tokens.
        """
        if self._contents.attempt is None:
            await self._write(msgspec.structs.replace(self._contents, attempt=new_secret()))
        assert self._contents.attempt is not None
        return self._contents.attempt

    async def keep(self, tokens: Tokens) -> None:
        """Replace the tokens, and delete the secrets of their request."""
        pair = TokenPair(
            access=tokens.access, refresh=tokens.refresh,
            capabilities=frozenset(tokens.capabilities), lifetime_s=tokens.access_expires_s,
            expires_at=self._clock.wall() + tokens.access_expires_s,
        )  # fmt: skip
        ends = self._clock.monotonic() + tokens.access_expires_s
        await self._write(_FileContents(node=self._contents.node, pair=pair))
        self._ends = ends

    async def _write(self, contents: _FileContents) -> None:
        try:
            await asyncio.to_thread(secret_file.replace, self._path, msgspec.json.encode(contents))
        except OSError as error:
            raise Unavailable(
                f"credentials: {self._path} cannot be written ({error.strerror}); look at the disk"
            ) from None
        self._contents = contents


def _read(path: Path, name: str) -> _FileContents:
    try:
        secret_file.check_owner(path)
    except FileNotFoundError:
        return _FileContents(node=name)
    try:
        contents = msgspec.json.decode(path.read_bytes(), type=_FileContents)
        if contents.join_request is not None:
            Credential.parse(contents.join_request)
    except FileNotFoundError:
        return _FileContents(node=name)
    except OSError as error:
        raise InvalidInput(f"credentials: {path} cannot be read: {error.strerror}", field="credentials") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, InvalidInput):
        raise InvalidInput(
            f"credentials: {path} is damaged; move it away, and join again with --join and a new token "
            f"(`fleetfold nodes invite {name}` on the master's machine)",
            field="credentials",
        ) from None
    if contents.node != name:
        raise InvalidInput(
            f"credentials: {path} is of the node {contents.node!r}, not {name!r}; "
            "give each node a data directory of its own",
            field="credentials",
        )
    return contents


def _tighten(path: Path) -> None:
    if problem := secret_file.weakness(path):
        log.warning("credentials.exposed", reason=problem)
        with contextlib.suppress(OSError):  # another's file, perhaps: then the warning stands
            path.chmod(secret_file.FILE_MODE)


def _remaining_s(pair: TokenPair | None, clock: Clock) -> float:
    """Return the remaining seconds after a restart, by this machine's clock; setting it back does not extend them."""
    return 0.0 if pair is None else min(pair.expires_at - clock.wall(), pair.lifetime_s)
