"""The pages show no command that the command line does not know, and how-to pages no action that the demo lacks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from cyclopts import MissingArgumentError

from fleetfold_cli.app import app
from fleetfold_demo import blog, crm, shop
from support.pages import ROOT, blocks, commands, mentions, pages

BUILT_IN = {"index", "delete", "update", "sync"}
PAGES = [page for page in pages() if page.name not in {"cli.md", "CHANGELOG.md"}]
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
_ENDS = re.compile(r"\s(?:\||>|&&|;|2>)\s.*$")
_DEFINED = re.compile(r"^@action\b.*\n(?:@.*\n)*async def (\w+)", re.MULTILINE)


def words_of(command: str) -> list[str]:
    """The words behind `fleetfold`, up to what is the shell's."""
    return shlex.split(_ENDS.sub("", command), comments=True)[1:]


def check(command: str) -> None:
    """Raises what the command line would refuse it with."""
    app.parse_args(words_of(command), exit_on_error=False, print_error=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_can_be_typed(page: Path) -> None:
    for command in commands(page):
        check(command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_sentence_exists_with_its_options(page: Path) -> None:
    for command in mentions(page):
        try:
            check(command)
        except MissingArgumentError:
            continue  # a sentence need not give its arguments


def test_the_commands_of_the_pages_are_found() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 100
    assert sum(len(mentions(page)) for page in PAGES) > 50


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_how_to_pages_run_actions_that_the_demo_or_the_page_has(page: Path) -> None:
    demo = {action.info.name for action in chain(shop.ACTIONS, blog.ACTIONS, crm.ACTIONS)}
    own = {name for block in blocks(page) if block.language == "python" for name in _DEFINED.findall(block.text)}
    for name in actions_run(page):
        assert name in demo | own | BUILT_IN, name


def actions_run(page: Path) -> Iterator[str]:
    """The actions that the page's `fleetfold run` lines name."""
    for command in (*commands(page), *mentions(page)):
        words = words_of(command)
        if words[0] == "run" and "--from" not in words:
            _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
            target, action = bound.arguments.get("target"), bound.arguments.get("action")
            chosen = {"--all", "--where", "--any"}.intersection(words)
            if (name := target if chosen else action) and name.islower():
                yield name
