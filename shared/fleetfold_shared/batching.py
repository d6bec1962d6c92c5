"""Much work in waves, so that nothing else has to wait for all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["waves"]

T = TypeVar("T")


def waves(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in their order, `size` at a time; the last wave may be smaller, none is empty."""
    rest = iter(items)
    while wave := list(islice(rest, size)):
        yield wave
