"""Shortening of a hit that is too large for its byte budget: its largest values are cut, and `cut` names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from fleetfold_shared.messages.search import Hit, ScoredDocument
from fleetfold_shared.text.highlighting import within

__all__ = ["cut_title", "cut_to", "json_bytes"]

H = TypeVar("H", Hit, ScoredDocument)

SHORTENED = " …"
"""Suffix of a text that was cut."""
_SUFFIX_BYTES = 16  # of a shortened text: the suffix and quotes
_TEXTS_BYTES = 1024  # of a hit's room, for its texts: else nothing is highlighted or explained
_LEAST_BYTES = 64  # what texts get in any case
_MOST_NAMED = 8
_NAME_CHARS = 60
_CHARACTER_BYTES = 6  # of JSON, at most
_STEP_BYTES = 16  # more than a character takes: texts are cut in such steps
_TRIES = 4


def json_bytes(value: Any) -> int:
    """Return the size of a value in JSON, in bytes."""
    return len(msgspec.json.encode(value))


def cut_to(hit: H, room: int) -> H:
    """Cut the hit to at most `room` bytes of JSON, if the fields that are never cut fit.

    The largest of title, content and metadata are cut to one size, so small ones stay whole: texts to their beginning,
    lists to their first members; values that cannot be shortened are removed. When even these have no room, highlight
    and explanation are removed first. Each is named in `cut`: `content`, `metadata.notes`.
    """
    if json_bytes(hit) <= room:
        return hit
    bare, cut = replace(hit, title="", content="", metadata={}), list(hit.cut)
    if json_bytes(bare) > room - min(_TEXTS_BYTES, room // 2):
        cut += [name for name in ("highlight", "explain") if getattr(bare, name) is not None]
        bare = replace(bare, highlight=None, explain=None)
    left = room - json_bytes(bare)
    for _ in range(_TRIES):
        made = _with_texts(bare, hit, max(_LEAST_BYTES, left), cut)
        over = json_bytes(made) - room
        if over <= 0:
            break
        left -= over + _STEP_BYTES  # of the names in `cut`
    return made


def cut_title(hit: H, room: int) -> H:
    """Cut the hit's title to at most `room` bytes of JSON, and name it in `cut`; the rest of the hit stays whole."""
    if len(hit.title) * _CHARACTER_BYTES <= room or json_bytes(hit.title) <= room:
        return hit
    title = _beginning(hit.title, room)
    highlight = within(hit.highlight, len(title), len(hit.content)) if hit.highlight else None
    return replace(hit, title=title, highlight=highlight, cut=_named([*hit.cut, "title"]))


def _with_texts(bare: H, hit: H, room: int, cut: list[str]) -> H:
    texts = {"title": hit.title, "content": hit.content, "metadata": hit.metadata}
    named = list(cut)
    fitting = _cut_object(texts, room, "", named)
    title, content = fitting.get("title", ""), fitting.get("content", "")
    highlight = within(bare.highlight, len(title), len(content)) if bare.highlight else None
    return replace(
        bare, title=title, content=content, metadata=fitting.get("metadata", {}), highlight=highlight, cut=_named(named)
    )


def _cut_object(given: Mapping[str, Any], room: int, path: str, cut: list[str]) -> dict[str, Any]:
    """Cut an object to `room` bytes: values up to one common size stay whole."""
    sizes = {key: json_bytes(value) for key, value in given.items()}
    room -= sum(json_bytes(key) + 2 for key in given) + 2
    if room < 2 * len(given):
        cut.append(path.rstrip(".") or "metadata")
        return {}
    most = _level(sizes.values(), room)
    fitting = dict[str, Any]()
    for key, value in given.items():
        if sizes[key] <= most:
            fitting[key] = value
        elif (part := _cut_value(value, most, f"{path}{key}", cut)) is not None:
            fitting[key] = part
    return fitting


def _cut_value(value: Any, room: int, path: str, cut: list[str]) -> Any:
    """Return the part of the value that fits, `None` when none does. Too large values are texts, lists and objects, or
    numbers of hundreds of digits.
    """
    if isinstance(value, Mapping):
        return _cut_object(value, room, f"{path}.", cut)
    cut.append(path)
    if isinstance(value, str):
        return _beginning(value, room)
    return _first(value, room) if isinstance(value, list) else None


def _beginning(text: str, room: int) -> str:
    """Return the beginning of `text` in `room` bytes. JSON takes one to six bytes for a character."""
    room = max(0, room - _SUFFIX_BYTES)
    start = text[:room]
    while json_bytes(start) > room + 2:
        start = start[: len(start) * room // json_bytes(start)]
    return start + SHORTENED


def _first(members: list[Any], room: int) -> list[Any]:
    left = room - 2
    for place, member in enumerate(members):
        left -= json_bytes(member) + 1
        if left < 0:
            return members[:place]
    return members


def _level(sizes: Iterable[int], room: int) -> int:
    """Return the size to which the largest values are cut so that all fit; the part that smaller ones do not use goes
    to larger ones.
    """
    ordered = sorted(sizes)
    for place, size in enumerate(ordered):
        share = room // (len(ordered) - place)
        if size > share:
            return share
        room -= size
    return ordered[-1] if ordered else 0


def _named(cut: list[str]) -> list[str]:
    """Return the first names, each shortened to `_NAME_CHARS`."""
    names = [path if len(path) <= _NAME_CHARS else f"{path[: _NAME_CHARS - 1]}…" for path in dict.fromkeys(cut)]
    return names if len(names) <= _MOST_NAMED else [*names[: _MOST_NAMED - 1], f"{len(names) - _MOST_NAMED + 1} more"]
