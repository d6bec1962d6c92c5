"""The plain text of a field, whatever it was written in."""

from __future__ import annotations

from fleetfold_child.connectors.markup.detection import kind_of, unescaped_entities
from fleetfold_child.connectors.markup.html import html_text
from fleetfold_child.connectors.markup.markdown import markdown_html
from fleetfold_shared.config import TextFormat

__all__ = ["READER", "plain_text"]

READER = "plain-1"
"""The rules by which texts are read. When they change, this changes, and sources are read anew."""

_SIGNS = frozenset("<&*`#[|=-~")


def plain_text(text: str, written_in: TextFormat = "auto") -> str:
    """What a reader sees of `text`: the marks of HTML or Markdown are gone, their words stay."""
    if written_in == "text" or not (written_in == "html" or _SIGNS.intersection(text)):
        return text
    kind = kind_of(text) if written_in == "auto" else written_in
    if kind == "html":
        return html_text(text)
    if kind == "markdown":
        rendered = markdown_html(text)
        return text if rendered is None else html_text(rendered)
    return unescaped_entities(text) if kind == "entities" else text
