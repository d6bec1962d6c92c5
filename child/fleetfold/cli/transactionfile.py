"""A transaction as people write it down: TOML or JSON, checked before anything is sent."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, TextIO

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import StepSpec
from fleetfold_shared.refusals import typed

__all__ = ["TransactionFile", "read"]


class TransactionFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`steps` as `fleetfold.StepSpec` has them, and a `name` for people."""

    steps: Annotated[list[StepSpec], msgspec.Meta(min_length=1, max_length=100)]
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""


def read(file: str, stdin: TextIO) -> TransactionFile:
    """The transaction of `file`, or of `stdin` for `-`; `InvalidInput` names the file, the field and the problem.

    A file that ends in `.json`, and input that starts with a brace, is JSON; all else is TOML.
    """
    where, text = ("stdin", stdin.read()) if file == "-" else (file, _text(Path(file)))
    as_json = file.endswith(".json") or text.lstrip().startswith("{")
    return typed(_values(text, where, as_json=as_json), TransactionFile, where)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}", field="file") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: not UTF-8: {error.reason}", field="file") from None


def _values(text: str, where: str, *, as_json: bool) -> Any:
    try:
        return msgspec.json.decode(text) if as_json else tomllib.loads(text)
    except (msgspec.DecodeError, tomllib.TOMLDecodeError) as error:
        form = "JSON" if as_json else "TOML"
        raise InvalidInput(f"{where}: not {form}: {error}", field="file") from None
