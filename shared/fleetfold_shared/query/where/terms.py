"""Terms of expressions, and their text: `parse(text_of(term)) == term`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

__all__ = [
    "ATTRIBUTES",
    "HOLDINGS",
    "KEYWORDS",
    "NUMBERS",
    "WORD",
    "And",
    "Attribute",
    "Comparison",
    "Has",
    "Holding",
    "Label",
    "Not",
    "Operator",
    "Or",
    "Term",
    "labels_in",
    "text_of",
]  # fmt: skip

Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">=", "~", "!~", "in", "not in"]
"""Comparison operators; `~` compares with a pattern in which `*` is any run of characters."""
Attribute: TypeAlias = Literal["name", "type", "state", "status", "version", "weight", "documents", "in_flight"]
Holding: TypeAlias = Literal["actions", "action", "collections", "collection", "answers"]

ATTRIBUTES: frozenset[str] = frozenset(get_args(Attribute))
NUMBERS: frozenset[str] = frozenset({"weight", "documents", "in_flight"})
HOLDINGS: frozenset[str] = frozenset(get_args(Holding))
KEYWORDS = frozenset({"and", "or", "not", "in"})
WORD = re.compile(r"[A-Za-z0-9_.*/@+-]+")
"""Text that needs no quotes."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label, used as the key of a comparison."""

    name: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of an attribute or a label with a value; `in` and `not in` have several, the others one.

    A missing label is unequal to every value and in no list.
    """

    key: Attribute | Label
    operator: Operator
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Has:
    """Test for the presence of something on the node: `has(actions)`, `has(action:NAME)`, or a label alone."""

    what: Holding | Label
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """Negation of a term."""

    term: Term


@dataclass(frozen=True, slots=True)
class And:
    """Conjunction of two or more terms."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Disjunction of two or more terms."""

    terms: tuple[Term, ...]


Term: TypeAlias = Comparison | Has | Not | And | Or


def text_of(term: Term) -> str:
    """Return the text of a term."""
    match term:
        case And(terms):
            return " and ".join(map(_inner, terms))
        case Or(terms):
            return " or ".join(map(_inner, terms))
        case Not(inner):
            return f"not {_inner(inner)}"
        case Has(Label() as label):
            return _key(label)
        case Has(what, name):
            return f"has({what}{'' if name is None else f':{_quoted(name)}'})"
        case Comparison(key, operator, values):
            if operator in {"in", "not in"}:
                return f"{_key(key)} {operator} ({', '.join(map(_quoted, values))})"
            return f"{_key(key)}{operator}{_quoted(values[0])}"


def labels_in(term: Term) -> Iterator[str]:
    """Yield the labels in a term, with repetitions."""
    match term:
        case And(terms) | Or(terms):
            for inner in terms:
                yield from labels_in(inner)
        case Not(inner):
            yield from labels_in(inner)
        case Has(Label(name)) | Comparison(Label(name)):
            yield name
        case _:
            pass


def _inner(term: Term) -> str:
    return f"({text_of(term)})" if isinstance(term, And | Or) else text_of(term)


def _key(key: Attribute | Label) -> str:
    if not isinstance(key, Label):
        return key
    plain = _quoted(key.name)
    return f"label:{plain}" if key.name in ATTRIBUTES | {"has", "label"} or plain != key.name else plain


def _quoted(text: str) -> str:
    if WORD.fullmatch(text) and text.lower() not in KEYWORDS:
        return text
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))
