"""Private files and folders, readable by their owner alone.

Files with secrets are created once and replaced as a whole; one that another user has put there is refused.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from fleetfold_shared.errors import InvalidInput

__all__ = [
    "check_owner", "from_environment", "keep_private", "planted_by", "private_file", "private_folder", "read_or_create",
    "replace", "weakness",
]  # fmt: skip

FILE_MODE, FOLDER_MODE = 0o600, 0o700
OTHERS = 0o077


def keep_private() -> None:
    """Set the umask so that this process and its children create files and folders for their owner alone.

    Only for processes of our own; in a program of the user's, folders of mode 0700 protect what is in them.
    """
    os.umask(OTHERS)


def private_folder(path: Path) -> None:
    """Create `path` and its missing parents with mode 0700. An existing folder is left as it is."""
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def private_file(path: Path) -> None:
    """Create an empty file of mode 0600 for a library that would make it readable to others; keeps an existing one."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))


def read_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the contents of `path`; if it is missing, write the result of `make` first, once even under concurrent
    calls.

    Raises `InvalidInput` for a file that another user has put there: it would be that user's secret.
    """
    with contextlib.suppress(FileNotFoundError):
        check_owner(path)
        return path.read_bytes()
    private_folder(path.parent)
    with _draft(path, make()) as draft, contextlib.suppress(FileExistsError):
        os.link(draft, path)  # fails if it exists: the first one wins, and no reader sees half a file
    _sync(path.parent)
    check_owner(path)
    return path.read_bytes()


def replace(path: Path, data: bytes) -> None:
    """Replace `path` atomically by a file that holds `data`."""
    private_folder(path.parent)
    with _draft(path, data) as draft:
        draft.replace(path)
    _sync(path.parent)


def from_environment(name: str, env: Mapping[str, str]) -> str | None:
    """Return `$NAME`, or the contents of the file named by `$NAME_FILE`, stripped; `None` without both. Raises
    `InvalidInput` for a file that cannot be read.
    """
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
    """Explain why the file is not safe: readable by others, or put there by another user. `None` if it is safe or
    missing.
    """
    try:
        owner, mode = planted_by(path), stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    if owner is not None:
        return f"{path} was put there by another user (uid {owner}); remove it, or make it yours with `chown`"
    if mode & OTHERS:
        return f"{path} may be read by others (mode {mode:04o}); run `chmod 600 {path}`"
    return None


def planted_by(path: Path) -> int | None:
    """Return the uid of the file's owner, or of its symbolic link's target, if that is neither this user, root, nor the
    folder's owner; otherwise `None`. Raises `FileNotFoundError`.
    """
    trusted = {os.geteuid(), 0, path.parent.stat().st_uid}
    owners = [path.lstat().st_uid, path.stat().st_uid]
    return next((owner for owner in owners if owner not in trusted), None)


def check_owner(path: Path) -> None:
    """Raise `InvalidInput` for a file that another user has put there, `FileNotFoundError` for a missing one."""
    owner = planted_by(path)
    if owner is not None:
        raise InvalidInput(
            f"{path}: another user (uid {owner}) has put it there, and it is not used; remove it, or make it yours "
            "with `chown`",
            field="keys",
        )


def _sync(folder: Path) -> None:
    """Sync the folder, so that the new name is on the disk too."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextlib.contextmanager
def _draft(path: Path, data: bytes) -> Iterator[Path]:
    """Write `data` to a temporary file beside `path`, and remove it at the end of the block."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(file, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        yield draft
    except OSError as error:
        error.filename = error.filename or str(path)  # the error of a full disk has no file name
        raise
    finally:
        draft.unlink(missing_ok=True)
