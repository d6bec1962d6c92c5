from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fleetfold_child.index.filters import predicate, where
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.search_criteria import Filter
from fleetfold_shared.query.filter_validation import check_filter
from support.search import document

SHOE = document(
    "7", "c", "Red shoe", price=30, stock=0, tags=["new", "red"], maker={"city": "Łódź"}, sale=True, **{"a.b": 1}
)


def parsed(given: dict[str, Any]) -> Filter:
    return check_filter(msgspec.convert(given, Filter))


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        ({"field": "id", "value": "7"}, True),
        ({"field": "id", "value": 7}, True),  # ids are texts, but people number their documents
        ({"field": "title", "op": "contains", "value": "shoe"}, True),
        ({"field": "price", "op": "lte", "value": 30}, True),
        ({"field": "price", "op": "lt", "value": 30.0}, False),
        ({"field": "price", "op": "gt", "value": "3"}, False),  # kinds have no order among each other
        ({"field": "sale", "value": True}, True),
        ({"field": "stock", "value": False}, False),  # 0 is not false
        ({"field": "maker.city", "value": "Łódź"}, True),
        ({"field": "a.b", "value": 1}, True),
        ({"field": "maker.street", "op": "exists", "value": False}, True),
        ({"field": "colour", "value": None}, True),  # missing equals null
        ({"field": "colour", "op": "ne", "value": "red"}, True),
        ({"field": "tags", "op": "contains", "value": "red"}, True),
        ({"field": "tags", "op": "contains", "value": "re"}, False),
        ({"field": "price", "op": "in", "value": [10, 30]}, True),
        ({"all": [{"field": "price", "value": 30}, {"field": "sale", "value": False}]}, False),
        ({"any": [{"field": "price", "value": 30}, {"field": "sale", "value": False}]}, True),
        ({"none": [{"field": "price", "value": 30}]}, False),
        ({"all": [{"field": "price", "value": 30}], "none": [{"field": "id", "value": "7"}]}, False),
    ],
)
def test_a_filter_holds_or_not(given: dict[str, Any], holds: bool) -> None:
    assert predicate(parsed(given))(SHOE) is holds


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "filter: give a `field`"),
        ({"field": ""}, "filter.field"),
        ({"field": "a", "all": [{"field": "b"}]}, "do not go together"),
        ({"all": []}, "filter.all: the list is empty"),
        ({"any": [{"field": "a", "value": 1}, {"field": "p", "op": "in", "value": 3}]}, r"filter.any\[1\].value"),
        ({"field": "price"}, "filter.value: missing; say what `price` is compared with, or null"),
        ({"none": [{"field": "a", "op": "ne"}]}, r"filter.none\[0\].value: missing"),
        ({"field": "a", "value": [1]}, "use `in`"),
        ({"field": "a", "op": "lt", "value": True}, "`lt` takes a number"),
        ({"field": "a", "op": "exists", "value": 1}, "true or false"),
        ({"field": "a", "op": "contains"}, "filter.value"),
        ({"op": "ne", "value": 3, "all": [{"field": "b"}]}, "need a field"),
    ],
)
def test_a_malformed_filter_is_refused_where_it_is_wrong(given: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        parsed(given)


def test_a_filter_nested_too_deep_or_too_large_is_refused() -> None:
    deep = Filter(field="a", value=1)
    for _ in range(20):
        deep = Filter(all=[deep])
    with pytest.raises(InvalidInput, match="nested"):
        check_filter(deep)
    with pytest.raises(InvalidInput, match="tests"):
        check_filter(Filter(any=[Filter(field="a", value=1)] * 500))


@pytest.mark.parametrize(
    ("given", "sql"),
    [
        ({"field": "id", "value": "it's"}, "(id = 'it''s')"),
        ({"field": "price", "value": 1}, None),
        ({"all": [{"field": "price", "value": 1}, {"field": "id", "op": "gt", "value": "a"}]}, "((id > 'a'))"),
        ({"any": [{"field": "price", "value": 1}, {"field": "id", "value": "a"}]}, None),
        ({"any": [{"field": "id", "value": "b"}, {"field": "id", "value": 3}]}, "(((id = 'b') OR (id = '3')))"),
        ({"none": [{"field": "id", "value": "b"}]}, "(NOT (id = 'b'))"),
        # what is only partly pushed must not be negated
        ({"none": [{"all": [{"field": "price", "value": 1}, {"field": "id", "value": "b"}]}]}, None),
    ],
)
def test_what_is_pushed_into_sql_lets_through_all_that_the_filter_does(given: dict[str, Any], sql: str | None) -> None:
    assert where(parsed(given)) == sql
