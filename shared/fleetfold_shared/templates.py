r"""`{{path}}` in parameters, filled from what earlier commands returned.

A path is names and list indexes joined by dots: `steps.crm.order_id`, `items.0.sku`. A string that is exactly one
placeholder takes the value with its type; inside a longer string a string goes in as it is and anything else as
JSON. Keys are never filled. Nothing is evaluated, and what was filled in is not scanned again: a result that
holds `{{` is data. `\{{` stands for a literal `{{`, and `\\{{path}}` for a backslash before a placeholder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from fleetfold_shared.errors import InvalidInput

__all__ = ["fill", "placeholders"]

_OPENING = re.compile(r"(\\*)\{\{(?:\s*([\w-]+(?:\.[\w-]+)*)\s*\}\})?")
_WHOLE = re.compile(r"\{\{\s*([\w-]+(?:\.[\w-]+)*)\s*\}\}")
_NAMES_SHOWN = 20


def fill(params: Mapping[str, Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `params` with each placeholder replaced by its value in `scope`.

    Raises `InvalidInput` naming the placeholder that leads nowhere and what is known there, or one that is malformed.
    """
    return {key: _walk(value, lambda path: _look_up(path, scope)) for key, value in params.items()}


def placeholders(params: Mapping[str, Any]) -> set[str]:
    """The paths that `params` refers to; `InvalidInput` for a `{{` that opens no path."""
    found: set[str] = set()
    for text in _strings(params):
        _fill_text(text, lambda path: found.add(path))
    return found


def _walk(value: Any, look_up: Callable[[str], Any]) -> Any:
    if isinstance(value, str):
        return _fill_text(value, look_up) if "{{" in value else value
    if isinstance(value, Mapping):
        return {key: _walk(inner, look_up) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(inner, look_up) for inner in value]
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _fill_text(text: str, look_up: Callable[[str], Any]) -> Any:
    if whole := _WHOLE.fullmatch(text):
        return look_up(whole[1])

    def replace(match: re.Match[str]) -> str:
        slashes, path = len(match[1]), match[2]
        if slashes % 2:
            return "\\" * (slashes // 2) + match[0][slashes:]
        if path is None:
            raise InvalidInput(
                f"{text[match.start() :][:60]!r}: '{{{{' opens no placeholder; write '{{{{name.field}}}}', "
                "or '\\{{' for the two characters"
            )
        return "\\" * (slashes // 2) + _as_text(look_up(path))

    return _OPENING.sub(replace, text)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _look_up(path: str, scope: Mapping[str, Any]) -> Any:
    here: Any = scope
    walked: list[str] = []
    for name in path.split("."):
        if isinstance(here, Mapping) and name in here:
            here = here[name]
        elif isinstance(here, list | tuple) and name.isdecimal() and int(name) < len(here):
            here = here[int(name)]
        else:
            raise InvalidInput(_nowhere(path, name, walked, here), field=path)
        walked.append(name)
    return here


def _nowhere(path: str, name: str, walked: list[str], here: Any) -> str:
    where = f"{'.'.join(walked)} " if walked else ""
    if isinstance(here, Mapping):
        known = ", ".join(sorted(map(str, here))[:_NAMES_SHOWN]) or "nothing"
    elif isinstance(here, list | tuple):
        known = f"a list of {len(here)}"
    else:
        known = f"a {type(here).__name__}"
    return f"{{{{{path}}}}}: there is no {name!r}; {where}holds {known}"
