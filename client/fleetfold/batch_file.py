"""Batch files: one run per line, as JSON."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Run

__all__ = ["BatchSummary", "check_batch_id", "read_line", "survey"]

_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,48}")
_BLOCK = 1 << 20
_NOT_THEIRS = ("v", "wait_ms", "dry_run")


class _Line(Run, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run in which unknown fields are an error."""


class BatchSummary(NamedTuple):
    """The number of lines, and an id derived from the content."""

    lines: int
    batch_id: str


def read_line(text: str | bytes, number: int, batch_id: str, defaults: Mapping[str, Any]) -> Run | None:
    """The run on line `number`, from 1; None when there is nothing on it. `InvalidInput` names the line and the field.

    It is as `Run` has it, or with one `node`. Without an `id` of its own it is `<batch_id>-<number>`; what else it does
    not say is as in `defaults`.
    """
    if not text.strip():
        return None
    where = f"line {number}"
    try:
        said = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"{where}: no JSON object: {error}", field=where) from None
    for name in _NOT_THEIRS:
        if name in said:
            raise InvalidInput(f"{where}: {name}: it is for the batch to say, not for a line", field=name)
    if "node" in said:
        if "nodes" in said:
            raise InvalidInput(f"{where}: node: there are `nodes` too; give one of the two", field="node")
        node = said.pop("node")
        said["nodes"] = node if node == "all" else [node]
    return convert_to({"id": f"{batch_id}-{number}", **defaults, **said}, _Line, where)


def survey(file: Path, caller: str) -> BatchSummary:
    """Read `file` once: count its lines, and derive a batch id from its content and the `caller`."""
    digest = hashlib.sha256(caller.encode() + b"\0")
    lines, last = 0, b"\n"
    with file.open("rb") as opened:
        for block in _blocks(opened):
            digest.update(block)
            lines, last = lines + block.count(b"\n"), block[-1:]
    return BatchSummary(lines + (last != b"\n"), f"b{digest.hexdigest()[:24]}")


def check_batch_id(text: str) -> str:
    """Return `text` if it may be a prefix of ids. Raises `InvalidInput`."""
    if not _BATCH_ID.fullmatch(text):
        raise InvalidInput(
            f"batch-id: {text[:80]!r} will not do; use 1-48 of A-Z, a-z, 0-9, '-' and '_'", field="batch-id"
        )
    return text


def _blocks(opened: BinaryIO) -> Iterator[bytes]:
    while block := opened.read(_BLOCK):
        yield block
