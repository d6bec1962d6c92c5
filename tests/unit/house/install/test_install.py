"""The first `make` says how far it is: which step, for how long already, and which one failed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pages import ROOT

SCRIPT = ROOT / "tests" / "support" / "install.sh"
PYTHON = """\
#!/bin/sh
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *"--group dev") {installing} ;;
esac
"""
ELAPSED = re.compile(r" \(\d+ s\)$")


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """What a test has started; ended with it."""
    started: dict[str, subprocess.Popen[str]] = {}
    yield started
    for process in started.values():
        process.kill()
        process.wait()


def install(place: Path, installing: str, tell_s: str = "600") -> subprocess.Popen[str]:
    """Start the script with a Python that only does `installing`, and without uv."""
    python = place / "python"
    python.write_text(PYTHON.format(installing=installing))
    python.chmod(0o755)
    env = {"PATH": "/usr/bin:/bin", "INSTALL_TELL_S": tell_s, "UV": "none"}
    return subprocess.Popen(
        [str(SCRIPT), str(python), "venv"], cwd=place, env=env, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_each_step_has_a_line_with_the_time_so_far(tmp_path: Path, begun: dict[str, subprocess.Popen[str]]) -> None:
    pip = "echo '  Downloading lancedb.whl (40 MB)'; echo Installing collected packages: all"
    begun["all"] = install(tmp_path, pip)
    said = begun["all"].communicate()[0].splitlines()
    assert begun["all"].returncode == 0, said
    assert all(ELAPSED.search(line) for line in said)
    assert [ELAPSED.sub("", line) for line in said] == [
        "install: step 1 of 3, make venv",
        "install: step 2 of 3, a pip that is new enough",
        "install: step 3 of 3, fleetfold, its extras and its tools: about a minute",
        "install: Downloading lancedb.whl (40 MB)",
        "install: putting them in place",
        "install: done",
    ]


def test_a_step_that_takes_long_says_that_it_goes_on(tmp_path: Path, begun: dict[str, subprocess.Popen[str]]) -> None:
    os.mkfifo(tmp_path / "go on")
    script = begun["slow"] = install(tmp_path, 'read _ <"go on"', tell_s="0.01")
    assert script.stdout is not None
    for line in script.stdout:
        if "still at step 3 of 3" in line:
            break
    (tmp_path / "go on").write_text("yes\n")
    assert script.communicate()[0].splitlines()[-1].startswith("install: done")


def test_a_step_that_fails_ends_it_with_its_code(tmp_path: Path, begun: dict[str, subprocess.Popen[str]]) -> None:
    begun["all"] = install(tmp_path, "echo no network >&2; exit 7")
    said = begun["all"].communicate()[0].splitlines()
    assert begun["all"].returncode == 7
    assert said[-2] == "no network"
    assert said[-1].startswith("install: step 3 of 3 FAILED")


def test_make_installs_with_it() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "@tests/support/install.sh $(PYTHON) $(VENV)" in makefile
    assert "--quiet --upgrade" not in makefile
