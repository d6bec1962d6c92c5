"""The pages for people: the generated ones are up to date, links lead somewhere, and code is code."""

from __future__ import annotations

import ast
import importlib.util
import json
import tomllib
from functools import cache
from pathlib import Path

import pytest

from support.pages import ROOT, anchors, blocks, links, pages

REFERENCE = ROOT / "docs" / "reference"
READERS = {"python": ast.parse, "toml": tomllib.loads, "json": json.loads}


@cache
def _made() -> dict[str, str]:
    """The pages by their names, made anew."""
    spec = importlib.util.spec_from_file_location("docs_reference_make", REFERENCE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: dict[str, str] = module.pages()
    return made


def test_every_reference_page_is_made_from_the_code() -> None:
    assert {page.name for page in REFERENCE.glob("*.md")} == set(_made())


@pytest.mark.parametrize("page", ["bus.md", "access.md"])
def test_the_pages_of_the_bus_and_of_access_are_up_to_date(page: str) -> None:
    assert (REFERENCE / page).read_text(encoding="utf-8") == _made()[page], "run `make docs`"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_code_can_be_read(page: Path) -> None:
    for block in blocks(page):
        if block.language in READERS:
            READERS[block.language](block.text)
