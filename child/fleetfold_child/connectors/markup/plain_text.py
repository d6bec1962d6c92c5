"""Plain text of a field in any format."""

from __future__ import annotations

from fleetfold_child.connectors.markup.detection import kind_of, unescaped_entities
from fleetfold_child.connectors.markup.html import html_text
from fleetfold_child.connectors.markup.markdown import markdown_html
from fleetfold_shared.config import TextFormat

__all__ = ["READER", "plain_text"]

READER = "plain-1"
"""Version of the conversion rules; when it changes, sources are read again."""

_SIGNS = frozenset("<&*`#[|=-~")


def plain_text(text: str, written_in: TextFormat = "auto") -> str:
    """Return the readable part of `text`, without the marks of HTML or Markdown."""
    if written_in == "text" or not (written_in == "html" or _SIGNS.intersection(text)):
        return text
    kind = kind_of(text) if written_in == "auto" else written_in
    if kind == "html":
        return html_text(text)
    if kind == "markdown":
        rendered = markdown_html(text)
        return text if rendered is None else html_text(rendered)
    return unescaped_entities(text) if kind == "entities" else text
