"""A revision's files and a virtual environment of its own with them installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

__all__ = ["ROOT", "Checkout", "other_revision"]

ROOT = Path(__file__).parents[2]


class Checkout(NamedTuple):
    """One version: its name, its files, and the Python that has it installed (editable, as `make` installs it)."""

    name: str
    root: Path
    python: Path

    @property
    def command(self) -> Path:
        """The installed `fleetfold`."""
        return self.python.with_name("fleetfold")

    def environment(self) -> dict[str, str]:
        """Variables for a process that imports this version's `bench`; compiled code is cached, as it is for users."""
        left_out = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV"}
        return {**{name: value for name, value in os.environ.items() if name not in left_out},
                "PYTHONPATH": f"{self.root}{os.pathsep}{self.root / 'tests'}"}  # fmt: skip

    @classmethod
    def this(cls) -> Checkout:
        """The files beside this one, with what is changed and not committed."""
        return cls(f"{_git('describe', '--always', '--dirty', '--exclude=*')}", ROOT, Path(sys.executable))


@contextmanager
def other_revision(revision: str, place: Path | None = None) -> Iterator[Checkout]:
    """The files of `revision` in a temporary folder, installed with the same dependencies as here, as far as it allows.

    `place` is a folder to keep instead: the environment in it is used again. Raises `ValueError` for an unknown
    revision, `subprocess.CalledProcessError` when it cannot be installed.
    """
    try:
        commit = _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except subprocess.CalledProcessError:
        raise ValueError(f"there is no revision {revision!r} in {ROOT}; `git log` lists them") from None
    with tempfile.TemporaryDirectory(prefix="fleetfold-against-") as passing:
        folder = (place.absolute() / commit[:12]) if place else Path(passing)
        found = Checkout(commit[:7], folder / "files", folder / "venv" / "bin" / "python")
        if not found.root.exists():
            _export(commit, found.root)
        if not found.command.exists():
            _install(found, folder)
        yield found


def _export(commit: str, root: Path) -> None:
    root.mkdir(parents=True)
    files = subprocess.Popen(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", str(root)], stdin=files.stdout, check=True)
    if files.wait():
        raise subprocess.CalledProcessError(files.returncode, files.args)


def _install(found: Checkout, folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    here = folder / "constraints.txt"
    here.write_text("".join(f"{name}=={version}\n" for name, version in sorted(_installed_here().items())))
    pip = [str(found.python), "-m", "pip", "install", "--quiet", "--editable", f"{found.root}[all]"]
    if subprocess.run([*pip, "--constraint", str(here)], check=False).returncode:
        subprocess.run(pip, check=True)  # its bounds exclude a version that is installed here


def _installed_here() -> dict[str, str]:
    return {found.metadata["Name"]: found.version for found in distributions() if found.metadata["Name"] != "fleetfold"}


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
