"""Schedules as people write them down: TOML or JSON, one or several, checked before anything is sent."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, TextIO

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ScheduleSpec
from fleetfold_shared.refusals import typed

__all__ = ["ScheduleFile", "read"]


class ScheduleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`schedules`, each as `fleetfold_shared.messages.ScheduleSpec` has it."""

    schedules: Annotated[list[ScheduleSpec], msgspec.Meta(min_length=1, max_length=1000)]


def read(file: str, stdin: TextIO) -> list[ScheduleSpec]:
    """The schedules of `file`, or of `stdin` for `-`: several under `schedules`, or one. `InvalidInput` names the file,
    the field and the problem.
    """
    where, text = ("stdin", stdin.read()) if file == "-" else (file, _text(Path(file)))
    values = _values(text, where, as_json=file.endswith(".json") or text.lstrip().startswith("{"))
    if isinstance(values, dict) and "schedules" in values:
        return typed(values, ScheduleFile, where).schedules
    return [typed(values, ScheduleSpec, where)]


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
        raise InvalidInput(f"{where}: not {'JSON' if as_json else 'TOML'}: {error}", field="file") from None
