"""Files that hold secrets: made once, readable by their owner alone, replaced as a whole."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from fleetfold_shared.errors import InvalidInput

__all__ = ["from_environment", "read_or_create", "replace", "weakness"]

FILE_MODE, FOLDER_MODE = 0o600, 0o700


def read_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """What `path` holds; if it is not there, what `make` gives, written once whoever else tries at the same time."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    _folder(path.parent)
    with _draft(path, make()) as draft, contextlib.suppress(FileExistsError):
        os.link(draft, path)  # fails if it is there: the first one wins, and nobody reads half of it
    _sync(path.parent)
    return path.read_bytes()


def replace(path: Path, data: bytes) -> None:
    """Write `data` beside, and move it into place."""
    _folder(path.parent)
    with _draft(path, data) as draft:
        draft.replace(path)
    _sync(path.parent)


def from_environment(name: str, env: Mapping[str, str]) -> str | None:
    """`$NAME`, or what the file in `$NAME_FILE` holds, without white space around it; `None` without both."""
    if value := env.get(name):
        return value.strip()
    file = env.get(f"{name}_FILE")
    if not file:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not text"
        raise InvalidInput(f"{name}_FILE: {file} cannot be read: {why}", field=f"{name}_FILE") from None


def weakness(path: Path) -> str | None:
    """Why the file is not safe: others may read it. `None` if they may not, or it is not there."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    if mode & 0o077:
        return f"{path} may be read by others (mode {mode:04o}); run `chmod 600 {path}`"
    return None


def _folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)


def _sync(folder: Path) -> None:
    """Make sure that the new name is on the disk too."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextlib.contextmanager
def _draft(path: Path, data: bytes) -> Iterator[Path]:
    """A file beside `path` that holds `data`; it is gone afterwards, whatever happens."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(file, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
