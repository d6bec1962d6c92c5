"""The next page: a person is told the command, a script reads the cursor."""

from __future__ import annotations

import shlex
from io import StringIO

import pytest
from msgspec.structs import replace

from fleetfold_cli.app import main
from fleetfold_cli.command_context import Terminal
from fleetfold_cli.next_page import next_page
from support.commandline import FakeFleet, logging_as_it_was, run_command, searched


class Screen(StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def advice(*words: str, cursor: str | None = "1next") -> str:
    """What `fleetfold *words` says on a terminal's stderr."""
    fleet, err = FakeFleet(answer=replace(searched(), cursor=cursor)), Screen()
    terminal = Terminal(StringIO(), err, StringIO(), fleet.connect)  # type: ignore[arg-type]
    with logging_as_it_was():
        assert main(words, terminal) == 0
    return err.getvalue()


def test_a_person_is_told_the_command_for_the_next_page() -> None:
    said = advice("search", "a tent", "--limit", "20", "--node", "shop")
    assert said == "next page: fleetfold search --cursor=1next 'a tent' --limit 20 --node shop\n"


def test_the_command_for_the_next_page_asks_for_it() -> None:
    line = advice("search", "--cursor", "1last", "--filter", '{"field": "price", "value": 9}', "--", "--cursor")
    _, _, *words = shlex.split(line.partition(":")[2].replace("fleetfold", "fleetfold ", 1))
    fleet = FakeFleet(answer=searched())
    run_command("search", *words, fleet=fleet)
    asked = fleet.asked[0][1]
    assert (asked["query"], asked["cursor"], asked["filter"].value) == ("--cursor", "1next", 9)


@pytest.mark.parametrize(("words", "cursor"), [(("search", "tent"), None), (("search", "tent", "--json"), "1next")])
def test_nothing_is_said_after_the_last_page_or_to_a_script(words: tuple[str, ...], cursor: str | None) -> None:
    assert advice(*words, cursor=cursor) == ""


def test_a_pipe_is_told_nothing() -> None:
    result = run_command("search", "tent", fleet=FakeFleet(answer=replace(searched(), cursor="1next")))
    assert result.err == ""


def test_a_script_reads_the_cursor() -> None:
    result = run_command("search", "tent", "--json", fleet=FakeFleet(answer=replace(searched(), cursor="1next")))
    assert result.json["cursor"] == "1next"


@pytest.mark.parametrize(
    "words",
    [
        ["search", "tent", "--cursor", "1a"],
        ["search", "--cursor=1a", "tent"],
        ["search", "--cursor=1a", "--cursor=1b", "tent"],
    ],
)
def test_the_page_that_was_shown_gives_way_to_the_next(words: list[str]) -> None:
    assert next_page(words, "1n") == "fleetfold search --cursor=1n tent"
