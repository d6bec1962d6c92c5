"""Opening of record files."""

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
    """Open a file for reading bytes. Raises `InvalidInput` if it cannot be read."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}", field="path") from None


@contextmanager
def closing_text(binary: BinaryIO, encoding: str) -> Iterator[TextIO]:
    """Wrap an open file as text, with unchanged line ends; the file stays open afterwards."""
    text = io.TextIOWrapper(binary, encoding=encoding, newline="")
    try:
        yield text
    finally:
        text.detach()
