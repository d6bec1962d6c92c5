"""How a command ends that does not get to its work."""

from __future__ import annotations

from io import StringIO

import pytest

from fleetfold_cli.app import app, main
from fleetfold_cli.command_context import Terminal
from fleetfold_cli.examples import commands
from fleetfold_shared import __version__
from fleetfold_shared.errors import Unavailable
from support.commandline import FakeFleet, Result, run_command, searched


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serch"], 'unknown command "serch". Did you mean "search"? Try `fleetfold --help`'),
        (["search"], "QUERY is missing; try `fleetfold search --help`"),
        (["search", "a", "b"], "'b' is one word too many; put quotes around words that belong together; try"),
        (["search", "a", "--limt", "3"], "unknown option: --limt. Did you mean --limit? Try `fleetfold search --help`"),
        (["search", "a", "--limit", "x"], 'invalid value for --limit: unable to convert "x" into int; try'),
        (["search", "a", "--limit"], "--limit needs a value; try `fleetfold search --help`"),
        (["--json", "search", "a"], "--json: options stand behind the command they are for; try `fleetfold --help`"),
        (["nodes", "lst"], 'unknown command "lst". Did you mean "list"? Try `fleetfold nodes --help`'),
        (["tx", "show"], "ID is missing; try `fleetfold tx show --help`"),
    ],
)
def test_a_wrong_command_line_is_one_line_with_a_hint(words: list[str], said: str) -> None:
    result = run_command(*words)
    assert result.code == 2
    assert result.err.startswith(f"fleetfold: {said}")
    assert result.err.count("\n") == 1


def test_a_wrong_command_line_is_json_when_json_is_asked_for() -> None:
    result = run_command("search", "--json")
    assert result.json["error"]["code"] == "usage"
    assert run_command("search").out == ""


def test_behind_two_hyphens_json_is_a_word_like_any_other() -> None:
    refused = FakeFleet(error=Unavailable("no broker"))
    assert run_command("search", "--", "--json", fleet=refused).out == ""


def test_a_query_may_look_like_an_option_or_be_empty() -> None:
    fleet = FakeFleet(answer=searched())
    run_command("search", "--", "--limit", fleet=fleet)
    run_command("search", "", fleet=fleet)
    assert [asked["query"] for _, asked in fleet.asked] == ["--limit", ""]


def test_an_argument_of_bytes_that_are_no_utf_8_is_refused_by_its_place() -> None:
    bad = b"\xff\xfe".decode("utf-8", "surrogateescape")
    result = run_command("search", "a", "--node", bad)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("fleetfold: argument 4: it is not valid Unicode")


def test_interruption_is_quiet() -> None:
    assert run_command("nodes", "list", fleet=FakeFleet(error=KeyboardInterrupt())) == Result(130, "", "")


def test_a_reader_that_has_gone_is_no_error() -> None:
    class Gone(StringIO):
        def writelines(self, _: object) -> None:
            raise BrokenPipeError

    err = StringIO()
    assert main(["version"], Terminal(Gone(), err, StringIO())) == 141
    assert err.getvalue() == ""


def test_a_file_system_that_refuses_is_one_line() -> None:
    result = run_command("nodes", "list", fleet=FakeFleet(error=PermissionError(13, "Permission denied", "/data")))
    assert (result.code, result.err) == (1, "fleetfold: /data: Permission denied\n")


def test_the_version_is_told_both_ways() -> None:
    assert run_command("version").out == f"{__version__}\n"
    assert run_command("version", "--json").json == {"version": __version__}


@pytest.mark.parametrize("words", ["", *commands(app)])
def test_every_command_has_the_version_of_the_program(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(*words.split(), "--version").code == 0
    assert capsys.readouterr().out == f"{__version__}\n"
