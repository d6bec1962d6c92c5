"""The argument of `fleetfold tx run`: a file, or the name of a definition, and its inputs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from fleetfold_cli.parsing.assignments import assignment, values
from fleetfold_cli.parsing.transaction_file import read
from fleetfold_shared.definition_inputs import input_schema
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import StepSpec

if TYPE_CHECKING:  # it takes long to import, and `--help` does not need it
    from fleetfold.client import Client

__all__ = ["ChosenTransaction", "of_definition", "of_file", "parsed"]

_NAME = re.compile(r"([a-z][a-z0-9_-]{0,62})(?:@([1-9][0-9]{0,8}))?")


class ChosenTransaction(NamedTuple):
    """A transaction to run, and its inputs."""

    steps: Sequence[StepSpec] | str
    inputs: dict[str, Any]
    name: str = ""
    within_s: float | None = None


def parsed(text: str) -> tuple[str, int | None]:
    """Parse `NAME` or `NAME@VERSION`. Raises `InvalidInput`."""
    match = _NAME.fullmatch(text)
    if match is None:
        raise InvalidInput(f"name: {text[:80]!r} is no name of a definition: write NAME or NAME@VERSION", field="name")
    return match[1], int(match[2]) if match[2] else None


def of_file(target: str, words: Sequence[str], stdin: TextIO) -> ChosenTransaction | None:
    """The transaction of a file; None for a word that could name a definition: a file of that name is `./NAME`."""
    given = [assignment(word) for word in words]
    if _NAME.fullmatch(target):
        return None
    file = read(target, stdin)
    schema = input_schema(file.inputs)
    inputs = values(given, schema if file.inputs else None)
    for name in schema["required"]:
        if name not in inputs:
            raise InvalidInput(f"inputs.{name}: missing; write {name}=VALUE", field=f"inputs.{name}")
    defaults = {name: one["default"] for name, one in schema["properties"].items() if "default" in one}
    return ChosenTransaction(file.steps, {**defaults, **inputs}, file.name, file.within_s)


async def of_definition(target: str, words: Sequence[str], fleet: Client) -> ChosenTransaction:
    """The definition of that name, its inputs typed as it has them."""
    given = [assignment(word) for word in words]
    schema = (await fleet.definitions.get(*parsed(target))).schema if any(one.untyped for one in given) else None
    return ChosenTransaction(target, values(given, schema))
