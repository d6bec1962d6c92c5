"""Conversion of values to declared field types, and of a CSV column's texts to numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from fleetfold_shared.config import FieldType
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.values import check_value

__all__ = ["INTEGER", "converted", "decimal", "number", "resembles_number", "written_number"]

INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][+-]?[0-9]{1,3})?\Z")
_GROUPED = re.compile(r"(-?[0-9]{1,3})((?:[.,' \xa0\u202f][0-9]{3})+)?(?:([.,])([0-9]+))?\Z")
_UNIT = r"(?:[€$£¥₽₹%‰]|EUR|USD|GBP|CHF)?"
_WITH_UNIT = re.compile(rf"{_UNIT}[ \xa0\u202f]?([+-]?[0-9].*?)[ \xa0\u202f]?{_UNIT}\Z")
_CODE = re.compile(r"[+-]?0[0-9]|\+")
_LARGEST = 2**63
_EXACT_DIGITS = 15
_TRUE, _FALSE = frozenset({"true", "yes", "1", "on"}), frozenset({"false", "no", "0", "off"})


def number(text: str) -> int | float | None:
    """Convert a text to a number: `240`, `-9.5`, `.5`, `1.5e3`; `None` for anything else, or a number that would
    change.

    `007`, `+49`, `1e5`, `1,000`, more than 63 bits or 15 digits of a fraction are not converted: most are identifiers.
    """
    if INTEGER.match(text):
        return int(text) if len(text) < 20 and -_LARGEST <= int(text) < _LARGEST else None
    if not _DECIMAL.match(text):
        return None
    digits = re.sub(r"[eE].*|[-.]", "", text).strip("0")
    value = float(text)
    return value if len(digits) <= _EXACT_DIGITS and abs(value) != float("inf") else None


def decimal(text: str) -> int | float | None:
    """Do the same as `number` with a decimal comma: `9,90`."""
    return None if "." in text else number(text.replace(",", ".", 1))


def resembles_number(text: str) -> bool:
    """Whether it is a quantity to a reader, though not to `number`: `1.234,50`, `€ 9.90`, `12 %`."""
    match = _WITH_UNIT.match(text)
    if match is None or _CODE.match(match[1]):
        return False
    return (number(match[1]) or decimal(match[1])) is not None or _GROUPED.match(match[1]) is not None


def converted(values: Mapping[str, Any], types: Mapping[str, FieldType]) -> dict[str, Any]:
    """Convert the values of declared fields. Raises `InvalidInput` for one that does not fit."""
    found = dict(values)
    for name, kind in types.items():
        if found.get(name) is not None and found[name] != "":
            check_value(found[name], name)
            found[name] = _CONVERTERS[kind](found[name], name)
    return found


def _number(value: Any, name: str) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    found = written_number(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise _refused(name, value, "a number", "write 1234.5")
    return found


def _integer(value: Any, name: str) -> int:
    found = _number(value, name)
    if found != int(found):
        raise _refused(name, value, "a whole number", "declare it as number")
    return int(found)


def written_number(text: str) -> int | float | None:
    """Convert a number as people write it, also in groups of three, if it is unambiguous."""
    if (plain := number(text)) is not None:
        return plain
    match = _GROUPED.match(text)
    if match is None:
        return decimal(text)
    whole, groups, mark, decimals = match.groups()
    separators = set(re.sub(r"[0-9]", "", groups or ""))
    ambiguous = groups is not None and len(groups) == 4 and mark is None and separators & {".", ","}
    if len(separators) > 1 or mark in separators or ambiguous:
        return None
    digits = re.sub(r"^(-?)0+(?=[0-9])", r"\1", whole + re.sub(r"[^0-9]", "", groups or ""))
    return number(f"{digits}.{decimals}" if decimals else digits)


def _boolean(value: Any, name: str) -> bool:
    word = str(value).strip().casefold()
    if word not in _TRUE | _FALSE:
        raise _refused(name, value, "true or false", "yes, no, 1 and 0 will do as well")
    return word in _TRUE


def _date(value: Any, name: str) -> str:
    """Check a date and return its text: ISO 8601 dates sort as their texts."""
    text = str(value).strip()
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            read(text)
        except ValueError:
            continue
        return text
    raise _refused(name, value, "a date", "write 2024-12-31 or 2024-12-31T12:00:00Z")


def _text(value: Any, name: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _refused(name, value, "a text", "leave its type out")
    return str(value)


def _refused(name: str, value: Any, wanted: str, advice: str) -> InvalidInput:
    shown = repr(value)
    shown = shown if len(shown) <= 40 else f"{shown[:39]}…"
    return InvalidInput(f"{name}: expected {wanted}, got {shown}; {advice}", field=name)


_CONVERTERS: Mapping[FieldType, Callable[[Any, str], Any]] = {
    "number": _number, "integer": _integer, "boolean": _boolean, "date": _date, "text": _text,
}  # fmt: skip
