"""Declared keys: fields that identify a thing on every node (SKU, GTIN, URL, e-mail address), with normalised values.

A collection declares them as `field` or `field:kind`; without a kind, it is that of the field's name, or `sku`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from fleetfold_shared.errors import InvalidInput

__all__ = ["MAX_KEYS", "DeclaredKey", "KeyKind", "declared_keys"]

KeyKind = Literal["sku", "gtin", "url", "email"]

MAX_KEYS = 8
"""Most keys that one collection may declare."""

_MAX_VALUE_CHARS = 512
_GTIN_DIGITS = range(7, 15)  # those that count: tables often lose the leading zeros
_PORTS = {"http": 80, "https": 443, "": None}


@dataclass(frozen=True, slots=True)
class DeclaredKey:
    """A field of the metadata (with dots for nested objects) and the kind of its key."""

    field: str
    kind: KeyKind

    def token(self, metadata: Mapping[str, Any]) -> str | None:
        """Return `kind:field:value` with the normalised value, equal for equal things; `None` without a usable
        value.
        """
        value: Any = metadata
        for part in self.field.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, str | int):
            return None
        text = unicodedata.normalize("NFKC", str(value)).strip()
        normal = _NORMAL[self.kind](text) if 0 < len(text) <= _MAX_VALUE_CHARS else None
        return f"{self.kind}:{self.field}:{normal}" if normal else None


def declared_keys(words: Sequence[str]) -> list[DeclaredKey]:
    """Parse a declaration such as `["gtin", "website:url"]`. Raises `InvalidInput` for `keys`."""
    if len(words) > MAX_KEYS:
        raise InvalidInput(f"keys: {len(words)} are declared; declare at most {MAX_KEYS}", field="keys")
    keys = [_declared(word) for word in words]
    if len({key.field for key in keys}) < len(keys):
        raise InvalidInput("keys: a field is declared twice; declare each once", field="keys")
    return keys


def _declared(word: str) -> DeclaredKey:
    field, _, kind = word.partition(":")
    kind = kind or (field if field in _NORMAL else "sku")
    for known in get_args(KeyKind):
        if kind == known and field and len(field) <= _MAX_VALUE_CHARS:
            return DeclaredKey(field, known)
    kinds = ", ".join(_NORMAL)
    raise InvalidInput(f"keys: {word[:80]!r} is no key; write field or field:kind, of {kinds}", field="keys")


def _sku(text: str) -> str:
    return " ".join(text.split())


def _gtin(text: str) -> str | None:
    """Return 14 digits, `None` for a wrong check digit: GTIN-8, -12, -13 and -14 differ only in leading zeros.

    The check digit is that of the GS1 General Specifications, section 7.9.
    """
    digits = text.replace(" ", "").replace("-", "").lstrip("0")
    if not (digits.isascii() and digits.isdigit() and len(digits) in _GTIN_DIGITS):
        return None
    weighed = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
    return digits.zfill(14) if weighed % 10 == 0 else None


def _url(text: str) -> str | None:
    """Return host, path and query, without scheme, `www.`, a last slash, the fragment and `utm_` parameters."""
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = (parts.hostname or "").removeprefix("www."), parts.port
    except ValueError:
        return None
    usable = parts.scheme in _PORTS and "@" not in parts.netloc and not any(character.isspace() for character in text)
    if not host or not usable:
        return None
    shown_port = f":{port}" if port not in (None, _PORTS[parts.scheme]) else ""
    query = "&".join(one for one in parts.query.split("&") if one and not one.casefold().startswith("utm_"))
    return f"{host}{shown_port}{parts.path.rstrip('/')}" + (f"?{query}" if query else "")


def _email(text: str) -> str | None:
    """Return the address in lower case. Dots stay: few providers ignore them."""
    name, at, host = text.casefold().partition("@")
    usable = name and at and host and "@" not in host and not any(character.isspace() for character in text)
    return f"{name}@{host}" if usable else None


_NORMAL: Mapping[KeyKind | str, Callable[[str], str | None]] = {
    "sku": _sku,
    "gtin": _gtin,
    "url": _url,
    "email": _email,
}
