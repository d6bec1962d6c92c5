"""A text of a hit with its matched terms marked."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich.text import Text

from fleetfold_cli.views.text import clean
from fleetfold_shared.messages import Span

__all__ = ["marked"]

MARK = "**"
MARKED = "bold yellow"


def marked(text: str, spans: Iterable[Span], field: str, style: str, *, styled: bool, width: int | None = None) -> Text:
    """`text` on one line of at most `width` characters, what `spans` of `field` cover in bold, or between `**`.

    What a node says is cleaned, and spans that are out of bounds mark nothing.
    """
    flat = _one_line(text, _covered(len(text), (span for span in spans if span.field == field)))
    if width is not None and len(flat) > width:
        flat = [*flat[: width - 1], ("…", False)]
    made = Text()
    for is_marked, characters in groupby(flat, key=lambda one: one[1]):
        part = "".join(character for character, _ in characters)
        if is_marked and not styled:
            part = f"{MARK}{part}{MARK}"
        made.append(part, MARKED if is_marked and styled else style)
    return made


def _covered(length: int, spans: Iterable[Span]) -> bytearray:
    covered = bytearray(length)
    for span in spans:
        for place in range(max(0, span.start), min(span.end, length)):
            covered[place] = 1
    return covered


def _one_line(text: str, covered: bytearray) -> list[tuple[str, bool]]:
    """Each character with whether it is marked: blanks are one space, what steers a terminal is left out."""
    flat: list[tuple[str, bool]] = []
    for character, is_marked in zip(text, covered, strict=True):
        if character.isspace():
            if flat and flat[-1][0] != " ":
                flat.append((" ", False))
        elif clean(character):
            flat.append((character, bool(is_marked)))
    return flat[:-1] if flat and flat[-1][0] == " " else flat
