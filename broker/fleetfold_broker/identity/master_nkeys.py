"""Nkeys (ed25519) of the masters at the broker; the broker's configuration contains the public halves only.

`issuer` signs the user JWTs that the auth callout grants; `auth`, `fleet` and `sys` are the masters' users in the
accounts of those names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import nkeys

from fleetfold_broker.secret_file import from_environment, read_or_create
from fleetfold_shared.errors import InvalidInput

__all__ = ["BROKER_KEYS", "BrokerKeys", "PublicKeys"]

FILE = "broker.json"
BROKER_KEYS = "FLEETFOLD_BROKER_KEYS"


class PublicKeys(msgspec.Struct, frozen=True):
    """The public keys in the broker's configuration. No secrets."""

    issuer: str
    auth: str
    fleet: str
    sys: str


class BrokerKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The seeds, encoded as `nk` and every NATS client read them."""

    issuer: str
    auth: str
    fleet: str
    sys: str

    @classmethod
    def generate(cls) -> BrokerKeys:
        """Generate new keys."""
        issuer = _seed(nkeys.PREFIX_BYTE_ACCOUNT)
        return cls(issuer, *(_seed(nkeys.PREFIX_BYTE_USER) for _ in ("auth", "fleet", "sys")))

    @classmethod
    def load(cls, directory: Path, env: Mapping[str, str]) -> BrokerKeys:
        """Load the keys from `$FLEETFOLD_BROKER_KEYS` (or the file named by `$FLEETFOLD_BROKER_KEYS_FILE`), else from
        `directory`, where they are created if missing. Raises `InvalidInput` for anything else than such a document.
        """
        given = from_environment(BROKER_KEYS, env)
        if given is not None:
            return _decode(given.encode(), BROKER_KEYS)
        path = directory / FILE
        return _decode(read_or_create(path, lambda: msgspec.json.encode(cls.generate())), str(path))

    @property
    def public(self) -> PublicKeys:
        """The public halves of the keys."""
        return PublicKeys(*(_public(seed) for seed in (self.issuer, self.auth, self.fleet, self.sys)))

    def __repr__(self) -> str:
        return "BrokerKeys(…)"


def _seed(prefix: int) -> str:
    seed: bytes = nkeys.encode_seed(os.urandom(32), prefix)
    return seed.decode()


def _public(seed: str) -> str:
    pair = nkeys.from_seed(seed.encode())
    public: bytes = pair.public_key
    return public.decode()


def _check(seed: str, kind: int) -> None:
    """Raise `ValueError` unless `seed` is a valid seed of that `kind`; nkeys itself does not verify the checksum."""
    if nkeys.encode_seed(nkeys.decode_seed(seed.encode())[1], kind).decode() != seed:
        raise ValueError


def _decode(data: bytes, where: str) -> BrokerKeys:
    try:
        keys = msgspec.json.decode(data, type=BrokerKeys)
        _check(keys.issuer, nkeys.PREFIX_BYTE_ACCOUNT)
        for seed in (keys.auth, keys.fleet, keys.sys):
            _check(seed, nkeys.PREFIX_BYTE_USER)
    except (msgspec.MsgspecError, nkeys.NkeysError, ValueError) as error:
        raise InvalidInput(
            f"{where}: these are no keys of a fleet's broker ({type(error).__name__}); restore the file, or remove it "
            "to have new ones made (then everybody joins anew)",
            field="keys",
        ) from None
    return keys
