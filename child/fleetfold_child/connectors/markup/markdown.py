"""Conversion of Markdown to HTML with markdown-it-py."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

__all__ = ["FRONT_MATTER", "markdown_html"]

MOST_NESTING = 20
"""Deepest nesting of blocks and marks; the library drops what is deeper, and its time grows with it."""

FRONT_MATTER = re.compile(r"\A---[ \t]*\n((?:[^\n]*\n){1,60}?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
"""YAML between two lines of dashes at the beginning, at most 60 lines of it."""

_TOO_DEEP = re.compile(
    r"^(?:[ \t]{14,}(?:[*+-]|\d{1,9}[.)])[ \t]|(?:>[ \t]{0,3}|(?:[*+-]|\d{1,9}[.)])[ \t]{1,3}){6})", re.MULTILINE
)
"""A list item or a quotation within so many others that some would be dropped."""
_KEY = re.compile(r"^[ \t]*(?:-[ \t]+)?(?:[\w-]+:(?:[ \t]+|$))?", re.MULTILINE)
_TASK = re.compile(r"^([ \t]*[-*+][ \t]+)\[[ xX]\][ \t]", re.MULTILINE)
_FOOTNOTE = re.compile(r"\[\^[^\]\s]{1,40}\]:?")


def markdown_html(text: str) -> str | None:
    """Convert Markdown to HTML, with tables and strikethrough; `None` for a text that is nested too deeply.

    Front matter leaves its values. Task boxes and footnote marks are dropped.
    """
    body, values = text, ""
    if (front := FRONT_MATTER.match(text)) is not None:
        body, values = text[front.end() :], _KEY.sub("", front[1]).strip()
    if _TOO_DEEP.search(body):
        return None
    body = _FOOTNOTE.sub("", _TASK.sub(r"\1", body))
    rendered: str = _renderer().render(f"{values}\n\n{body}" if values else body)
    return rendered


@cache
def _renderer() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"maxNesting": MOST_NESTING}).enable(["table", "strikethrough"])
