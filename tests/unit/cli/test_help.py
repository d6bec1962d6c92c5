"""Help in one form: an example for each command, units as the option's value, defaults in brackets."""

from __future__ import annotations

import re
import shlex

import pytest
from cyclopts import App, Argument

from fleetfold_cli.app import app
from fleetfold_cli.examples import EXAMPLES, commands
from support.commandline import run_command

COMMANDS = commands(app)
UNITS = {"SECONDS", "DAYS", "DURATION"}
DEFAULT_IN_WORDS = re.compile(r"; `?[\w./:]+`?( in (the|its) \w+ directory)?\.$")
HIDDEN = {False, ""}


def options(command: App) -> dict[str, Argument]:
    """The options that a command's help shows, by name."""
    found = command.assemble_argument_collection(parse_docstring=False)
    return {one.names[0]: one for one in found if one.parameter.help and one.names and one.parameter.show is not False}


def test_every_command_has_an_example_and_no_other() -> None:
    assert EXAMPLES.keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_can_be_typed_and_is_of_this_command(name: str) -> None:
    program, *words = shlex.split(EXAMPLES[name])
    assert program == "fleetfold"
    call, _, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert call is COMMANDS[name].default_command


@pytest.mark.parametrize("name", EXAMPLES)
def test_help_ends_what_it_says_with_the_example(name: str) -> None:
    assert COMMANDS[name].help.endswith(f"\n\nExample: `{EXAMPLES[name]}`")


def test_help_shows_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("search", "--help").code == 0
    assert 'Example: fleetfold search "a dry tent" --node shop --limit 5' in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_units_and_defaults_have_one_form(name: str) -> None:
    for option, argument in options(COMMANDS[name]).items():
        about, unit = argument.parameter.help or "", argument.parameter.metavar
        default = argument.field_info.default
        assert not re.search(r"\b[Ss]econds\b", about), f"{option}: say `Seconds(...)`, the unit is the value's name"
        assert ("such as 90s, 15m, 1h or 7d" in about) == (unit == "DURATION"), f"{option}: say `Duration(...)`"
        assert not re.search(r"; `?[\w./:]+`?( in (the|its) \w+ directory)?\.$", about), (
            f"{option}: say `show_default=`"
        )
        assert argument.show_default or default in HIDDEN or not isinstance(default, int | float | str), option
        assert unit is None or unit in UNITS, option


def test_a_default_has_its_unit() -> None:
    timeout, days = options(COMMANDS["search"])["--timeout"], options(COMMANDS["certs"])["--days"]
    assert [one.show_default(one.field_info.default) for one in (timeout, days)] == ["2 s", "825 days"]
