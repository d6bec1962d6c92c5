"""Version stamp of a data directory, which keeps an earlier series of fleetfold from starting on a later one's data."""

from __future__ import annotations

import contextlib
from pathlib import Path

from fleetfold_broker.secret_file import replace
from fleetfold_shared import __version__
from fleetfold_shared.compatibility import is_later_series
from fleetfold_shared.errors import Conflict, InvalidInput

__all__ = ["STAMP", "stamp_version"]

STAMP = "fleetfold-version"
"""The file's name. It has the version that last used the directory."""


def stamp_version(directory: Path, version: str = __version__) -> None:
    """Write `version` into the directory's stamp. Raises `Conflict`, and changes nothing, if a later series was here.

    A version without a stamp was 0.1; within a series one may go back. Raises `InvalidInput` if it cannot be written.
    """
    file, found = directory / STAMP, ""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        found = file.read_text(encoding="utf-8").strip()
    if is_later_series(found, version):
        raise Conflict(
            f"data: {directory} was used by fleetfold {found}, and this is {version}, which does not know its data; "
            f"install fleetfold {found}, or restore a backup made before the upgrade",
            field="data",
        )
    if found != version:
        try:
            replace(file, f"{version}\n".encode())
        except OSError as error:
            raise InvalidInput(f"data: {directory} cannot be used: {error.strerror}", field="data") from None
