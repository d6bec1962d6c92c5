"""Parser of expressions, by recursive descent.

| rule | is |
| --- | --- |
| either | both { `or` both } |
| both | single { `and` single } |
| single | `not` single, or `(` either `)`, or a test |
| test | key sign value, or key [`not`] `in` `(` value { `,` value } `)`, or a label, or `has` `(` holding `)` |
| holding | `actions`, `action:` value, `collections`, `collection:` value, or `answers` |
| key | an attribute, a label, or `label:` value |
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast, get_args

from fleetfold_shared.messages.nodes import NodeState
from fleetfold_shared.query.where.terms import (
    ATTRIBUTES,
    HOLDINGS,
    NUMBERS,
    And,
    Attribute,
    Comparison,
    Has,
    Holding,
    Label,
    Not,
    Operator,
    Or,
    Term,
)
from fleetfold_shared.query.where.tokens import Token, malformed, tokens
from fleetfold_shared.query.where.version_order import version_of

__all__ = ["MAX_CHARS", "MAX_DEPTH", "parse"]

MAX_CHARS = 2000
MAX_DEPTH = 20
_SIGNS = frozenset({"=", "!=", "<", "<=", ">", ">=", "~", "!~"})
_ORDER = frozenset({"<", "<=", ">", ">="})
_CHOICES = {"status": ("healthy", "unhealthy"), "state": get_args(NodeState)}
_NAMED = frozenset({"action", "collection"})


def parse(text: str) -> Term:
    """Parse an expression. Raises `InvalidInput` for `where` with the column and what was expected there."""
    if len(text) > MAX_CHARS:
        raise malformed(MAX_CHARS + 1, f"the expression has more than {MAX_CHARS} characters")
    return _Parser(text).whole()


class _Parser:
    """Parser that reads from the left; `_here` is the current token."""

    def __init__(self, text: str) -> None:
        self._tokens = list(tokens(text))
        self._at = 0

    def whole(self) -> Term:
        """Parse the whole text."""
        term = self._either(0)
        if self._here.kind != "end":
            raise self._expected("`and`, `or` or the end")
        return term

    @property
    def _here(self) -> Token:
        return self._tokens[self._at]

    def _either(self, depth: int) -> Term:
        return self._joined("or", Or, lambda: self._joined("and", And, lambda: self._single(depth)))

    def _joined(self, word: str, kind: type[And | Or], read: Callable[[], Term]) -> Term:
        terms = [read()]
        while self._took("keyword", word):
            terms.append(read())
        return terms[0] if len(terms) == 1 else kind(tuple(terms))

    def _single(self, depth: int) -> Term:
        if depth > MAX_DEPTH:
            raise malformed(self._here.column, f"nested more than {MAX_DEPTH} deep")
        if self._took("keyword", "not"):
            return Not(self._single(depth + 1))
        if self._took("sign", "("):
            term = self._either(depth + 1)
            self._need(")")
            return term
        return self._test()

    def _test(self) -> Term:
        key = self._key()
        if isinstance(key, Has):
            return key
        if self._here.kind == "sign" and self._here.text in _SIGNS:
            sign = cast("Operator", self._take().text)
            return Comparison(key, sign, (self._value(key, sign),))
        negated = self._took("keyword", "not")
        if self._took("keyword", "in"):
            operator: Operator = "not in" if negated else "in"
            return Comparison(key, operator, self._list(key, operator))
        if negated:
            raise self._expected("`in`")
        if isinstance(key, Label):
            return Has(key)
        raise self._expected(f"a comparison behind `{key}`, such as `=`")

    def _key(self) -> Attribute | Label | Has:
        """Parse an attribute or a label; `has(...)` is already a complete test."""
        token = self._take("a label, `name`, `status`, `has(...)`, `not` or `(`", {"word", "quoted"})
        if token.kind == "quoted":
            return Label(token.text)
        if token.text == "has" and self._took("sign", "("):
            return self._has()
        if token.text == "label" and self._took("sign", ":"):
            return Label(self._text("the label's name"))
        return cast("Attribute", token.text) if token.text in ATTRIBUTES else Label(token.text)

    def _has(self) -> Has:
        token = self._take("actions, action:NAME, collections, collection:NAME or answers", {"word"})
        if token.text not in HOLDINGS:
            known = "actions, action:NAME, collections, collection:NAME and answers"
            raise malformed(token.column, f"{token.shown()} is nothing that `has` knows; it knows {known}")
        name = None
        if token.text in _NAMED:
            self._need(":")
            name = self._text(f"the {token.text}'s name")
        self._need(")")
        return Has(cast("Holding", token.text), name)

    def _list(self, key: Attribute | Label, operator: Operator) -> tuple[str, ...]:
        self._need("(")
        values = [self._value(key, operator)]
        while self._took("sign", ","):
            values.append(self._value(key, operator))
        self._need(")")
        return tuple(values)

    def _value(self, key: Attribute | Label, operator: Operator) -> str:
        column = self._here.column
        value = self._text(f"a value behind `{operator}`")
        if problem := _unfit(key, operator, value):
            raise malformed(column, problem)
        return value

    def _text(self, what: str) -> str:
        return self._take(what, {"word", "quoted"}).text

    def _take(self, what: str = "", kinds: frozenset[str] | set[str] = frozenset()) -> Token:
        token = self._here
        if kinds and token.kind not in kinds:
            raise self._expected(what)
        self._at += 1
        return token

    def _took(self, kind: str, text: str) -> bool:
        found = self._here.kind == kind and self._here.text == text
        self._at += found
        return found

    def _need(self, sign: str) -> None:
        if not self._took("sign", sign):
            raise self._expected(f"`{sign}`")

    def _expected(self, what: str) -> Exception:
        return malformed(self._here.column, f"expected {what}, found {self._here.shown()}")


def _unfit(key: Attribute | Label, operator: Operator, value: str) -> str | None:
    """Explain why the attribute cannot be compared in this way; `None` if it can."""
    if isinstance(key, Label) or key in {"name", "type"}:
        what = f"the label `{key.name}`" if isinstance(key, Label) else f"`{key}`"
        return f"`{operator}` orders versions and numbers, and {what} is a text" if operator in _ORDER else None
    if operator in {"~", "!~"}:
        return None if key == "version" else f"`{operator}` is for texts, and `{key}` is none"
    if key == "version":
        return None if version_of(value) else f"{value!r} is no version, such as 1.2.3"
    if key in NUMBERS:
        return None if _finite(value) else f"`{key}` is compared with a number, not {value!r}"
    if operator in _ORDER:
        return f"`{operator}` orders versions and numbers, and `{key}` is a word"
    return None if value in _CHOICES[key] else f"`{key}` is one of {', '.join(_CHOICES[key])}, not {value!r}"


def _finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
