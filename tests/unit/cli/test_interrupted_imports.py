"""Ctrl-C before a command or a program has begun: an exit code, and no traceback."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

EARLY = """
import sys
before = set(sys.modules)
sys.path.extend(sys.argv[1:])
import fleetfold_cli
print(*sorted(set(sys.modules) - before))
"""
INTERRUPTED = """
import os, signal, sys
class Interruption:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interruption())
"""
COMMAND = INTERRUPTED + "from fleetfold_cli import main; main(['version'])"
PROGRAM = INTERRUPTED + "from fleetfold import Child"
HANDLING = INTERRUPTED + "signal.signal(signal.SIGINT, lambda *_: print('theirs')); from fleetfold import Child"


def test_nothing_slow_is_imported_before_ctrl_c_is_taken() -> None:
    folders = [each for each in sys.path if each.endswith(("/client", "/shared"))]
    ran = subprocess.run([sys.executable, "-S", "-c", EARLY, *folders], capture_output=True, text=True, check=True)
    ours = {"fleetfold", "fleetfold.early_exit", "fleetfold_cli", "fleetfold_cli.entry"}
    of_the_interpreter = {
        "__future__",
        "os",
        "os.path",
        "posixpath",
        "genericpath",
        "stat",
        "_stat",
        "_collections_abc",
    }
    assert set(ran.stdout.split()) <= ours | of_the_interpreter


@pytest.mark.parametrize(
    ("program", "module"),
    [(COMMAND, "fleetfold_cli.app"), (COMMAND, "cyclopts"), (PROGRAM, "fleetfold.child"), (PROGRAM, "asyncio")],
)
def test_ctrl_c_during_an_import_is_a_quiet_130(program: str, module: str) -> None:
    assert run(program, module) == (130, "", "")


def test_a_program_that_handles_ctrl_c_itself_goes_on_doing_so() -> None:
    assert run(HANDLING, "fleetfold.child") == (0, "theirs\n", "")


def run(program: str, module: str) -> tuple[int, str, str]:
    """Its exit code, stdout and stderr when Ctrl-C comes as it imports `module`."""
    words = [sys.executable, "-c", program, module]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, preexec_fn=default_interrupts)
    return ran.returncode, ran.stdout, ran.stderr


def default_interrupts() -> None:
    """Undo what a shell does to its background jobs, which ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
