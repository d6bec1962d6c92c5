"""Tokens of an expression, with their columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.query.where.terms import KEYWORDS, WORD

__all__ = ["Token", "malformed", "tokens"]

_SIGN = re.compile(r"==|!=|!~|<=|>=|[=<>~(),:]")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'', re.DOTALL)
_SHOWN = 40


class Token(NamedTuple):
    """A token. The `text` of a `quoted` value is without its quotes, that of a `keyword` in lower case."""

    kind: Literal["word", "quoted", "keyword", "sign", "end"]
    text: str
    column: int

    def shown(self) -> str:
        """Return the token's text for an error message."""
        if self.kind == "end":
            return "the end"
        return repr(self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}…")


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of `text`, and `end` last. Raises `InvalidInput` with the column of an invalid character."""
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        token, place = _token(text, place)
        yield token
    yield Token("end", "", len(text) + 1)


def malformed(column: int, why: str) -> InvalidInput:
    """Return the error for an invalid expression."""
    return InvalidInput(f"where: column {column}: {why}", field="where")


def _token(text: str, place: int) -> tuple[Token, int]:
    column = place + 1
    if found := _SIGN.match(text, place):
        return Token("sign", "=" if found[0] == "==" else found[0], column), found.end()
    if found := WORD.match(text, place):
        keyword = found[0].lower() in KEYWORDS
        return Token("keyword" if keyword else "word", found[0].lower() if keyword else found[0], column), found.end()
    if found := _QUOTED.match(text, place):
        inner = found[1] if found[1] is not None else found[2]
        return Token("quoted", re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL), column), found.end()
    if text[place] in "\"'":
        raise malformed(column, f"the quote {text[place]} is not closed")
    raise malformed(column, f"{text[place]!r} has no meaning here; put a value with such characters in quotes")
