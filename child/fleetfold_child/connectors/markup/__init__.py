"""Markup in texts: where it is HTML or Markdown, it is read as the plain text that a person would see."""

from fleetfold_child.connectors.markup.plain_text import READER, plain_text

__all__ = ["READER", "plain_text"]
