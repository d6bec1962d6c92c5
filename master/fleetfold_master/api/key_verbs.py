"""Handlers of the verbs about API keys, and about the key that signs access tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.container import AccessContainer
from fleetfold_master.api.audit_target import AuditSubject
from fleetfold_master.api.binding import Binding
from fleetfold_master.api.disconnection import Disconnection
from fleetfold_shared import verbs
from fleetfold_shared.errors import Conflict, NotFound
from fleetfold_shared.messages import (
    KeyCreate,
    KeyCreated,
    KeyInfo,
    KeyList,
    KeyListed,
    KeyRevoke,
    KeyRevoked,
    KeyRotate,
    SigningRotate,
    SigningRotated,
)

__all__ = ["KeyVerbs"]


class KeyVerbs:
    """The handlers."""

    def __init__(self, container: AccessContainer, disconnection: Disconnection) -> None:
        self._container, self._disconnection = container, disconnection

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of this area, with their handlers."""
        return (
            Binding(verbs.keys.CREATE, self._create, _touches_new_key),
            Binding(verbs.keys.LIST, self._list),
            Binding(verbs.keys.ROTATE, self._rotate, _touches_rotated_key),
            Binding(verbs.keys.REVOKE, self._revoke, _touches_revoked_keys),
            Binding(verbs.keys.SIGN, self._sign, _touches_signing_key),
        )

    async def _create(self, ask: KeyCreate, who: Principal) -> KeyCreated:
        who.need_grant(ask.role, ask.scopes, "scopes")
        return await self._container.keys.create(ask, who.name)

    async def _list(self, ask: KeyList, who: Principal) -> KeyListed:
        keys = await self._container.keys.list(revoked=ask.revoked)
        return KeyListed(keys=[key for key in keys if who.may_grant(key.role, key.scopes)])

    async def _rotate(self, ask: KeyRotate, who: Principal) -> KeyCreated:
        """Rotate the key. Connections end after the reply, because otherwise the caller would lose the new key;
        connections that the old key opens until then end with them."""
        await self._named(ask.key, who)
        made = await self._container.keys.rotate(ask, who.name)
        self._disconnection.disconnect_later(made.info.name)
        return made

    async def _revoke(self, ask: KeyRevoke, who: Principal) -> KeyRevoked:
        going = await self._named(ask.key, who)
        await self._refuse_last_admin(going, who)
        gone = await self._container.keys.revoke(ask.key)
        connections = await self._disconnection.disconnect(gone[0].name, caller=who.name)
        return KeyRevoked(ids=[key.id for key in gone], connections=connections)

    async def _sign(self, ask: SigningRotate, who: Principal) -> SigningRotated:
        who.need_whole_fleet(verbs.keys.SIGN)
        overlap_s = self._container.tokens.lifetime_s if ask.overlap_s is None else ask.overlap_s
        return await self._container.rotate_signing_key(overlap_s)

    async def _named(self, key: str, who: Principal) -> Sequence[KeyInfo]:
        """The keys of this id or name, if the caller may issue keys of their role and scopes."""
        found = [info for info in await self._container.keys.list() if key in {info.id, info.name}]
        if not found:
            raise NotFound("key: no good key has that id or name; see `fleetfold keys list`", field="key")
        for info in found:
            who.need_grant(info.role, info.scopes, "key")
        return found

    async def _refuse_last_admin(self, going: Sequence[KeyInfo], who: Principal) -> None:
        """Raise `Conflict` if the last usable admin key would go."""
        ids = {info.id for info in going}
        staying = [info for info in await self._container.keys.list() if info.role == "admin" and info.id not in ids]
        if not staying and any(info.name == who.name for info in going):
            raise Conflict(
                "key: this is the last admin key, and yours; make another first (`fleetfold keys create`)",
                field="key",
            )


def _touches_new_key(ask: KeyCreate, answer: KeyCreated | None) -> AuditSubject:
    return AuditSubject(target=f"{ask.name} {answer.info.id}" if answer else ask.name)


def _touches_rotated_key(ask: KeyRotate, answer: KeyCreated | None) -> AuditSubject:
    return AuditSubject(target=f"{_shown(ask.key)} {answer.info.id}" if answer else _shown(ask.key))


def _touches_revoked_keys(ask: KeyRevoke, answer: KeyRevoked | None) -> AuditSubject:
    return AuditSubject(target=" ".join([_shown(ask.key), *(answer.ids if answer else ())]))


def _touches_signing_key(_ask: SigningRotate, answer: SigningRotated | None) -> AuditSubject:
    return AuditSubject(target=answer.kid if answer else "")


def _shown(key: str) -> str:
    """The name for logs: ids and names have no dot, so text with one may be a whole key given by mistake."""
    return "…" if "." in key else key
