"""What a search asks of documents' fields: tests, keys to order by, values to count."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Facet", "FacetCounts", "FacetValue", "Filter", "Scalar", "Sort", "Value", "ValueCount"]

Scalar = str | int | float | bool | None
Value = str | int | float | bool


class Filter(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Either a test of one field (`field`, `op`, `value`) or a combination (`all`, `any`, `none` of filters).

    `field` is `id`, `title` or a key of the metadata, dots reaching into nested objects. `in` takes a list;
    `contains` a substring of a string or a member of a list; `exists` true or false. A test needs its `value`, if only
    null.
    """

    field: str | None = None
    op: Literal["eq", "ne", "lt", "lte", "gt", "gte", "in", "contains", "exists"] = "eq"
    value: Scalar | list[Scalar] | msgspec.UnsetType = msgspec.UNSET
    all: list[Filter] | None = None
    any: list[Filter] | None = None
    none: list[Filter] | None = None


class Sort(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A key to order hits by: a field as in a filter, or `_score`.

    Without an `order` it is `desc` for `_score` and `asc` for fields. In either order numbers come before texts, texts
    before booleans, and documents whose field is missing, null, a list or an object come last. Texts are compared by
    code points, by their first 100 characters.
    """

    field: str
    order: Literal["asc", "desc"] | None = None


class ValueCount(msgspec.Struct, frozen=True, array_like=True):
    """A value, and how many of a node's documents have it."""

    value: Value
    count: int


class FacetCounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """A node's facet: up to 1,000 values, most frequent first.

    `missing` counts the documents without a value. `cut` says that values were left out.
    """

    field: str
    values: list[ValueCount] = []
    missing: int = 0
    cut: bool = False


class FacetValue(msgspec.Struct, frozen=True):
    """A value, and how many documents have it. Of a text, its first 100 characters."""

    value: Value
    count: int


class Facet(msgspec.Struct, frozen=True):
    """One field over all documents that match: its 20 most frequent values, of `distinct` ones.

    `missing` counts the documents without the field, or with null, an object or an empty list there. `approximate` says
    that a node did not tell all of its values, or did not look at all of its documents.
    """

    field: str
    values: list[FacetValue]
    missing: int = 0
    distinct: int = 0
    approximate: bool = False
