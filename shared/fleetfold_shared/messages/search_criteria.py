"""Search criteria on fields of documents: filters, sort keys and facets."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Facet", "FacetCounts", "FacetValue", "Filter", "Scalar", "Sort", "Value", "ValueCount"]

Scalar = str | int | float | bool | None
Value = str | int | float | bool


class Filter(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A filter: either a test of one field (`field`, `op`, `value`) or a combination (`all`, `any`, `none` of filters).

    `field` is `id`, `title` or a key of the metadata, with dots for nested objects. `in` takes a list; `contains` tests
    for a substring of a text or a member of a list; `exists` takes true or false. A test needs a `value`, which may be
    null.
    """

    field: str | None = None
    op: Literal["eq", "ne", "lt", "lte", "gt", "gte", "in", "contains", "exists"] = "eq"
    value: Scalar | list[Scalar] | msgspec.UnsetType = msgspec.UNSET
    all: list[Filter] | None = None
    any: list[Filter] | None = None
    none: list[Filter] | None = None


class Sort(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A sort key: a field as in a filter, or `_score`.

    The default `order` is `desc` for `_score` and `asc` for fields. In both orders numbers come before texts, texts
    before booleans, and documents whose field is missing, null, a list or an object come last. Texts are compared by
    code points, by their first 100 characters.
    """

    field: str
    order: Literal["asc", "desc"] | None = None


class ValueCount(msgspec.Struct, frozen=True, array_like=True):
    """A value, and the number of a node's documents that have it."""

    value: Value
    count: int


class FacetCounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """A node's facet: up to 1,000 values, most frequent first.

    `missing` counts the documents without a value. `cut`: values were left out.
    """

    field: str
    values: list[ValueCount] = []
    missing: int = 0
    cut: bool = False


class FacetValue(msgspec.Struct, frozen=True):
    """A value (a text's first 100 characters), and the number of documents that have it."""

    value: Value
    count: int


class Facet(msgspec.Struct, frozen=True):
    """Facet of one field over all matching documents: its 20 most frequent values, of `distinct` ones.

    `missing` counts the documents without the field, or with null, an object or an empty list there. `approximate`: a
    node did not send all of its values, or did not examine all of its documents.
    """

    field: str
    values: list[FacetValue]
    missing: int = 0
    distinct: int = 0
    approximate: bool = False
