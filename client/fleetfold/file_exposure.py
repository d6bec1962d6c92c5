"""The check of a fleet's files for access by other users: folders, files that are readable, and files put there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import structlog

__all__ = ["Exposure", "exposures", "tell_exposed"]

log = structlog.get_logger(__name__)

OTHERS, WRITABLE = 0o077, 0o022
MOST = 50_000
"""How many files and folders of a place are looked at."""


class Exposure(NamedTuple):
    """A `weak` one must be fixed; a `note` is for information: others may list the folder, but read no file."""

    severity: Literal["weak", "note"]
    path: Path
    what: str


def exposures(places: Iterable[Path]) -> Iterator[Exposure]:
    """What other users may access in each folder of data or state; missing folders are skipped."""
    for place in dict.fromkeys(places):
        try:
            found = place.stat()
        except OSError:
            continue
        yield from _of_place(place, found)


def tell_exposed(places: Iterable[Path]) -> None:
    """Log each exposed place."""
    for exposure in exposures(places):
        log.warning("files.exposed", path=str(exposure.path), reason=exposure.what)


def _of_place(place: Path, found: os.stat_result) -> Iterator[Exposure]:
    mode, mine = stat.S_IMODE(found.st_mode), {os.geteuid(), 0}
    if found.st_uid not in mine:
        what = f"it belongs to another user (uid {found.st_uid}), who can replace what is in it; run `chown` on it"
        yield Exposure("weak", place, what)
    readable, foreign = _inside(place, {*mine, found.st_uid})
    if foreign:
        what = f"another user has put there {_counted(foreign)}; remove what is not yours, or run `chown` on it"
        yield Exposure("weak", place, what)
    if mode & WRITABLE:
        yield Exposure("weak", place, f"others may write into it (mode {mode:04o}); run `chmod go= {place}`")
    elif mode & OTHERS and readable:
        what = f"others may read in it (mode {mode:04o}) {_counted(readable)}; run `chmod -R go= {place}`"
        yield Exposure("weak", place, what)
    elif mode & OTHERS:
        what = f"others may enter it (mode {mode:04o}), though read no file in it; `chmod go= {place}` ends that"
        yield Exposure("note", place, what)


def _inside(place: Path, owners: set[int]) -> tuple[list[Path], list[Path]]:
    """What others may read in the place, and what another user has put there."""
    readable, foreign = list[Path](), list[Path]()
    for number, path in enumerate(_walk(place)):
        if number >= MOST:
            break
        try:
            found = path.lstat()
        except OSError:  # it is gone by now
            continue
        if found.st_uid not in owners:
            foreign.append(path)
        elif stat.S_ISREG(found.st_mode) and found.st_mode & OTHERS:
            readable.append(path)
    return readable, foreign


def _walk(place: Path) -> Iterator[Path]:
    """Files and folders of the place, each folder before its content. Folders of the owner alone are not entered,
    because nobody else can reach their content."""
    for folder, folders, files in os.walk(place):
        for name in (*folders, *files):
            yield Path(folder, name)
        folders[:] = [name for name in folders if _is_open(Path(folder, name))]


def _is_open(folder: Path) -> bool:
    try:
        return bool(folder.lstat().st_mode & OTHERS)
    except OSError:
        return False


def _counted(paths: list[Path]) -> str:
    first = min(paths)
    return str(first) if len(paths) == 1 else f"{len(paths)} files, such as {first}"
