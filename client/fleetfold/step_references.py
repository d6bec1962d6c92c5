"""References to values of a running transaction: fields of results, inputs, and conditions on them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Filter, Scalar
from fleetfold_shared.templates import quote
from fleetfold_shared.values import check_value

__all__ = ["Condition", "Reference", "Templates"]

_OPEN, _CLOSE = "\ue000", "\ue001"
"""Around a path in a text that is not a template yet: private characters, which no text of a user has."""
_MARK = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]+){_CLOSE}")
_NAME = re.compile(r"[\w-]+")


class Reference:
    """A value that exists only when the transaction runs. `order["total"]` is a field of it, `order["lines"][0]` goes
    deeper. Give it to a later step, put it into an f-string, or compare it, for a `when`.
    """

    __slots__ = ("_owner", "_path")
    __hash__ = object.__hash__
    __iter__ = None  # else Python would try one index after the other, for ever

    def __init__(self, owner: object, path: str) -> None:
        self._owner, self._path = owner, path

    def __getitem__(self, field: str | int) -> Reference:
        if not _NAME.fullmatch(str(field)) or (isinstance(field, int) and field < 0):
            raise InvalidInput(f"{field!r} is no field that can be referred to; use letters, digits, '_' and '-'")
        return Reference(self._owner, f"{self._path}.{field}" if self._path else str(field))

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]  # a condition, to be decided later
        return self._test("eq", value)

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]  # the same
        return self._test("ne", value)

    def __lt__(self, value: object) -> Condition:
        return self._test("lt", value)

    def __le__(self, value: object) -> Condition:
        return self._test("lte", value)

    def __gt__(self, value: object) -> Condition:
        return self._test("gt", value)

    def __ge__(self, value: object) -> Condition:
        return self._test("gte", value)

    def one_of(self, values: Sequence[Scalar]) -> Condition:
        """A condition that it equals one of these."""
        return self._test("in", list(values))

    def contains(self, value: Scalar) -> Condition:
        """A condition that it contains this: a part of a text, or a member of a list."""
        return self._test("contains", value)

    def exists(self) -> Condition:
        """A condition that it exists."""
        return self._test("exists", True)

    def __bool__(self) -> NoReturn:
        raise TypeError("it is known only when the transaction runs; give the condition to when=")

    def __format__(self, spec: str) -> str:
        if spec:
            raise InvalidInput(
                f"{self._path}: it is known only when the transaction runs, so {spec!r} cannot format it"
            )
        return f"{_OPEN}{self._path}{_CLOSE}"

    def __str__(self) -> str:
        return format(self)

    def __repr__(self) -> str:
        return f"<{self._path or 'result'} of a transaction>"

    def _test(self, op: Any, value: Any) -> Condition:
        return Condition(Filter(field=self._path, op=op, value=value), (self,))


class Condition:
    """A condition on the results of earlier steps, for `when`. Combine with `&`, `|` and `~`."""

    __slots__ = ("filter", "references")

    def __init__(self, given: Filter, references: tuple[Reference, ...]) -> None:
        self.filter, self.references = given, references

    def __and__(self, other: Condition) -> Condition:
        return Condition(Filter(all=[self.filter, other.filter]), self.references + other.references)

    def __or__(self, other: Condition) -> Condition:
        return Condition(Filter(any=[self.filter, other.filter]), self.references + other.references)

    def __invert__(self) -> Condition:
        return Condition(Filter(none=[self.filter]), self.references)

    def __bool__(self) -> NoReturn:
        raise TypeError("it is decided only when the transaction runs; combine with &, | and ~, and give it to when=")


class Templates:
    """Turns values with references into templates, and collects the references. All other values are literals.

    References must be of one of `owners`.
    """

    def __init__(self, *owners: object) -> None:
        self._owners = owners
        self.paths: list[str] = []

    def params(self, values: Mapping[str, Any], where: str) -> dict[str, Any]:
        """`values` in the wire format. Raises `InvalidInput`, naming `where`."""
        return {name: self._value(value, f"{where}.{name}") for name, value in values.items()}

    def condition(self, given: Condition, where: str) -> Filter:
        """A filter over the fields `steps.NAME.field`; what it compares with may be inputs."""
        for reference in given.references:
            self._path(reference, where)
            if not reference._path.startswith("steps."):  # noqa: SLF001  # ours
                raise InvalidInput(f"{where}: a condition asks what earlier steps have returned", field=where)
        return self._filter(given.filter, where)

    def _filter(self, given: Filter, where: str) -> Filter:
        parts: dict[str, Any] = {
            name: [self._filter(part, where) for part in found]
            for name in ("all", "any", "none")
            if (found := getattr(given, name)) is not None
        }
        return msgspec.structs.replace(given, value=self._compared(given.value, where), **parts)

    def _compared(self, value: Any, where: str) -> Any:
        """Values of a condition are literals, except for inputs."""
        if isinstance(value, list):
            return [self._compared(one, where) for one in value]
        if isinstance(value, Reference) and not value._path.startswith("inputs."):  # noqa: SLF001  # ours
            raise InvalidInput(f"{where}: a condition compares with values and inputs, not with results", field=where)
        return f"{{{{{self._path(value, where)}}}}}" if isinstance(value, Reference) else value

    def _value(self, value: Any, where: str) -> Any:
        try:
            marked = self._marked(value, where)
        except RecursionError:
            raise InvalidInput(f"{where}: it is nested too deep", field=where) from None
        check_value(marked, where)
        return self._quoted(marked, where)

    def _marked(self, value: Any, where: str) -> Any:
        """`value` with a mark in place of each reference."""
        if isinstance(value, Reference):
            return f"{_OPEN}{self._path(value, where)}{_CLOSE}"
        if isinstance(value, dict):
            return {key: self._marked(one, where) for key, one in value.items()}
        return [self._marked(one, where) for one in value] if isinstance(value, list | tuple) else value

    def _quoted(self, value: Any, where: str) -> Any:
        if isinstance(value, str):
            return "".join(self._pieces(value, where))
        if isinstance(value, dict):
            return {key: self._quoted(one, where) for key, one in value.items()}
        return [self._quoted(one, where) for one in value] if isinstance(value, list | tuple) else value

    def _pieces(self, text: str, where: str) -> Iterator[str]:
        end = 0
        for match in _MARK.finditer(text):
            self.paths.append(match[1])
            try:
                yield quote(text[end : match.start()], match[1])
            except InvalidInput as error:
                raise InvalidInput(f"{where}: {error.message}", field=where) from None
            end = match.end()
        yield quote(text[end:])

    def _path(self, reference: Reference, where: str) -> str:
        if reference._owner not in self._owners:  # noqa: SLF001  # ours
            raise InvalidInput(f"{where}: {reference!r} is not known there", field=where)
        path = reference._path or "result"  # noqa: SLF001  # ours
        self.paths.append(path)
        return path
