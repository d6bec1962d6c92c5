"""Other versions of fleetfold as installed commands: the last landed one, and ones that are to come.

Each is a wheel built from its files, in a virtual environment of its own that borrows the dependencies of this one. So
nothing is downloaded. The last landed version's wheel is kept in pytest's cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

__all__ = ["Version", "landed_version", "later_version"]

ROOT = Path(__file__).parents[2]
FIRST_OF_SERIES = "23439e61de81"
"""What counts as the last landed version until the series has a tag; it moves when the wire changes before that."""
MIGRATIONS = Path("master/fleetfold_master/store/migrations/versions")


class Version(NamedTuple):
    """An installed version: its Python, and the folder of its own `support.books`."""

    python: str
    tests: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of its daemons."""
        return {**os.environ, "PYTHONPATH": str(self.tests)}


def landed_version(cache: Path, place: Path) -> Version:
    """The version that landed last, or `$FLEETFOLD_PREVIOUS`. Skips, and says so, where its files are not at hand."""
    commit = _previous()
    files, wheels = place / "files", cache / commit
    files.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", str(files)], input=archive.stdout, check=True)
    return _installed(files, place, wheels)


def later_version(place: Path, version: str, migrations: Mapping[str, str]) -> Version:
    """This checkout as another version, with more migrations by file name."""
    files = place / "files"
    for name in filter(None, _git("ls-files", "-co", "--exclude-standard", "-z").split("\0")):
        if (ROOT / name).is_file():
            (files / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, files / name)
    project = files / "pyproject.toml"
    lines = project.read_text().splitlines(keepends=True)
    project.write_text("".join(f'version = "{version}"\n' if line.startswith("version = ") else line for line in lines))
    for name, text in migrations.items():
        (files / MIGRATIONS / name).write_text(text)
    return _installed(files, place, place / "wheels")


def _previous() -> str:
    tagged = _git("describe", "--tags", "--abbrev=0", "--match=v*")
    asked = os.environ.get("FLEETFOLD_PREVIOUS") or tagged or FIRST_OF_SERIES
    commit = _git("rev-parse", "--verify", f"{asked}^{{commit}}")
    if not commit:
        pytest.skip(f"UPGRADES ARE NOT TESTED: {ROOT} has no revision {asked}; fetch the whole history")
    return commit


def _installed(files: Path, place: Path, wheels: Path) -> Version:
    subprocess.run([sys.executable, "-m", "venv", str(place / "venv")], check=True)
    python = place / "venv" / "bin" / "python"
    [packages] = (place / "venv" / "lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    if not list(wheels.glob("*.whl")):
        words = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(place / "built"), str(files)]
        subprocess.run([*pip, *words], check=True)
        shutil.copytree(place / "built", wheels, dirs_exist_ok=True)
    [wheel] = wheels.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--force-reinstall", str(wheel)], check=True)
    python.with_name("nats-server").symlink_to(Path(sysconfig.get_path("scripts")) / "nats-server")
    return Version(str(python), files / "tests")


def _git(*words: str) -> str:
    found = subprocess.run(["git", *words], cwd=ROOT, check=False, capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else ""
