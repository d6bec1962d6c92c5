"""Each module of the master can be the first that is imported: no import cycle decides which one must come before."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.effort import some

PACKAGE = "fleetfold_master"
FIRST = """
import importlib, sys
for name in sys.argv[1:]:
    for known in [each for each in sys.modules if each.partition(".")[0].startswith("fleetfold")]:
        del sys.modules[known]
    importlib.import_module(name)
"""


def modules() -> list[str]:
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    files = [file for file in sorted(root.rglob("*.py")) if "migrations" not in file.parts]
    return [".".join([PACKAGE, *file.relative_to(root).with_suffix("").parts]) for file in files]


@pytest.mark.dear
@pytest.mark.long
@pytest.mark.timeout(600)  # a process for each module
def test_any_module_can_be_imported_first() -> None:
    names = modules()
    folders = [name.removesuffix(".__init__") for name in names if name.endswith(".__init__")]
    others = some([name for name in names if not name.endswith(".__init__")], 5, 1)
    subprocess.run([sys.executable, "-c", FIRST, *folders, *others], check=True)
