"""Open files of records."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from fleetfold_shared.errors import InvalidInput

__all__ = ["closing_text", "opened"]


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, to read bytes from; `InvalidInput` if it cannot be read."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}", field="path") from None


@contextmanager
def closing_text(binary: BinaryIO, encoding: str) -> Iterator[TextIO]:
    """The same file as text, line ends as they are; it stays open behind it."""
    text = io.TextIOWrapper(binary, encoding=encoding, newline="")
    try:
        yield text
    finally:
        text.detach()
