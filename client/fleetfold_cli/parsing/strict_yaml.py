"""A YAML reader restricted to JSON's types: no duplicate keys, no anchors or aliases."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

__all__ = ["YAMLError", "load", "reason"]

YAMLError = yaml.YAMLError

_TYPES = {
    "null": (re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    "bool": (re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    "int": (re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"), list("-+0123456789")),
    "float": (
        re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
        list("-+.0123456789"),
    ),
}
"""The core schema of YAML 1.2. Numbers that JSON has not are refused."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """PyYAML's safe loader with the types of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(
                None, None, "aliases (`*name`) are not taken; write it out", self.peek_event().start_mark
            )
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: Any) -> None:
        """Treat `<<` as an ordinary key."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _wrong(key_node, "a key must be a text; put it in quotes")
            if key in seen:
                raise _wrong(key_node, f"the key {key!r} is there twice")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def whole(self, node: Any) -> int:
        """An integer: `017` is seventeen."""
        text = self.construct_scalar(node)
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text, 10)

    def fraction(self, node: Any) -> float:
        """A number with a point or an exponent."""
        text = self.construct_scalar(node)
        number = math.inf if text[-1] in "fFnN" else float(text)
        if not math.isfinite(number):
            raise _wrong(node, f"{text} is not a number that JSON has; leave it out, or put it in quotes")
        return number


def load(text: str) -> Any:
    """Load the only document in `text`. Raises `YAMLError` with the position."""
    return yaml.load(text, _Loader)  # noqa: S506  # it is a safe loader


def reason(error: yaml.YAMLError) -> str:
    """What is wrong, and where, in one line."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    mark = error.problem_mark
    what = ", ".join(filter(None, (error.context, error.problem)))
    return f"{what} (line {mark.line + 1}, column {mark.column + 1})"


def _wrong(node: Any, problem: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


for _kind, (_form, _first) in _TYPES.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"^(?:{_form.pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.whole)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.fraction)
