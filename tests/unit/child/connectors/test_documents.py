from __future__ import annotations

from typing import Any

import pytest

from fleetfold_child.connectors.documents import from_record, read_record
from fleetfold_child.connectors.patches import patched
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput


@pytest.mark.parametrize(
    ("record", "title", "content"),
    [
        ({"id": 1, "title": "T", "content": "C"}, "T", "C"),
        ({"id": 1, "name": "N", "body": "B"}, "N", "B"),
        ({"id": 1, "description": "D", "text": "X", "body": "B"}, "", "B\nD\nX"),
        ({"id": 1, "title": None, "name": "N", "text": None}, "N", ""),
        ({"id": 1, "title": 42, "text": ["a", "b"]}, "42", "a\nb"),
        ({"id": 1, "title": "", "name": "Tent"}, "Tent", ""),
        ({"id": 1, "title": " ", "name": "Tent", "body": ""}, "Tent", ""),
        ({"id": 1, "Title": "T", "BODY": "B"}, "T", "B"),
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
        ({"id": 1.5}, "^id: "),
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


@pytest.mark.parametrize(
    ("record", "title", "content"),
    [
        ({"subject": "Refund", "message": "Money back."}, "Refund", "Money back."),
        ({"headline": "H", "summary": "S", "excerpt": "E"}, "H", "S\nE"),
        ({"title": "T", "label": "L", "content": "C", "summary": "S"}, "T", "C"),
        ({"Titel": "Zelt", "Beschreibung": "Leicht"}, "Zelt", "Leicht"),
        ({"Titre": "Tente", "Résumé": "Légère"}, "Tente", "Légère"),
        ({"Product name": "Tent", "Body (HTML)": "<p>Light</p>"}, "Tent", "Light"),
        ({"label": "x", "code": "A-1"}, "x", ""),
        ({"code": "A-1", "url": "https://example.org/a/long/path/of/words"}, "", ""),
        ({"code": "A-1", "remark": "It has a few words more than one."}, "", "It has a few words more than one."),
    ],
)
def test_other_names_and_long_texts_are_recognised_and_stay_in_the_metadata(
    record: dict[str, Any], title: str, content: str
) -> None:
    found = from_record({"id": 1, **record})
    assert (found.title, found.content) == (title, content)
    first = {"title", "content"}
    assert found.metadata == {name: value for name, value in record.items() if name not in first}


@pytest.mark.parametrize(
    ("reading", "title", "content"),
    [
        (Reading(text=["subject", "message"]), "S", "M"),
        (Reading(text=["message", "customer"]), "", "M\nAda"),
        (Reading(title="customer", text=["message"]), "Ada", "M"),
        (Reading(title="customer"), "Ada", "M"),
    ],
)
def test_text_fields_can_be_named(reading: Reading, title: str, content: str) -> None:
    record = {"id": 1, "subject": "S", "message": "M", "customer": "Ada"}
    found, _ = read_record(record, reading)
    assert (found.title, found.content) == (title, content)
    assert found.metadata == {"subject": "S", "message": "M", "customer": "Ada"}


def test_titles_and_contents_are_plain_and_the_metadata_is_as_it_came() -> None:
    found = from_record({"id": 1, "title": "Kettle &amp; cup", "body": "<p>Red</p>", "summary": "<b>x</b>"})
    assert (found.title, found.content, found.metadata) == ("Kettle & cup", "Red", {"summary": "<b>x</b>"})
    found, _ = read_record({"id": 1, "title": "a &amp; b", "body": "<p>Red</p>"}, Reading(format="text"))
    assert (found.title, found.content) == ("a &amp; b", "<p>Red</p>")


@pytest.mark.parametrize(
    ("record", "fields", "title", "content"),
    [
        ({"subject": "S", "message": "M"}, {"message": "N"}, "S", "N"),
        ({"subject": "S", "message": "M"}, {"subject": "<b>T</b>"}, "T", "M"),
        ({"title": "T", "body": "B"}, {"label": "bug", "summary": "S"}, "T", "B"),
        ({"title": "T", "body": "a\n\nb"}, {"summary": "S"}, "T", "a\n\nb"),
        ({"title": "T"}, {"summary": "S"}, "T", "S"),
        ({"summary": "S", "message": "M", "title": "T"}, {"summary": None}, "T", "M"),
        ({"remark": "It has a few words more than one."}, {"remark": "Other words."}, "", "Other words."),
        ({"title": "T", "body": "B"}, {"body": "<p>C &amp; D</p>"}, "T", "C & D"),
    ],
)
def test_a_patch_of_a_text_field_changes_its_own_part(
    record: dict[str, Any], fields: dict[str, Any], title: str, content: str
) -> None:
    after = patched(from_record({"id": 1, **record}), fields)
    assert (after.title, after.content) == (title, content)


def test_a_patch_of_declared_fields_keeps_the_others() -> None:
    reading = Reading(text=["message", "notes"], fields={"price": "number"})
    before, _ = read_record({"id": 1, "message": "M", "notes": "N"}, reading)
    after = patched(before, {"notes": "O", "price": "9,90"}, reading)
    assert (after.content, after.metadata) == ("M\nO", {"message": "M", "notes": "O", "price": 9.9})
    reading = Reading(text=["body", "notes"])
    before, _ = read_record({"id": 1, "body": "B", "notes": "N"}, reading)
    with pytest.raises(InvalidInput, match="body: the content is made of body, notes; give all of them"):
        patched(before, {"notes": "O"}, reading)
    assert patched(before, {"notes": "O", "body": "C"}, reading).content == "C\nO"


def test_a_patch_cannot_change_the_id() -> None:
    with pytest.raises(InvalidInput, match=r"^id: "):
        patched(from_record({"id": 1}), {"id": 2})
