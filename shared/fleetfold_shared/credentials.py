"""Secrets that are shown to the fleet, in one line of text: what they are, whose, which one, and the secret itself.

    ffk_cli.01k9x3m2c4d5.Zm9vYmFyYmF6...    kind k (API key), of `cli`, id 01k9x3m2c4d5, 32 random bytes

The name and the id are no secrets: the name says which inbox to listen at before anybody has been asked, the id is what
lists and logs show. Only the SHA-256 of the secret is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Literal

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.ids import SLUG, new_id

__all__ = ["Credential", "CredentialKind", "digest", "fingerprint", "new_secret", "same"]

CredentialKind = Literal["join", "refresh", "key", "petition"]

_LETTERS: dict[CredentialKind, str] = {"join": "j", "refresh": "r", "key": "k", "petition": "p"}
_KINDS = {letter: kind for kind, letter in _LETTERS.items()}
_FORM = re.compile(rf"^ff([jrkp])_({SLUG[1 : SLUG.index('$')]})\.([0-9a-z]{{12,26}})\.([A-Za-z0-9_-]{{43}})$(?!\n)")
SECRET_BYTES = 32


class Credential(msgspec.Struct, frozen=True):
    """One of them. `str(credential)` hides the secret; `text` is all of it."""

    kind: CredentialKind
    name: str
    id: str
    secret: str

    @classmethod
    def mint(cls, kind: CredentialKind, name: str, id: str | None = None) -> Credential:  # noqa: A002
        """A new one, of 32 random bytes."""
        return cls(kind, name, id or new_id(), new_secret())

    @classmethod
    def parse(cls, text: str, field: str = "token") -> Credential:
        """Read one; `InvalidInput` naming `field`, which never repeats what was given."""
        found = _FORM.match(text.strip())
        if found is None:
            raise InvalidInput(f"{field}: this is no token of fleetfold, or only a part of one", field=field)
        letter, name, id_, secret = found.groups()
        return cls(_KINDS[letter], name, id_, secret)

    @property
    def text(self) -> str:
        """As it is handed over. Never log it."""
        return f"ff{_LETTERS[self.kind]}_{self.name}.{self.id}.{self.secret}"

    @property
    def digest(self) -> str:
        """What is stored: the SHA-256 of the secret, in hex."""
        return digest(self.secret)

    def __str__(self) -> str:
        return f"ff{_LETTERS[self.kind]}_{self.name}.{self.id}.…"

    __repr__ = __str__


def new_secret() -> str:
    """32 random bytes in base64url, 43 characters."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> str:
    """The SHA-256 in hex. Enough for 256 random bits: there is nothing to guess that a slow hash would protect."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same(a: str, b: str) -> bool:
    """Whether two digests are the same, in constant time."""
    return hmac.compare_digest(a, b)


def fingerprint(secret: str) -> str:
    """The first 16 hexadecimal digits of its SHA-256: for people to compare, and to name an inbox by."""
    return digest(secret)[:16]
