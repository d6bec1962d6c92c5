"""Whole numbers in foreign text.

`str.isdigit` takes `²`, which `int` does not; `int` takes digits of every script, and raises for more than 4,300.
"""

from __future__ import annotations

__all__ = ["MOST_DIGITS", "whole_number"]

MOST_DIGITS = 19
"""As many as always fit into 64 bits without a sign: a time in nanoseconds has 19."""


def whole_number(text: str) -> int | None:
    """The number that 1 to 19 ASCII digits stand for; `None` for any other text."""
    if not (0 < len(text) <= MOST_DIGITS and text.isascii() and text.isdigit()):
        return None
    return int(text)
