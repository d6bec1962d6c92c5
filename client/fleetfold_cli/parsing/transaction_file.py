"""Transaction files: YAML, TOML or JSON, validated before anything is sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, TextIO

import msgspec

from fleetfold_cli.parsing.structured_file import Form, text_of, values_of
from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.messages import Definition, Inputs, StepSpec

__all__ = ["TransactionFile", "read"]

_YAML = re.compile(r"(\s*#[^\n]*\n|\s*\n)*(---|[\w-]+\s*:)")
"""Matches the beginning of YAML, but not of TOML."""


class TransactionFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`steps` as `fleetfold.StepSpec` has them, and a `name` for people; the others as in `fleetfold.Definition`."""

    steps: Annotated[list[StepSpec], msgspec.Meta(min_length=1, max_length=100)]
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    inputs: Inputs = {}
    about: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    within_s: Annotated[float, msgspec.Meta(gt=0, le=30 * 86_400)] | None = None

    def definition(self, name: str | None = None) -> Definition:
        """The definition to be stored, under another `name` if given."""
        made = Definition(
            name=name or self.name, steps=self.steps, inputs=self.inputs, about=self.about, within_s=self.within_s
        )
        return convert_to(msgspec.to_builtins(made), Definition, "definition")


def read(file: str, stdin: TextIO) -> TransactionFile:
    """The transaction of `file`, or of `stdin` for `-`; `InvalidInput` names the file, the field and the problem.

    A file says what it is by its end: `.json`, `.yaml`, `.yml` or `.toml`; input from elsewhere by how it begins.
    """
    where, text = text_of(file, stdin)
    return convert_to(values_of(text, where, _form(file, text)), TransactionFile, where)


def _form(file: str, text: str) -> Form:
    ending = Path(file).suffix.lower()
    if ending == ".json" or text.lstrip().startswith("{"):
        return "JSON"
    if ending in {".yaml", ".yml"} or (ending != ".toml" and _YAML.match(text)):
        return "YAML"
    return "TOML"
