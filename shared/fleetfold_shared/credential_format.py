"""Credentials as one line of text: the kind, the identity's name, the credential's id, and the secret.

    ffk_cli.01k9x3m2c4d5.Zm9vYmFyYmF6...    kind k (API key), of `cli`, id 01k9x3m2c4d5, 32 random bytes

The name and the id are not secret: the name gives the inbox to subscribe to before the login, and the id identifies the
credential in lists and logs. Only the SHA-256 of the secret is stored.
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

CredentialKind = Literal["join", "refresh", "key", "join_request"]

_LETTERS: dict[CredentialKind, str] = {"join": "j", "refresh": "r", "key": "k", "join_request": "p"}
_KINDS = {letter: kind for kind, letter in _LETTERS.items()}
_FORM = re.compile(rf"^ff([jrkp])_({SLUG[1 : SLUG.index('$')]})\.([0-9a-z]{{12,26}})\.([A-Za-z0-9_-]{{43}})$(?!\n)")
SECRET_BYTES = 32


class Credential(msgspec.Struct, frozen=True):
    """A credential. `str(credential)` hides the secret; `text` contains it."""

    kind: CredentialKind
    name: str
    id: str
    secret: str

    @classmethod
    def mint(cls, kind: CredentialKind, name: str, id: str | None = None) -> Credential:
        """Create a credential with a secret of 32 random bytes."""
        return cls(kind, name, id or new_id(), new_secret())

    @classmethod
    def parse(cls, text: str, field: str = "token") -> Credential:
        """Parse a credential. Raises `InvalidInput` for `field`, without repeating the input."""
        found = _FORM.match(text.strip())
        if found is None:
            raise InvalidInput(f"{field}: this is no token of fleetfold, or only a part of one", field=field)
        letter, name, id_, secret = found.groups()
        return cls(_KINDS[letter], name, id_, secret)

    @property
    def text(self) -> str:
        """The full text, with the secret. Never log it."""
        return f"ff{_LETTERS[self.kind]}_{self.name}.{self.id}.{self.secret}"

    @property
    def digest(self) -> str:
        """The SHA-256 of the secret in hex, which is stored."""
        return digest(self.secret)

    def __str__(self) -> str:
        return f"ff{_LETTERS[self.kind]}_{self.name}.{self.id}.…"

    __repr__ = __str__


def new_secret() -> str:
    """Return 32 random bytes in base64url, 43 characters."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> str:
    """Return the SHA-256 in hex. A slow hash adds nothing for 256 random bits, which cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same(a: str, b: str) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(a, b)


def fingerprint(secret: str) -> str:
    """Return the first 16 hex digits of the SHA-256: for people to compare, and as part of an inbox's name."""
    return digest(secret)[:16]
