"""Versions in order: `1.10` after `1.9`, `1.2` the same as `1.2.0`, `2.0rc1` before `2.0`."""

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
    """What orders it: the release, whether it is one, and what stands behind; None when it is no version."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        return None
    release = [int(part) for part in found[1].split(".")]
    while release and release[-1] == 0:
        release.pop()
    parts = tuple(_part(part) for part in _PART.findall(found[2] or ""))
    return tuple(release), not parts, parts


def _part(text: str) -> tuple[int, str]:
    """A number comes before a word, as Semantic Versioning has it."""
    return (int(text[:18]), "") if text.isdecimal() else (10**18, text.lower())
