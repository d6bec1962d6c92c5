"""Conversion of HTML and Markdown to the plain text that a person would see."""

from fleetfold_child.connectors.markup.plain_text import READER, plain_text

__all__ = ["READER", "plain_text"]
