"""Hand-written files in YAML, TOML or JSON, as values."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, TextIO

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.values import check_text

__all__ = ["Form", "text_of", "values_of"]

Form = Literal["JSON", "TOML", "YAML"]


def text_of(file: str, stdin: TextIO) -> tuple[str, str]:
    """The file's name for errors, and its text; `-` is `stdin`. Raises `InvalidInput` if it cannot be read."""
    try:
        if file == "-":
            text = stdin.read()
            check_text(text, "stdin")
            return "stdin", text
        return file, Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{Path(file)}: cannot be read: {error.strerror}", field="file") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{'stdin' if file == '-' else Path(file)}: not UTF-8: {error.reason}", field="file"
        ) from None


def values_of(text: str, where: str, form: Form) -> Any:
    """Parse the text in that form. Raises `InvalidInput`, naming `where` and the problem."""
    try:
        match form:
            case "JSON":
                return msgspec.json.decode(text)
            case "YAML":
                return _yaml(text)
        return tomllib.loads(text)
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInput(f"{where}: not {form}: {error}", field="file") from None


def _yaml(text: str) -> Any:
    from fleetfold_cli.parsing import strict_yaml

    try:
        return strict_yaml.load(text)
    except strict_yaml.YAMLError as error:
        raise msgspec.DecodeError(strict_yaml.reason(error)) from None
