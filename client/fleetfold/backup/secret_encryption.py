"""Encryption of the secrets in a backup, by a passphrase: AES-256-GCM with a key that scrypt derives from it.

The parameters of scrypt and the salt are part of what is authenticated, and are kept beside the ciphertext.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from fleetfold_broker.secret_file import from_environment
from fleetfold_shared.errors import InvalidInput

if TYPE_CHECKING:  # in an extra: imported where secrets are sealed
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["PASSPHRASE", "find_passphrase", "seal", "unseal"]

PASSPHRASE = "FLEETFOLD_BACKUP_PASSPHRASE"  # noqa: S105 (the variable's name)
_LEAST_CHARS = 12
_SCRYPT_N = 2**16
"""Cost of scrypt: 64 MiB and about 0.2 s for each guess. OWASP's minimum is 2^17 with p=1, or 2^16 with p=2."""
_SCRYPT_P = 2
_SCRYPT_R = 8


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    salt: bytes
    nonce: bytes
    format: Annotated[int, Meta(ge=1, le=1)] = 1
    n: Annotated[int, Meta(ge=2**14, le=2**20)] = _SCRYPT_N
    p: Annotated[int, Meta(ge=1, le=16)] = _SCRYPT_P
    r: Annotated[int, Meta(ge=1, le=32)] = _SCRYPT_R


class _Sealed(msgspec.Struct, frozen=True):
    header: _Header
    content: bytes


def find_passphrase(file: Path | None, env: Mapping[str, str]) -> str | None:
    """Return the passphrase in `file`, else that of `$FLEETFOLD_BACKUP_PASSPHRASE` or of the file that
    `$FLEETFOLD_BACKUP_PASSPHRASE_FILE` names; `None` without any. Raises `InvalidInput` for a short one."""
    found = from_environment(PASSPHRASE, {f"{PASSPHRASE}_FILE": str(file)} if file else env)
    if found is not None and len(found) < _LEAST_CHARS:
        raise InvalidInput(f"passphrase: it has fewer than {_LEAST_CHARS} characters; take a longer one")
    return found


def seal(secrets: Mapping[str, bytes], passphrase: str) -> bytes:
    """Encrypt files by their paths."""
    header = _Header(salt=os.urandom(16), nonce=os.urandom(12))
    content = _cipher(header, passphrase).encrypt(header.nonce, msgspec.json.encode(secrets), _bound(header))
    return msgspec.json.encode(_Sealed(header, content))


def unseal(content: bytes, passphrase: str) -> dict[str, bytes]:
    """Decrypt what `seal` has made. Raises `InvalidInput` for another passphrase, or a damaged file."""
    from cryptography.exceptions import InvalidTag

    try:
        sealed = msgspec.json.decode(content, type=_Sealed)
        cipher = _cipher(sealed.header, passphrase)
        opened = cipher.decrypt(sealed.header.nonce, sealed.content, _bound(sealed.header))
        return msgspec.json.decode(opened, type=dict[str, bytes])
    except (InvalidTag, msgspec.MsgspecError, ValueError):
        raise InvalidInput(
            "passphrase: it does not open the secrets of this backup; give the one that it was made with",
            field="passphrase",
        ) from None


def _cipher(header: _Header, passphrase: str) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    derived = Scrypt(salt=header.salt, length=32, n=header.n, r=header.r, p=header.p)
    return AESGCM(derived.derive(passphrase.encode()))


def _bound(header: _Header) -> bytes:
    """The header as authenticated data."""
    return msgspec.json.encode(header)
