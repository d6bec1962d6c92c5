"""Ordering of version texts: `1.10` after `1.9`, `1.2` equal to `1.2.0`, `2.0rc1` before `2.0`."""

from __future__ import annotations

import re
from typing import TypeAlias

__all__ = ["Version", "version_of"]

Version: TypeAlias = tuple[tuple[int, ...], bool, tuple[tuple[int, str], ...]]
_FORM = re.compile(
    r"v?(\d{1,18}(?:\.\d{1,18})*)(?:(?:-|[-._]?(?=[A-Za-z]))([0-9A-Za-z][0-9A-Za-z.-]*))?(?:\+[0-9A-Za-z.-]*)?"
)
_PART = re.compile(r"\d+|[A-Za-z]+")


def version_of(text: str) -> Version | None:
    """Return a sort key: the release's numbers, whether it is a final release, and the rest; `None` for a text that is
    not a version.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        return None
    release = [int(part) for part in found[1].split(".")]
    while release and release[-1] == 0:
        release.pop()
    parts = tuple(_part(part) for part in _PART.findall(found[2] or ""))
    return tuple(release), not parts, parts


def _part(text: str) -> tuple[int, str]:
    """Return the sort key of one part; numbers sort before words, as in Semantic Versioning."""
    return (int(text[:18]), "") if text.isdecimal() else (10**18, text.lower())
