"""Schedule files: TOML or JSON, one or several schedules, validated before anything is sent."""

from __future__ import annotations

from typing import Annotated, TextIO

import msgspec

from fleetfold_cli.parsing.structured_file import text_of, values_of
from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.messages import ScheduleSpec

__all__ = ["ScheduleFile", "read"]


class ScheduleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`schedules`, each as `fleetfold_shared.messages.ScheduleSpec` has it."""

    schedules: Annotated[list[ScheduleSpec], msgspec.Meta(min_length=1, max_length=1000)]


def read(file: str, stdin: TextIO) -> list[ScheduleSpec]:
    """The schedules of `file`, or of `stdin` for `-`: several under `schedules`, or one. `InvalidInput` names the file,
    the field and the problem.
    """
    where, text = text_of(file, stdin)
    values = values_of(text, where, "JSON" if file.endswith(".json") or text.lstrip().startswith("{") else "TOML")
    if isinstance(values, dict) and "schedules" in values:
        return convert_to(values, ScheduleFile, where).schedules
    return [convert_to(values, ScheduleSpec, where)]
