"""Sanitised text: strings of nodes, documents and other callers cannot control the terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # rich takes long to import, and `fleetfold --help` does not need it
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

__all__ = ["SafeView", "clean", "escaped", "flat"]

_FORMATS = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f"
"""DEL and C1 (escape sequences of 8 bits), changes of direction, line separators, and invisible tags."""
_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\ud800-\udfff{_FORMATS}]")
_BREAKS = re.compile("[\t\n\x0b\x0c\r\x1c-\x1f\x85\u2028\u2029]+")
_IN_JSON = re.compile(f"[{_FORMATS}]")


def clean(text: str) -> str:
    """`text` without control characters, escape sequences and bidirectional controls; line breaks and tabs stay."""
    return _CONTROL.sub("", text)


def flat(text: str) -> str:
    """The same on one line, with line breaks replaced by spaces."""
    return clean(_BREAKS.sub(" ", text))


def escaped(document: str) -> str:
    r"""Equivalent JSON with such characters escaped as `\uXXXX`; they occur only inside strings."""
    return _IN_JSON.sub(_escape, document)


def _escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2]):04x}" for at in range(0, len(units), 2))


@dataclass(frozen=True)
class SafeView:
    """Wraps a view and cleans its text after layout; its own styles stay."""

    view: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As rich draws it."""
        from rich.segment import Segment

        for piece in console.render(self.view, options):
            yield piece if piece.control else Segment(clean(piece.text), piece.style)
