"""Conversion of HTML to plain text with libxml2's tokenizer, in time linear in the text."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from fleetfold_child.connectors.markup.elements import BLOCKS, DROPPED, KNOWN

__all__ = ["html_text"]

MOST_DEPTH = 1000
"""Deepest nesting of elements: an unmatched end tag costs as much as there are open elements."""

_PIECE_CHARS = 65_536
_TAG_NAME = re.compile(r"<(?=/?([A-Za-z][^\s/<>]*))")
_END_NAME = re.compile(r"</([A-Za-z][^\s/<>]*)")
_ANY_TAG = re.compile(r"<[A-Za-z/!?][^<>]*>")
_LAID_OUT = re.compile(r"(\x02[^\x03]*\x03?)")
_BLANKS = re.compile(r"[ \t\r\f\v\n\xa0]+")
_BREAKS = re.compile(r" ?\x01[ \x01]*")
_MARKS = str.maketrans({"\x01": "\n", "\x02": "", "\x03": "", "\xa0": " ", "\xad": ""})
_UNMARKED = str.maketrans("\x00\x01\x02\x03", "    ")


def html_text(text: str) -> str:
    """Return the readable text of HTML: without tags, attributes, scripts, styles and comments.

    Block elements begin a new line, inline ones do not. Images leave their `alt`. A name in angle brackets that is no
    HTML element, as in `List<String>`, is text.
    """
    source = _escaped(text.translate(_UNMARKED))
    target = _Target()
    parser = _parser(target)
    try:
        with suppress(_no_element()):
            for start in range(0, len(source), _PIECE_CHARS):
                parser.feed(source[start : start + _PIECE_CHARS])
            parser.close()
    except _TooDeep:
        return _laid_out(html.unescape(_ANY_TAG.sub("\x01", source)))
    return _laid_out("".join(target.parts))


class _TooDeep(Exception):
    """Elements are nested deeper than `MOST_DEPTH`."""


class _Target:
    """Collects text from parse events. `\\x01` is a line break; `\\x02` and `\\x03` surround preformatted text."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._depth = 0
        self._dropped = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise _TooDeep
        if tag in DROPPED:
            self._dropped += 1
        elif tag == "img" and (shown := attributes.get("alt", "").strip()):
            self.data(f" {shown} ")
        self._boundary(tag, "\x02")

    def end(self, tag: str) -> None:
        self._depth -= 1
        if tag in DROPPED:
            self._dropped = max(0, self._dropped - 1)
        self._boundary(tag, "\x03")

    def data(self, text: str) -> None:
        if not self._dropped:
            self.parts.append(text.translate(_UNMARKED))

    def comment(self, _text: str) -> None:
        """Ignore a comment."""

    def pi(self, *_instruction: Any) -> None:
        """Ignore a processing instruction."""

    def close(self) -> None:
        """Do nothing at the end."""

    def _boundary(self, tag: str, preformatted: str) -> None:
        if self._dropped:
            return
        if tag in BLOCKS:
            self.parts.append("\x01" if tag not in {"td", "th"} else " ")
        if tag in {"pre", "textarea", "xmp"}:
            self.parts.append(preformatted)


def _escaped(text: str) -> str:
    """Escape the angle bracket before a name that is no element and has no end tag."""
    names = KNOWN | {found.lower() for found in _END_NAME.findall(text)}
    return _TAG_NAME.sub(lambda match: "<" if match[1].lower() in names else "&lt;", text)


def _laid_out(marked: str) -> str:
    """Collapse white space to one blank and breaks to one line break; keep preformatted parts."""
    pieces = (piece if piece[:1] == "\x02" else _flowing(piece) for piece in _LAID_OUT.split(marked))
    lines = "".join(pieces).translate(_MARKS).split("\n")
    return "\n".join(line.rstrip() for line in lines if line.strip()).strip()


def _flowing(piece: str) -> str:
    return _BREAKS.sub("\x01", _BLANKS.sub(" ", piece))


def _parser(target: _Target) -> Any:
    from lxml import etree  # it is a part of the child's extra

    return etree.HTMLParser(target=target, huge_tree=True, recover=True)


@cache
def _no_element() -> type[Exception]:
    from lxml import etree

    error: type[Exception] = etree.XMLSyntaxError
    return error
