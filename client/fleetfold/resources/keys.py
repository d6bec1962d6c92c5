"""API keys and the signing key: `fleet.keys`."""

from __future__ import annotations

import builtins

from fleetfold.caller import Caller
from fleetfold_shared import verbs
from fleetfold_shared.messages import (
    ClientRole,
    KeyCreate,
    KeyCreated,
    KeyInfo,
    KeyList,
    KeyRevoke,
    KeyRevoked,
    KeyRotate,
    Scopes,
    SigningRotate,
    SigningRotated,
)

__all__ = ["Keys"]


class Keys:
    """API keys of callers, and the key that signs access tokens. Requires the role admin."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(
        self, name: str, *, role: ClientRole = "reader", scopes: Scopes | None = None, expires_s: float | None = None
    ) -> KeyCreated:
        """Create an API key for the identity `name`, returned only once; without `expires_s` it does not expire."""
        ask = KeyCreate(name=name, role=role, scopes=scopes or Scopes(), expires_s=expires_s)
        return await self._caller.ask(verbs.keys.CREATE, ask)

    async def list(self, *, revoked: bool = False) -> builtins.list[KeyInfo]:
        """List the API keys without their secrets; with `revoked` also revoked ones."""
        return (await self._caller.ask(verbs.keys.LIST, KeyList(revoked=revoked))).keys

    async def rotate(self, key: str, *, overlap_s: float = 0.0) -> KeyCreated:
        """Replace `key`, an id or a name with one key, by a new key; the old one expires after `overlap_s`."""
        return await self._caller.ask(verbs.keys.ROTATE, KeyRotate(key=key, overlap_s=overlap_s))

    async def revoke(self, key: str) -> KeyRevoked:
        """Revoke a key by its id, or all keys of a name, and drop their connections."""
        return await self._caller.ask(verbs.keys.REVOKE, KeyRevoke(key=key))

    async def rotate_signing(self, *, overlap_s: float | None = None) -> SigningRotated:
        """Sign access tokens with a new key; tokens of the old one are accepted for `overlap_s`."""
        return await self._caller.ask(verbs.keys.SIGN, SigningRotate(overlap_s=overlap_s))
