"""The pages for people as tests read them: their links, their blocks of code, and what a console block shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "ROOT", "Block", "Shown", "anchors", "blocks", "commands", "links", "mentions", "pages", "shape", "without_blocks",
]  # fmt: skip

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$|^<!-- (?P<lone>[^\n]+) -->$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"\]\((?!\w+:)([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^(?: {4})?|\$\()(?:[A-Z_]+=\S+ )*(fleetfold [^\n)]*)", re.MULTILINE)
_MENTION = re.compile(r"`(fleetfold [^`\n]+)`")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_VARYING = (
    (re.compile(r"^.*sent again.*\n", re.MULTILINE), ""),  # a slow machine only
    (re.compile(r"data in \S+"), "data in DIRECTORY"),
    (re.compile(r"\bff[jrkp]_([a-z0-9-]+)\.\w+\.[\w-]{43}"), r"TOKEN of \1"),
    (re.compile(r"\b[0-9a-hjkmnp-tv-z]{26}\b"), "ID"),
    (re.compile(r"127\.0\.0\.1:\d+"), "BROKER"),
    (re.compile(r"\d\d:\d\d:\d\d\.\d+"), "CLOCK"),
    (re.compile(r"\d[\d.,]* (ms|s)\b"), "TIME"),
    (re.compile(r"─+"), ""),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A command of a console block, and what the page says it prints."""

    command: str
    output: str


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, with the `<!-- verb: name -->` before it; or such a mark alone."""

    verb: str
    name: str
    language: str
    text: str

    def shown(self) -> list[Shown]:
        """What a console block types after each `$ `, and what comes of it."""
        return [Shown(*part.partition("\n")[::2]) for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]]


def pages() -> list[Path]:
    """All pages for people."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """The blocks and marks of a page, in order."""
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        verb, _, name = (found["mark"] or found["lone"] or "").partition(": ")
        yield Block(verb, name, found["language"] or "", found["text"] or "")


def commands(page: Path) -> list[str]:
    """The command lines of `fleetfold` in the page's blocks, fenced or indented, as one would type them."""
    text = page.read_text(encoding="utf-8")
    typed = [shown.command for block in blocks(page) if block.language == "console" for shown in block.shown()]
    fenced = [block.text for block in blocks(page) if block.language == "sh"]
    indented = re.findall(r"^ {4}\S.*$", _BLOCK.sub("", text), re.MULTILINE)
    return [line.strip() for part in (*typed, *fenced, *indented) for line in _COMMAND.findall(part)]


def without_blocks(page: Path) -> str:
    """The page's text without its fenced blocks."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def mentions(page: Path) -> list[str]:
    """The commands that the page names within its sentences; they may be incomplete."""
    return _MENTION.findall(without_blocks(page))


def links(page: Path) -> list[str]:
    """Where a page's relative links lead, outside of its blocks of code."""
    return _LINK.findall(without_blocks(page))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = without_blocks(page)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


def shape(text: str) -> str:
    """`text` without what differs from run to run: times, ids, ports, widths."""
    for pattern, instead in _VARYING:
        text = pattern.sub(instead, text)
    return " ".join(text.split())
