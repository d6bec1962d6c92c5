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

__all__ = ["fill", "fill_inputs", "placeholders", "quote"]

_OPENING = re.compile(r"(\\*)\{\{(?:\s*([\w-]+(?:\.[\w-]+)*)\s*\}\})?")
_WHOLE = re.compile(r"\{\{\s*([\w-]+(?:\.[\w-]+)*)\s*\}\}")
_NAMES_SHOWN = 20
_BRACES = re.compile(r"(\\*)\{\{")


def fill(params: Mapping[str, Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `params` with each placeholder replaced by its value in `scope`.

    Raises `InvalidInput` naming the placeholder that leads nowhere and what is known there, or one that is malformed.
    """
    return {
        key: _walk(value, lambda text: _fill_text(text, lambda path: _look_up(path, scope)))
        for key, value in params.items()
    }


def fill_inputs(params: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `params` with each `{{inputs.name}}` replaced by its value. Other placeholders stay as they are.

    When those are filled later, an input is data, whatever braces it holds. Raises `InvalidInput` as `fill` and `quote`
    do.
    """
    scope = {"inputs": inputs}
    return {key: _walk(value, lambda text: _fill_input_text(text, scope)) for key, value in params.items()}


def quote(text: str, path: str = "") -> str:
    """A template that `fill` turns into `text`, followed by the value of `path` if one is given.

    `InvalidInput` for a text that ends with an odd number of braces before a placeholder: that cannot be said.
    """
    quoted = _BRACES.sub(lambda match: match[1] * 2 + "\\{{", text)
    if not path:
        return quoted
    if (len(text) - len(text.rstrip("{"))) % 2:
        raise InvalidInput(f"{{{{{path}}}}}: what stands before it ends with a brace; put a space between", field=path)
    return f"{quoted}{text[len(text.rstrip(chr(92))) :]}{{{{{path}}}}}"


def placeholders(params: Mapping[str, Any]) -> set[str]:
    """The paths that `params` refers to; `InvalidInput` for a `{{` that opens no path."""
    found: set[str] = set()
    for text in _strings(params):
        _fill_text(text, lambda path: found.add(path))
    return found


def _walk(value: Any, change: Callable[[str], Any]) -> Any:
    """A copy with each text that holds braces changed."""
    if isinstance(value, str):
        return change(value) if "{{" in value else value
    if isinstance(value, Mapping):
        return {key: _walk(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(inner, change) for inner in value]
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
            raise _malformed(text, match)
        return "\\" * (slashes // 2) + _as_text(look_up(path))

    return _OPENING.sub(replace, text)


def _fill_input_text(text: str, scope: Mapping[str, Any]) -> Any:
    if whole := _WHOLE.fullmatch(text):
        return _walk(_look_up(whole[1], scope), quote) if _is_input(whole[1]) else text
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
            literal += _as_text(_look_up(path, scope))
        else:
            filled += quote(literal, path)
            literal = ""
    return filled + quote(literal + text[end:])


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
