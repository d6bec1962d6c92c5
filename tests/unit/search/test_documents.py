from __future__ import annotations

from typing import Any

import pytest

from fleetfold_child.documents import from_record, patched
from fleetfold_shared.errors import InvalidInput


@pytest.mark.parametrize(
    ("record", "title", "content"),
    [
        ({"id": 1, "title": "T", "content": "C"}, "T", "C"),
        ({"id": 1, "name": "N", "body": "B"}, "N", "B"),
        ({"id": 1, "description": "D", "text": "X", "body": "B"}, "", "B\nD\nX"),
        ({"id": 1, "title": None, "name": "N", "text": None}, "N", ""),
        ({"id": 1, "title": 42, "text": ["a", "b"]}, "42", "a\nb"),
    ],
)
def test_text_fields_are_recognised_as_users_have_them(record: dict[str, Any], title: str, content: str) -> None:
    found = from_record(record)
    assert (found.id, found.title, found.content, found.metadata) == ("1", title, content, {})


def test_all_else_is_metadata() -> None:
    found = from_record({"sku": 5, "title": "T", "name": "N", "price": 3, "tags": ("a",)}, id_field="sku")
    assert found.metadata == {"name": "N", "price": 3, "tags": ["a"]}


def test_the_text_is_title_and_content() -> None:
    assert from_record({"id": 1, "title": "T", "text": "C"}).text == "T. C"
    assert from_record({"id": 1, "text": "C"}).text == "C"
    assert from_record({"id": 1, "title": "T"}).text == "T"


def test_the_hash_changes_with_whatever_changes_and_with_nothing_else() -> None:
    base = {"id": 1, "title": "T", "text": "C", "a": 1, "b": 2}
    same = from_record(dict(reversed(base.items())))
    assert same.hash == from_record(base).hash
    others = [
        base | {"title": "U"},
        base | {"text": "D"},
        base | {"a": 2},
        base | {"c": 1},
        base | {"title": "TC", "text": ""},
    ]
    assert len({from_record(one).hash for one in [base, *others]}) == 6


@pytest.mark.parametrize(
    ("record", "named"),
    [
        ({"title": "no id"}, "^id: "),
        ({"id": ""}, "^id: "),
        ({"id": True}, "^id: "),
        ({"id": "x" * 600}, "^id: "),
        ({"id": 1, "title": {}}, "^title: "),
        ({"id": 1, "text": "\ud800"}, "^text: "),
        ({"id": 1, "price": float("nan")}, "^price: "),
        ({"id": 1, "when": object()}, "^when: "),
        ({"id": 1, "title": float("nan")}, "^title: nan is not a number"),
        ({"id": 1, "sizes": {"cm": [1.0, float("inf")]}}, r"^sizes\.cm\[1\]: inf is not a number"),
        ({"id": 1, "by": {1: "a"}}, "^by: its key 1 is of type int"),
        ({"id": 1, "by": ["\udc80"]}, r"^by\[0\]: it is not valid Unicode"),
        ("text", "^record: "),
    ],
)
def test_an_unusable_record_is_refused_by_field(record: Any, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        from_record(record)


def test_a_patch_changes_what_it_names_and_no_more() -> None:
    before = from_record({"id": 1, "title": "T", "text": "C", "price": 3, "old": 1})
    after = patched(before, {"name": "U", "price": 4, "old": None})
    assert (after.title, after.content, after.metadata) == ("U", "C", {"price": 4})


def test_a_patch_cannot_change_the_id() -> None:
    with pytest.raises(InvalidInput, match=r"^id: "):
        patched(from_record({"id": 1}), {"id": 2})
