"""The table of what each extra brings."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from fleetfold.extras import EXTRAS, missing_extra

ROOT = Path(__file__).parents[3]


def test_the_table_of_extras_is_that_of_the_package() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    packages = packages_distributions()
    for module, extras in EXTRAS.items():
        for extra in extras:
            assert {_plain(name) for name in packages[module]} & {_plain(each) for each in declared[extra]}, module


def _plain(requirement: str) -> str:
    """The name of a package, as PyPI compares them."""
    return re.split(r"[\[><=!~ ]", requirement)[0].lower().replace("_", "-")


def test_a_module_that_no_extra_brings_is_not_explained() -> None:
    assert missing_extra(ModuleNotFoundError("pandas", name="pandas"), "fleetfold child") is None
