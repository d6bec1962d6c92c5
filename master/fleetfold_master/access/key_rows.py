"""Rows of API keys."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import RowMapping, bindparam, insert, literal, or_, select, update

from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.database import Store
from fleetfold_master.store.tables import api_key
from fleetfold_shared.messages import ClientRole, KeyInfo, Scopes

__all__ = ["StoredKey", "created", "ending", "read_key", "read_keys", "revoked", "scopes_text", "used"]


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key's row. Only the digest of its secret is stored."""

    id: str
    name: str
    digest: str
    role: ClientRole
    scopes: Scopes
    created_at: float
    created_by: str
    expires_at: float | None = None
    last_used_at: float | None = None
    revoked_at: float | None = None

    def is_good(self, now: float) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)

    def info(self) -> KeyInfo:
        """What may be shown of it."""
        fields = msgspec.structs.asdict(self)
        del fields["digest"]
        return KeyInfo(**fields)


_OTHER = api_key.alias("other")
_CONTRADICTS = (
    select(literal(1))
    .where(
        _OTHER.c.name == bindparam("new_name"),
        _OTHER.c.revoked_at.is_(None),
        or_(_OTHER.c.expires_at.is_(None), _OTHER.c.expires_at > bindparam("new_created_at")),
        or_(_OTHER.c.role != bindparam("new_role"), _OTHER.c.scopes != bindparam("new_scopes")),
    )
    .exists()
)
_INSERT = insert(api_key).from_select(
    [c.name for c in api_key.c],
    select(*(bindparam(f"new_{c.name}", type_=c.type) for c in api_key.c)).where(~_CONTRADICTS),
)
_GOOD = (
    api_key.c.id == bindparam("key"),
    api_key.c.revoked_at.is_(None),
    or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > bindparam("now")),
)
_END = update(api_key).where(*_GOOD).values(expires_at=bindparam("expires_at"))
_REVOKE = (
    update(api_key)
    .where(api_key.c.id == bindparam("key"), api_key.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("revoked_at"))
)
_USED = update(api_key).where(api_key.c.id == bindparam("key")).values(last_used_at=bindparam("last_used_at"))


def created(record: StoredKey) -> Write:
    """Insert a key; matches none if a valid one of that name has another role or other scopes."""
    row = msgspec.structs.asdict(record) | {"scopes": scopes_text(record.scopes)}
    return Write(_INSERT, [{f"new_{name}": value for name, value in row.items()}])


def ending(key: str, now: float, expires_at: float) -> Write:
    """Set when a valid key expires."""
    return Write(_END, [{"key": key, "now": now, "expires_at": expires_at}])


def revoked(keys: list[str], now: float) -> Write:
    """Revoke keys."""
    return Write(_REVOKE, [{"key": key, "revoked_at": now} for key in keys])


def used(times: Mapping[str, float]) -> Write:
    """Store when keys were last used."""
    return Write(_USED, [{"key": key, "last_used_at": at} for key, at in times.items()])


async def read_key(store: Store, key: str) -> StoredKey | None:
    """The key of that id, valid or not."""
    row = await store.read_one(select(api_key).where(api_key.c.id == key))
    return None if row is None else _to_key(row)


async def read_keys(store: Store, name: str | None = None) -> list[StoredKey]:
    """All keys, or those of a name, by name and age."""
    query = select(api_key).order_by(api_key.c.name, api_key.c.id)
    rows = await store.read(query if name is None else query.where(api_key.c.name == name))
    return [_to_key(row) for row in rows]


def scopes_text(scopes: Scopes) -> str:
    """A canonical text: the same for the same scopes in any order."""
    return msgspec.json.encode(Scopes(*(sorted(set(names)) for names in msgspec.structs.astuple(scopes)))).decode()


def _to_key(row: RowMapping) -> StoredKey:
    return StoredKey(**{**row, "scopes": msgspec.json.decode(row["scopes"], type=Scopes)})
