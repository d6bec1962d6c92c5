"""API keys: the credentials of clients. A key is shown only once; a name has one role and one set of scopes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from fleetfold_master.access.invitations import RESERVED
from fleetfold_master.access.key_rows import StoredKey, created, ending, read_key, read_keys, revoked, scopes_text, used
from fleetfold_master.access.login_refusal import Refusal
from fleetfold_master.events import Announce, KeysChanged, announce_to_nobody
from fleetfold_master.store import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import UncancelledTasks
from fleetfold_shared.credential_format import Credential, digest, new_secret, same
from fleetfold_shared.errors import Conflict, InvalidInput, NotFound
from fleetfold_shared.ids import check_slug
from fleetfold_shared.messages import ClientRole, KeyCreate, KeyCreated, KeyInfo, KeyRotate, Scopes

__all__ = ["ApiKeys"]

USED_EVERY_S = 60.0
"""Resolution in seconds with which the last use of a key is stored."""


class ApiKeys:
    """The table of keys; valid ones are in memory too. Secrets are stored as their SHA-256 only.

    `is_node` says whether a name is a node's: keys and nodes share one namespace. A created or revoked key is passed
    to `announce`, so it holds on all masters before the answer.
    """

    def __init__(
        self, store: Store, clock: Clock, is_node: Callable[[str], bool], announce: Announce = announce_to_nobody
    ) -> None:
        self._store, self._clock, self._is_node, self._announce = store, clock, is_node, announce
        self._by_name: dict[str, dict[str, StoredKey]] = {}
        self._used: dict[str, float] = {}
        self._saved: dict[str, float] = {}
        self._dummy = digest(new_secret())
        self._uncancelled = UncancelledTasks()

    async def load(self) -> None:
        """Load the rows, also to see changes of other masters."""
        found, now = await read_keys(self._store), self._clock.wall()
        self._by_name = {}
        for key in found:
            if key.is_good(now):
                self._by_name.setdefault(key.name, {})[key.id] = key

    async def create(self, ask: KeyCreate, by: str) -> KeyCreated:
        """Create a key. Raises `Conflict` for a node's name, or a name whose keys have another role or other scopes."""
        return await self._uncancelled.run(self._create(ask, by))

    async def list(self, *, revoked: bool = False) -> Sequence[KeyInfo]:
        """The keys by name; ended ones only if requested."""
        now = self._clock.wall()
        return [key.info() for key in await read_keys(self._store) if revoked or key.is_good(now)]

    def find(self, name: str) -> KeyInfo | None:
        """The identity of that name: any of its valid keys, which have the same role and scopes."""
        keys = self._good_of(name)
        return keys[0].info() if keys else None

    async def knows(self, id: str) -> bool:
        """Whether a key of that id exists or existed; another master may have created it."""
        return any(id in keys for keys in self._by_name.values()) or await read_key(self._store, id) is not None

    async def authenticate(self, shown: Credential) -> KeyInfo:
        """The identity of a key. Raises `Refusal` with "unknown", "revoked" or "expired".

        An unknown id takes the same comparison as a known one.
        """
        key = await read_key(self._store, shown.id)
        fits = same(shown.digest, key.digest if key else self._dummy)
        if key is None or not fits or key.name != shown.name:
            raise Refusal("unknown", "there is no such API key", shown.name)
        now = self._clock.wall()
        if key.revoked_at is not None:
            raise Refusal("revoked", f"the API key {key.id} has been revoked", key.name)
        if not key.is_good(now):
            raise Refusal("expired", f"the API key {key.id} has expired", key.name)
        self._used[key.id] = now
        return key.info()

    async def rotate(self, ask: KeyRotate, by: str) -> KeyCreated:
        """Create a key in place of an old one, which ends after `ask.overlap_s` seconds; the new key has the same
        lifetime.

        Raises `NotFound` if there is no such key, `InvalidInput` for a name with several.
        """
        return await self._uncancelled.run(self._rotate(ask, by))

    async def revoke(self, key: str) -> Sequence[KeyInfo]:
        """Revoke one key by its id, or all of a name. Raises `NotFound` if none is valid."""
        return await self._uncancelled.run(self._revoke(key))

    async def ensure(self, name: str, role: ClientRole, existing: str | None) -> str:
        """Return `existing` if it is a valid key of that name and role, else a new key. Raises `Conflict` as
        `create` does."""
        if existing is not None and await self._still_good(name, role, existing):
            return existing
        return (await self.create(KeyCreate(name=name, role=role), RESERVED)).key

    async def save(self) -> None:
        """Store when keys were last used, at most once a minute each."""
        now = self._clock.wall()
        due = {key: at for key, at in self._used.items() if now - self._saved.get(key, 0.0) >= USED_EVERY_S}
        if due:
            await self._store.write(used(due))
            self._saved.update(dict.fromkeys(due, now))
            self._used = {key: at for key, at in self._used.items() if due.get(key) != at}

    async def close(self) -> None:
        """Wait for the writes in progress."""
        await self._uncancelled.close()

    async def _create(self, ask: KeyCreate, by: str) -> KeyCreated:
        if check_slug(ask.name, "name") == RESERVED:
            raise InvalidInput(f"name: {RESERVED!r} is the masters' own name; choose another", field="name")
        if self._is_node(ask.name):
            raise Conflict(f"name: {ask.name!r} is a node; give the key another name", field="name")
        token, record = self._minted(ask.name, ask.role, ask.scopes, by, ask.expires_s)
        if await self._store.write(created(record)) != 1 or await self._is_contradicted(record):
            raise Conflict(
                f"name: the keys of {ask.name!r} have another role or other scopes; "
                f"revoke them first (`fleetfold keys revoke {ask.name}`), or choose another name",
                field="name",
            )
        return await self._made(token, record)

    async def _is_contradicted(self, record: StoredKey) -> bool:
        """Whether another master created a different key of that name at the same moment; then this one is revoked.

        On a server with several writers neither insert sees the other, but of two that read afterwards one does.
        """
        others = [key for key in await read_keys(self._store, record.name) if key.is_good(record.created_at)]
        if len({(key.role, scopes_text(key.scopes)) for key in others}) <= 1:
            return False
        await self._store.write(revoked([record.id], record.created_at))
        return True

    async def _rotate(self, ask: KeyRotate, by: str) -> KeyCreated:
        found = self._named(ask.key)
        if len(found) > 1:
            ids = ", ".join(key.id for key in found)
            raise InvalidInput(f"key: {found[0].name!r} has several; give the id of one: {ids}", field="key")
        old, now = found[0], self._clock.wall()
        lifetime = None if old.expires_at is None else old.expires_at - old.created_at
        token, record = self._minted(old.name, old.role, old.scopes, by, lifetime)
        ends_at = now + ask.overlap_s if old.expires_at is None else min(old.expires_at, now + ask.overlap_s)
        if not await self._store.claim(ending(old.id, now, ends_at), created(record)):
            raise _no_such_key()
        self._by_name.setdefault(old.name, {})[old.id] = replace(old, expires_at=ends_at)
        return await self._made(token, record)

    async def _revoke(self, named: str) -> Sequence[KeyInfo]:
        found, now = self._named(named), self._clock.wall()
        await self._store.write(revoked([key.id for key in found], now))
        for key in found:
            self._by_name.get(key.name, {}).pop(key.id, None)
        await self._announce(KeysChanged())
        return [replace(key, revoked_at=now).info() for key in found]

    async def _still_good(self, name: str, role: ClientRole, text: str) -> bool:
        try:
            key = await self.authenticate(Credential.parse(text, "key"))
        except (InvalidInput, Refusal):
            return False
        return key.name == name and key.role == role and key.scopes == Scopes()

    def _minted(
        self, name: str, role: ClientRole, scopes: Scopes, by: str, lifetime_s: float | None
    ) -> tuple[Credential, StoredKey]:
        token, now = Credential.mint("key", name), self._clock.wall()
        expires_at = None if lifetime_s is None else now + lifetime_s
        return token, StoredKey(
            id=token.id, name=name, digest=token.digest, role=role, scopes=scopes,
            created_at=now, created_by=by, expires_at=expires_at,
        )  # fmt: skip

    async def _made(self, token: Credential, record: StoredKey) -> KeyCreated:
        self._by_name.setdefault(record.name, {})[record.id] = record
        await self._announce(KeysChanged())
        return KeyCreated(key=token.text, info=record.info())

    def _named(self, key: str) -> Sequence[StoredKey]:
        """The valid key of that id, or all of that name. Errors do not repeat the text: it might be a key itself."""
        by_id = [keys[key] for keys in self._by_name.values() if key in keys]
        found = [record for record in by_id if record.is_good(self._clock.wall())] or self._good_of(key)
        if not found:
            raise _no_such_key()
        return found

    def _good_of(self, name: str) -> Sequence[StoredKey]:
        now = self._clock.wall()
        return [key for key in self._by_name.get(name, {}).values() if key.is_good(now)]


def _no_such_key() -> NotFound:
    return NotFound("key: no good key has that id or name; see `fleetfold keys list`", field="key")
