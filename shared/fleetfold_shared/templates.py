r"""Templates in parameters: `{{path}}` is replaced by a value that earlier commands returned.

A path is names and list indexes joined by dots: `steps.crm.order_id`, `items.0.sku`. A string that is exactly one
placeholder takes the value with its type; inside a longer string a string goes in as it is and anything else as
JSON. Keys are never filled. Nothing is evaluated, and what was filled in is not scanned again: a result that
holds `{{` is data. `\{{` stands for a literal `{{`, and `\\{{path}}` for a backslash before a placeholder.

The size of inserted values is limited before they are copied: see `Room`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.integer_parsing import whole_number

__all__ = ["MOST_BYTES", "MOST_DEPTH", "Room", "fill", "fill_inputs", "placeholders", "quote"]

MOST_BYTES = 1024 * 1024
"""Most bytes of one message: the broker's `max_payload`."""
MOST_DEPTH = 100
"""Deepest nesting of lists and objects."""

_OPENING = re.compile(r"(\\*)\{\{(?:\s*([\w-]+(?:\.[\w-]+)*)\s*\}\})?")
_WHOLE = re.compile(r"\{\{\s*([\w-]+(?:\.[\w-]+)*)\s*\}\}")
_NAMES_SHOWN = 20
_BRACES = re.compile(r"(\\*)\{\{")


class Room:
    """Byte budget of the values inserted into one message, so that a few placeholders cannot produce gigabytes.

    Each value is measured once, however often it is inserted, and subtracted before it is copied.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = self._left = most_bytes
        self._measured: dict[str, tuple[int, int]] = {}

    def take(self, path: str, value: Any, depth: int, *, as_text: bool = False) -> None:
        """Subtract the size of `value`, inserted for `path` at `depth`. Raises `InvalidInput` for the path when the
        budget is exceeded.
        """
        size, deep = self._measure(path, value, as_text=as_text)
        self._left -= size
        if self._left < 0:
            raise InvalidInput(
                f"{{{{{path}}}}}: with it the parameters are over {self._most:,} bytes, the most that a message holds; "
                "refer to a smaller part of it, or less often",
                field=path,
            )
        _check_depth(depth + deep, path)

    def _measure(self, path: str, value: Any, *, as_text: bool) -> tuple[int, int]:
        key = f"text {path}" if as_text else path
        if key not in self._measured:
            deep = _depth(value)
            _check_depth(deep, path)
            size = _json_size(path, _as_text(value) if as_text else value)
            self._measured[key] = size, 0 if as_text else deep
        return self._measured[key]


def fill(params: Mapping[str, Any], scope: Mapping[str, Any], room: Room | None = None) -> dict[str, Any]:
    """Return a copy of `params` with each placeholder replaced by its value in `scope`.

    Raises `InvalidInput` for a placeholder that is unknown (with the names known there), malformed, or exceeds `room`,
    by default that of one message.
    """
    room = room or Room()

    def fill_text(text: str, depth: int) -> Any:
        return _fill_text(text, lambda path: _look_up(path, scope), room, depth)

    return {key: _walk(value, fill_text) for key, value in params.items()}


def fill_inputs(params: Mapping[str, Any], inputs: Mapping[str, Any], room: Room | None = None) -> dict[str, Any]:
    """Return a copy of `params` with each `{{inputs.name}}` replaced by its value; other placeholders stay.

    Inputs are quoted, so braces in them are data when the other placeholders are filled later. Raises `InvalidInput` as
    `fill` and `quote` do.
    """
    scope, room = {"inputs": inputs}, room or Room()

    def fill_text(text: str, depth: int) -> Any:
        return _fill_input_text(text, scope, room, depth)

    return {key: _walk(value, fill_text) for key, value in params.items()}


def quote(text: str, path: str = "") -> str:
    """Return a template that `fill` turns into `text`, followed by the value of `path` if one is given.

    Raises `InvalidInput` for a text that ends with an odd number of braces before a placeholder, which has no template.
    """
    quoted = _BRACES.sub(lambda match: match[1] * 2 + "\\{{", text)
    if not path:
        return quoted
    if (len(text) - len(text.rstrip("{"))) % 2:
        raise InvalidInput(f"{{{{{path}}}}}: what stands before it ends with a brace; put a space between", field=path)
    return f"{quoted}{text[len(text.rstrip(chr(92))) :]}{{{{{path}}}}}"


def placeholders(params: Mapping[str, Any]) -> set[str]:
    """Return the paths that `params` refers to. Raises `InvalidInput` for a `{{` that opens no path."""
    found: set[str] = set()
    for text in _strings(params):
        _fill_text(text, lambda path: found.add(path))
    return found


def _walk(value: Any, change: Callable[[str, int], Any], depth: int = 1) -> Any:
    """Copy a value; `change(text, depth)` replaces each text that contains `{{`."""
    if isinstance(value, str):
        return change(value, depth) if "{{" in value else value
    if not isinstance(value, Mapping | list | tuple):
        return value
    _check_depth(depth)
    if isinstance(value, Mapping):
        return {key: _walk(inner, change, depth + 1) for key, inner in value.items()}
    return [_walk(inner, change, depth + 1) for inner in value]


def _strings(value: Any) -> Iterator[str]:
    for depth, level in enumerate(_level_by_level(value)):
        _check_depth(depth - 1)
        yield from (each for each in level if isinstance(each, str))


def _level_by_level(value: Any) -> Iterator[list[Any]]:
    """Yield the values nested in `value` level by level, from itself on."""
    level = [value]
    while level:
        yield level
        lists = [each.values() if isinstance(each, Mapping) else each for each in level if _holds_others(each)]
        level = [inner for each in lists for inner in each]


def _json_size(path: str, value: Any) -> int:
    try:
        return len(msgspec.json.encode(value))
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise InvalidInput(f"{{{{{path}}}}}: it cannot be said in JSON ({error})", field=path) from None


def _holds_others(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _depth(value: Any) -> int:
    """Return the nesting depth of lists and objects; 0 for a plain value."""
    return sum(1 for level in _level_by_level(value) if any(map(_holds_others, level)))


def _check_depth(depth: int, path: str = "") -> None:
    if depth > MOST_DEPTH:
        what = f"{{{{{path}}}}}: with it " if path else "params: "
        raise InvalidInput(f"{what}lists and objects lie more than {MOST_DEPTH} deep in each other", field=path or None)


def _fill_text(text: str, look_up: Callable[[str], Any], room: Room | None = None, depth: int = 0) -> Any:
    def counted(path: str, *, as_text: bool = False) -> Any:
        value = look_up(path)
        if room is not None:
            room.take(path, value, depth, as_text=as_text)
        return value

    if whole := _WHOLE.fullmatch(text):
        return counted(whole[1])

    def replace(match: re.Match[str]) -> str:
        slashes, path = len(match[1]), match[2]
        if slashes % 2:
            return "\\" * (slashes // 2) + match[0][slashes:]
        if path is None:
            raise _malformed(text, match)
        return "\\" * (slashes // 2) + _as_text(counted(path, as_text=True))

    return _OPENING.sub(replace, text)


def _fill_input_text(text: str, scope: Mapping[str, Any], room: Room, depth: int) -> Any:
    if whole := _WHOLE.fullmatch(text):
        return _quoted_input(whole[1], scope, room, depth) if _is_input(whole[1]) else text
    literal, filled, end = "", "", 0
    for match in _OPENING.finditer(text):
        slashes, path = len(match[1]), match[2]
        literal += text[end : match.start()] + "\\" * (slashes // 2)
        end = match.end()
        if slashes % 2:
            literal += match[0][slashes:]
        elif path is None:
            raise _malformed(text, match)
        elif _is_input(path):
            value = _look_up(path, scope)
            room.take(path, value, depth, as_text=True)
            literal += _as_text(value)
        else:
            filled += quote(literal, path)
            literal = ""
    return filled + quote(literal + text[end:])


def _quoted_input(path: str, scope: Mapping[str, Any], room: Room, depth: int) -> Any:
    value = _look_up(path, scope)
    room.take(path, value, depth)
    return _walk(value, lambda text, _depth: quote(text))


def _is_input(path: str) -> bool:
    return path.partition(".")[0] == "inputs"


def _malformed(text: str, match: re.Match[str]) -> InvalidInput:
    return InvalidInput(
        f"{text[match.start() :][:60]!r}: '{{{{' opens no placeholder; write '{{{{name.field}}}}', "
        "or '\\{{' for the two characters"
    )


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _look_up(path: str, scope: Mapping[str, Any]) -> Any:
    here: Any = scope
    walked: list[str] = []
    for name in path.split("."):
        if isinstance(here, Mapping) and name in here:
            here = here[name]
        elif isinstance(here, list | tuple) and (place := whole_number(name)) is not None and place < len(here):
            here = here[place]
        else:
            raise InvalidInput(_unknown_name(path, name, walked, here), field=path)
        walked.append(name)
    return here


def _unknown_name(path: str, name: str, walked: list[str], here: Any) -> str:
    where = f"{'.'.join(walked)} " if walked else ""
    if isinstance(here, Mapping):
        known = ", ".join(sorted(map(str, here))[:_NAMES_SHOWN]) or "nothing"
    elif isinstance(here, list | tuple):
        known = f"a list of {len(here)}"
    else:
        known = f"a {type(here).__name__}"
    return f"{{{{{path}}}}}: there is no {name!r}; {where}holds {known}"
