"""Detection of a file's encoding: as declared, by its first bytes, or by trial."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fleetfold_shared.errors import InvalidInput

__all__ = ["FileEncoding", "find_encoding"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEAD_BYTES = 4096
_PIECE_BYTES = 1 << 20


class FileEncoding(NamedTuple):
    """A Python codec, and whether it is only a guess."""

    name: str
    guessed: bool = False


def find_encoding(file: BinaryIO, path: Path, declared: str | None) -> FileEncoding:
    """Detect the encoding of an open file, and rewind it.

    Without a byte order mark it is UTF-8 if all of it decodes, else UTF-16 by its zero bytes, else cp1252. Raises
    `InvalidInput` if it is none of these, or not what was declared.
    """
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if declared is not None:
        name = marked if marked and codecs.lookup(declared).name.startswith(("utf-8", "utf-16", "utf-32")) else declared
        return _required(file, path, name)
    if marked is not None:
        return _required(file, path, marked)
    if (wide := _wide(head)) is not None:
        return _required(file, path, wide)
    if _unreadable(file, "utf-8") is None:
        return FileEncoding("utf-8")
    if _unreadable(file, "cp1252") is None:
        return FileEncoding("cp1252", guessed=True)
    raise InvalidInput(f"{path}: it is neither UTF-8 nor cp1252; name its encoding with --encoding", field="encoding")


def _required(file: BinaryIO, path: Path, name: str) -> FileEncoding:
    if (why := _unreadable(file, name)) is not None:
        raise InvalidInput(f"{path}: it is not {name}: {why}; name its encoding with --encoding", field="encoding")
    return FileEncoding(name)


def _wide(head: bytes) -> str | None:
    """Detect UTF-16 without a byte order mark: of ASCII letters every second byte is zero."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if len(head) < 4 or max(even, odd) * 5 < len(head) or min(even, odd) * 10 > max(even, odd):
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def _unreadable(file: BinaryIO, name: str) -> str | None:
    """Return the reason why the file cannot be decoded; `None` if it can."""
    decoder = codecs.getincrementaldecoder(name)()
    try:
        while piece := file.read(_PIECE_BYTES):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except (UnicodeError, ValueError) as error:
        return getattr(error, "reason", None) or str(error)
    finally:
        file.seek(0)
    return None
