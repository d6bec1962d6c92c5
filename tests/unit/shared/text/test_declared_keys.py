"""Keys of four kinds, each in one spelling."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.text.declared_keys import MAX_KEYS, DeclaredKey, KeyKind, declared_keys


def spelled(kind: KeyKind, value: Any) -> str | None:
    token = DeclaredKey("key", kind).token({"key": value})
    return token and token.removeprefix(f"{kind}:key:")


def test_a_key_has_the_kind_that_is_written_or_that_its_name_says_or_is_a_sku() -> None:
    keys = declared_keys(["gtin", "website:url", "maker.part", "email:sku"])
    assert [(key.field, key.kind) for key in keys] == [
        ("gtin", "gtin"), ("website", "url"), ("maker.part", "sku"), ("email", "sku"),
    ]  # fmt: skip


@pytest.mark.parametrize("words", [["a:isbn"], [":sku"], [""], ["a", "a:url"], ["k:sku:x"], list("abcdefghi")])
def test_a_declaration_that_says_nothing_usable_is_refused_by_name(words: list[str]) -> None:
    assert len(words) <= MAX_KEYS + 1
    with pytest.raises(InvalidInput) as refusal:
        declared_keys(words)
    assert refusal.value.field == "keys"


@pytest.mark.parametrize(
    "value", ["036000291452", "0036000291452", "00036000291452", "0-36000-29145-2", "36000291452", 36000291452]
)
def test_a_gtin_is_one_number_however_many_zeros_are_before_it(value: str | int) -> None:
    assert spelled("gtin", value) == "00036000291452"


@pytest.mark.parametrize(
    "value", ["036000291453", "12", "0000000000000", "123456789012345678", "36000x91452", "", None]
)
def test_what_is_no_gtin_is_no_key(value: Any) -> None:
    assert spelled("gtin", value) is None


def test_a_case_of_something_is_not_the_thing() -> None:
    assert spelled("gtin", "10036000291459") not in (None, spelled("gtin", "036000291452"))


@pytest.mark.parametrize(
    "value",
    [
        "https://www.Example.com/a/b/?x=1&utm_source=mail", "http://example.com/a/b?x=1", "example.com/a/b?x=1#part",
        "HTTPS://EXAMPLE.com:443/a/b?UTM_medium=y&x=1",
    ],
)  # fmt: skip
def test_a_url_is_its_host_path_and_query(value: str) -> None:
    assert spelled("url", value) == "example.com/a/b?x=1"


@pytest.mark.parametrize(
    "other", ["https://example.com/A/b?x=1", "https://example.com/a/b?x=2", "https://example.com:8443/a/b?x=1"]
)
def test_urls_that_lead_elsewhere_are_other_keys(other: str) -> None:
    assert spelled("url", other) not in (None, "example.com/a/b?x=1")


@pytest.mark.parametrize("value", ["mailto:a@b.c", "https://", "http://[::1", "http://a.b:x/", "a b.c", ""])
def test_what_is_no_url_is_no_key(value: str) -> None:
    assert spelled("url", value) is None


def test_an_email_is_one_in_any_case_but_its_dots_count() -> None:
    assert spelled("email", " Ann.Lee@Example.COM ") == spelled("email", "ann.lee@example.com") == "ann.lee@example.com"
    assert spelled("email", "annlee@example.com") == "annlee@example.com"
    assert [spelled("email", one) for one in ("ann", "@x.y", "a@", "a@b@c", "a b@c.d")] == [None] * 5


def test_a_sku_is_taken_as_it_is() -> None:
    assert (spelled("sku", " A-1  x "), spelled("sku", "a-1 x"), spelled("sku", 7)) == ("A-1 x", "a-1 x", "7")
    assert [spelled("sku", one) for one in (True, 1.5, ["a"], {}, "x" * 513)] == [None] * 5


def test_dots_reach_into_nested_objects() -> None:
    assert DeclaredKey("maker.part", "sku").token({"maker": {"part": "P1"}}) == "sku:maker.part:P1"
    assert DeclaredKey("maker.part", "sku").token({"maker": "P1"}) is None


@given(st.sampled_from(["sku", "gtin", "url", "email"]), st.text(max_size=60))
def test_any_text_has_one_spelling_or_none_and_that_is_its_own(kind: KeyKind, text: str) -> None:
    once = spelled(kind, text)
    if once is not None and kind != "url":
        assert spelled(kind, once) == once
