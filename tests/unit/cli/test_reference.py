"""The reference pages in docs/ say what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetfold_cli.app import app
from fleetfold_cli.examples import CALLS, commands
from fleetfold_cli.reference import pages
from fleetfold_shared.verbs import VERBS

FOLDER = Path(__file__).parents[3] / "docs" / "reference"


def test_every_page_is_up_to_date() -> None:
    for name, text in pages().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, "write it again, as fleetfold_cli.reference says"


def test_every_verb_that_a_command_calls_is_in_the_table() -> None:
    assert {verb for calls in CALLS.values() for verb in calls.split()} <= VERBS.keys()
    assert CALLS.keys() <= commands(app).keys()


def test_every_verb_is_called_by_a_command_but_the_one_of_nodes() -> None:
    called = {verb for calls in CALLS.values() for verb in calls.split()}
    assert VERBS.keys() - called == {"nodes.join", "commands.confirm"}


@pytest.mark.parametrize("name", CALLS)
def test_a_commands_reference_says_what_it_calls_and_who_may(name: str) -> None:
    part = (FOLDER / "cli.md").read_text(encoding="utf-8").partition(f"# fleetfold {name}\n")[2].partition("\n## ")[0]
    part = part.partition("\n### ")[0]
    for verb in CALLS[name].split():
        roles = (f"{role} (own)" if reach == "own" else role for role, reach in VERBS[verb].roles.items())
        line = next(line for line in part.splitlines() if line.startswith(f"* `{verb}`: "))
        assert sorted(line.partition(": ")[2].split(", ")) == sorted(set(roles) - {"master", "child (own)"})
