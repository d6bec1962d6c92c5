"""URLs as they may be shown."""

from __future__ import annotations

import re

__all__ = ["shown"]


_SECRET = re.compile(r"^(\w+://)?.*@", re.DOTALL)


def shown(url: str) -> str:
    """`url` without the name and the password it may hold; whatever it is, nothing before its last `@` is shown."""
    return _SECRET.sub(lambda found: found[1] or "", url)
