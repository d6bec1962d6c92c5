"""The files that one version of a LanceDB table consists of, read from the version's manifest.

A table is a folder. Each version has one immutable manifest in `_versions`, which names the version's immutable data
files, deletion files and indexes. LanceDB has no call that lists them, so the manifest (a protocol buffer) is read
here: only the few fields that are needed, by their numbers in `lance/protos/table.proto`. Raises `ValueError` for a
file that is not such a manifest.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LanceVersion", "newest_manifest", "read_manifest"]

_MAGIC = b"LANC"
_FOOTER = struct.Struct("<QHH4s")
_LENGTH = struct.Struct("<I")
_NEWEST = 2**64 - 1
"""Manifests are named by this less their version, so that the newest is listed first."""

_FRAGMENTS, _VERSION, _INDEX_SECTION = 2, 3, 6  # of Manifest
_ID, _FILES, _DELETIONS, _ROWS = 1, 2, 3, 4  # of DataFragment
_PATH = 1  # of DataFile
_TYPE, _READ_VERSION, _FILE_ID, _DELETED = 1, 2, 3, 4  # of DeletionFile
_SUFFIXES = {0: "arrow", 1: "bin"}

Fields = dict[int, list[int | bytes]]


@dataclass(frozen=True, slots=True)
class LanceVersion:
    """One version: the paths of its files below the table's folder, its manifest's first; folders of indexes; rows."""

    version: int
    files: list[str]
    index_folders: list[str]
    rows: int


def newest_manifest(table: Path) -> str:
    """Return the path of the newest version's manifest below the table's folder. Raises `ValueError` without one."""
    names = [file.stem for file in (table / "_versions").glob("*.manifest") if file.stem.isdigit()]
    if not names:
        raise ValueError(f"{table.name}: there is no version of the table")
    return f"_versions/{min(names, key=_age)}.manifest"


def read_manifest(path: str, content: bytes) -> LanceVersion:
    """Read the manifest with the `content` of the file at `path` below the table's folder."""
    try:
        manifest, indexes = _parts(content)
        fragments = [_fields(_bytes(one)) for one in manifest.get(_FRAGMENTS, [])]
        files = [path, *(file for one in fragments for file in _files(one))]
        folders = [f"_indices/{uuid.UUID(bytes=_index_id(_bytes(one)))}" for one in indexes.get(1, [])]
        return LanceVersion(_number(manifest, _VERSION), files, folders, sum(map(_rows, fragments)))
    except (struct.error, IndexError, ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a manifest of a table ({error})") from None


def _age(name: str) -> int:
    """Smaller for newer; old tables name manifests by the version itself."""
    return int(name) if len(name) == len(str(_NEWEST)) else _NEWEST - int(name)


def _parts(content: bytes) -> tuple[Fields, Fields]:
    """The manifest's fields, and those of the section of its indexes."""
    position, _, _, magic = _FOOTER.unpack(content[-_FOOTER.size :])
    if magic != _MAGIC:
        raise ValueError("its end is not that of a manifest")
    manifest = _fields(_message(content, position))
    if _INDEX_SECTION not in manifest:
        return manifest, {}
    return manifest, _fields(_message(content, _number(manifest, _INDEX_SECTION)))


def _message(content: bytes, position: int) -> bytes:
    (length,) = _LENGTH.unpack_from(content, position)
    begin = position + _LENGTH.size
    if begin + length > len(content):
        raise ValueError("it is cut off")
    return content[begin : begin + length]


def _files(fragment: Fields) -> Iterator[str]:
    for file in fragment.get(_FILES, []):
        yield f"data/{_bytes(_fields(_bytes(file))[_PATH][0]).decode()}"
    for deletions in fragment.get(_DELETIONS, []):
        found = _fields(_bytes(deletions))
        suffix = _SUFFIXES[_number(found, _TYPE)]
        name = f"{_number(fragment, _ID)}-{_number(found, _READ_VERSION)}-{_number(found, _FILE_ID)}.{suffix}"
        yield f"_deletions/{name}"


def _rows(fragment: Fields) -> int:
    deleted = [_number(_fields(_bytes(one)), _DELETED) for one in fragment.get(_DELETIONS, [])]
    return _number(fragment, _ROWS) - sum(deleted)


def _index_id(index: bytes) -> bytes:
    return _bytes(_fields(_bytes(_fields(index)[1][0]))[1][0])


def _number(fields: Fields, number: int) -> int:
    value = fields.get(number, [0])[-1]
    if isinstance(value, bytes):
        raise ValueError(f"field {number} is not a number")  # noqa: TRY004 (the file is wrong, not the caller)
    return value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where a message is expected")  # noqa: TRY004 (the file is wrong, not the caller)
    return value


def _fields(message: bytes) -> Fields:
    """Decode a protocol buffer into its values by field number; nested messages stay bytes."""
    found: Fields = {}
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        value, place = _value(message, place, key & 7)
        found.setdefault(key >> 3, []).append(value)
    return found


def _value(message: bytes, place: int, kind: int) -> tuple[int | bytes, int]:
    if kind == 0:
        return _varint(message, place)
    if kind == 2:
        length, place = _varint(message, place)
    elif kind in {1, 5}:
        length = 8 if kind == 1 else 4
    else:
        raise ValueError(f"wire type {kind} is unknown")
    if place + length > len(message):
        raise ValueError("it is cut off")
    return message[place : place + length], place + length


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if not byte & 0x80:
            return value, place
        shift += 7
