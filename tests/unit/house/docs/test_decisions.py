"""The log of decisions: one form for each page, numbered without gaps, and all of them in the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.page_names import named, sources
from support.pages import ROOT

DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted(DECISIONS.glob("[0-9]*.md"))
SECTIONS = ["Context", "Decision", "Consequences", "Alternatives and measurements"]
_TITLE = re.compile(r"# (\d{4})\. (.+)\n\n- Status: (?:accepted|replaced by).*\n", re.MULTILINE)
_DATE = re.compile(r"^- Date: (\d{4}-\d\d-\d\d)", re.MULTILINE)
_CODE = re.compile(r"^- Code: `", re.MULTILINE)
_REFERRED = re.compile(r"docs/decisions/(\d{4})")
_ROW = re.compile(r"^\| (\d{4}) \| \[(.+)\]\((.+)\) \| (\S+) \|$", re.MULTILINE)


def title(page: Path) -> tuple[str, str]:
    """Number and title of a page whose head has the form."""
    found = _TITLE.match(page.read_text(encoding="utf-8"))
    assert found is not None, "the page begins with `# NNNN. Title`, an empty line and `- Status: accepted`"
    return found[1], found[2]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_decision_has_the_same_form(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert page.name.startswith(f"{title(page)[0]}-")
    assert _DATE.search(text)
    assert _CODE.search(text)
    assert named(page), "the page names the code that the decision is about"
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS


def test_the_decisions_are_numbered_without_gaps() -> None:
    assert [int(title(page)[0]) for page in PAGES] == list(range(1, len(PAGES) + 1))


def test_the_index_lists_every_decision_with_its_title_and_date() -> None:
    rows = _ROW.findall((DECISIONS / "README.md").read_text(encoding="utf-8"))
    dates = [_DATE.findall(page.read_text(encoding="utf-8"))[0] for page in PAGES]
    assert rows == [(*title(page), page.name, date) for page, date in zip(PAGES, dates, strict=True)]


def test_every_decision_that_the_code_refers_to_exists() -> None:
    numbers = {title(page)[0] for page in PAGES}
    referred = {number for file in sources() for number in _REFERRED.findall(file.read_text(encoding="utf-8"))}
    assert referred
    assert referred <= numbers
