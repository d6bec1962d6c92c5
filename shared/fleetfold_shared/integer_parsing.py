"""Parsing of whole numbers in untrusted text.

`str.isdigit` accepts `²`, which `int` refuses; `int` accepts digits of every script, and raises for more than 4,300.
"""

from __future__ import annotations

__all__ = ["MOST_DIGITS", "whole_number"]

MOST_DIGITS = 19
"""Most digits that always fit into unsigned 64 bits: a time in nanoseconds has 19."""


def whole_number(text: str) -> int | None:
    """Return the number of 1 to 19 ASCII digits; `None` for any other text."""
    if not (0 < len(text) <= MOST_DIGITS and text.isascii() and text.isdigit()):
        return None
    return int(text)
