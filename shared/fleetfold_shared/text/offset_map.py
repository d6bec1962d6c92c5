"""Offset map: from characters of a normalised text back to those of the original.

NFKC merges, splits and drops characters. A text is cut into pieces that do not affect each other; all characters that a
piece becomes map to the whole piece.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

__all__ = ["OffsetMap"]

_BEYOND_ASCII = re.compile("[\x00-\x7f]?[^\x00-\x7f]+")  # with the one before it, which it may join
_JAMO = range(0x1160, 0x1200)  # vowels and tails, which join the syllable before them
_COMPOSED_IN = range(0xC0, 0x1F000)


class OffsetMap:
    """Offset map of `NFKC(text.translate(before)).lower()`; `before` maps each character to one or none."""

    def __init__(self, text: str, before: Mapping[int, str | None]) -> None:
        self._before = before
        self._starts: list[int] = []
        self._ends: list[int] = []
        done = 0
        for found in _BEYOND_ASCII.finditer(text):
            self._keep(done, found.start())
            self._follow(text, *found.span())
            done = found.end()
        self._keep(done, len(text))

    def __len__(self) -> int:
        """Return the length of the normalised text."""
        return len(self._starts)

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of the original text that became `start` to before `end`, which is not empty."""
        return self._starts[start], self._ends[end - 1]

    def _keep(self, start: int, end: int) -> None:
        self._starts.extend(range(start, end))
        self._ends.extend(range(start + 1, end + 1))

    def _follow(self, text: str, start: int, end: int) -> None:
        piece, first, last = "", start, start
        for place in range(start, end):
            new = text[place].translate(self._before)
            if new and piece and not _joins(new):
                self._add(piece, first, last)
                piece = ""
            if new:
                first = first if piece else place
                piece, last = piece + new, place + 1
        self._add(piece, first, last)

    def _add(self, piece: str, first: int, last: int) -> None:
        for character in unicodedata.normalize("NFKC", piece):
            length = len(character.lower())  # İ becomes two
            self._starts += [first] * length
            self._ends += [last] * length


@cache
def _joins(character: str) -> bool:
    """Tell whether NFKC may reorder the character with, or compose it with, one before it."""
    first = unicodedata.normalize("NFKD", character)[0]
    return unicodedata.combining(first) > 0 or ord(first) in _JAMO or first in _second_halves()


@cache
def _second_halves() -> frozenset[str]:
    """Return the second characters of all canonical compositions."""
    pairs = (unicodedata.decomposition(chr(code)).split() for code in _COMPOSED_IN)
    return frozenset(chr(int(pair[1], 16)) for pair in pairs if len(pair) == 2 and not pair[0].startswith("<"))
