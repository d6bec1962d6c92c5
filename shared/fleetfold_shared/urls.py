"""URLs without credentials, for logs and messages."""

from __future__ import annotations

import re

__all__ = ["redacted_url"]


_SECRET = re.compile(r"^(\w+://)?.*@", re.DOTALL)


def redacted_url(url: str) -> str:
    """Return `url` without user name and password; nothing before its last `@` remains, whatever the text is."""
    return _SECRET.sub(lambda found: found[1] or "", url)
