"""The command line that fetches the next page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

__all__ = ["next_page"]

OPTION = "--cursor"


def next_page(words: Sequence[str], cursor: str) -> str:
    """The command line `words` with the option of the next page's `cursor`."""
    command, *rest = words
    return shlex.join(["fleetfold", command, f"{OPTION}={cursor}", *_without_cursor(rest)])


def _without_cursor(words: Sequence[str]) -> Iterator[str]:
    left = iter(words)
    for word in left:
        if word == OPTION:
            next(left, None)
        elif not word.startswith(f"{OPTION}="):
            yield word
        if word == "--":
            yield from left
