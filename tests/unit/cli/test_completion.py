"""`fleetfold --install-completion`: what it writes is heard by a real bash."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from cyclopts import App

from fleetfold_cli.app import app
from fleetfold_cli.commands.completion import Shell
from support.commandline import run_command

COMPLETE = """\
. "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
spec=$(complete -p fleetfold); function=${spec#*-F }
"${function%% *}" fleetfold "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@cache
def _made(shell: Shell, make: Callable[..., str] = App.generate_completion) -> str:
    return make(app, shell=shell)


@pytest.fixture(autouse=True)
def _made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script takes a second to make, and is the same each time."""
    monkeypatch.setattr(App, "generate_completion", lambda self, *, shell: _made(shell))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    for name in ("BASH_VERSION", "ZSH_VERSION", "FISH_VERSION", "SHELL", "ZSH", "ZSH_CUSTOM", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def completed(script: Path, *words: str) -> list[str]:
    """What bash offers for the last of `words`."""
    said = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE, "bash", str(script), *words], capture_output=True, text=True, check=True
    )
    assert not said.stderr
    return [word.strip() for word in said.stdout.split()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["fleetfold", "sea"], ["search"]),
        (["fleetfold", "--inst"], ["--install-completion"]),
        (["fleetfold", "nodes", "in"], ["invite"]),
        (["fleetfold", "search", "--thr"], ["--threshold"]),
        (["fleetfold", "search", "--dedup", ""], ["exact", "near", "off"]),
    ],
    ids=" ".join,
)
def test_bash_completes(words: list[str], offered: list[str], home: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    said = run_command("--install-completion", "--shell", "bash", "--json").json
    assert sorted(completed(Path(said["file"]), *words)) == offered


def test_it_is_installed_for_the_shell_once(home: Path) -> None:
    for _ in range(2):
        assert run_command("--install-completion", "--shell", "bash").code == 0
    assert (home / ".bashrc").read_text().count("fleetfold completion") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_written_where_one_says_and_no_start_up_file_changed(shell: Shell, home: Path) -> None:
    said = run_command("--install-completion", "--shell", shell, "--output", str(home / "script"))
    assert (said.code, said.out) == (0, f"written to {home / 'script'}\n")
    text = (home / "script").read_text()
    assert all(word in text for word in ("search", "invite", "--threshold"))
    assert {path.name for path in home.iterdir()} == {"script"}


def test_a_shell_that_cannot_be_told_is_asked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # so there is no `ps` either
    said = run_command("--install-completion")
    assert (said.code, said.err) == (
        2, "fleetfold: shell: cannot tell which one this is; add --shell bash, zsh or fish\n",
    )  # fmt: skip
