"""Placeholders: filled with the type they have, never evaluated, never scanned twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.templates import fill, placeholders

SCOPE = {"steps": {"crm": {"order_id": 7, "tags": ["a", "b"]}}, "items": [{"sku": "TNT-1"}], "none": None, "yes": True}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{{steps.crm.order_id}}", 7),
        ("{{ steps.crm.tags }}", ["a", "b"]),
        ("{{items.0.sku}}", "TNT-1"),
        ("order {{steps.crm.order_id}} of {{items.0.sku}}", "order 7 of TNT-1"),
        ("{{none}} {{yes}} {{steps.crm.tags}}", 'null true ["a","b"]'),
        (r"\{{items.0.sku}}", "{{items.0.sku}}"),
        (r"\\{{items.0.sku}}", r"\TNT-1"),
        (r"a \{{ b", "a {{ b"),
        ("{single} }}", "{single} }}"),
        (["{{yes}}", {"k": "{{none}}"}, 3], [True, {"k": None}, 3]),
    ],
)
def test_a_placeholder_takes_its_value(template: Any, filled: Any) -> None:
    assert fill({"p": template}, SCOPE) == {"p": filled}


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{steps.shop.id}}", "{{steps.shop.id}}: there is no 'shop'; steps holds crm"),
        ("{{items.1}}", "{{items.1}}: there is no '1'; items holds a list of 1"),
        ("{{yes.no}}", "{{yes.no}}: there is no 'no'; yes holds a bool"),
        ("{{gone}}", "{{gone}}: there is no 'gone'; holds items, none, steps, yes"),
        ("{{1 + 1}}", "opens no placeholder"),
        ("x {{", "opens no placeholder"),
        ("{{}}", "opens no placeholder"),
    ],
)
def test_a_placeholder_that_leads_nowhere_is_refused_by_name(template: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        fill({"p": template}, SCOPE)
    assert said in refusal.value.message


def test_the_placeholders_are_known_before_there_is_anything_to_fill_in() -> None:
    params = {"a": "{{steps.crm.id}}", "b": [{"c": "x {{y}} {{z.0}}"}], "d": r"\{{e}}", "f": 1}
    assert placeholders(params) == {"steps.crm.id", "y", "z.0"}


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_what_was_filled_in_is_data(value: Any) -> None:
    assert fill({"p": "{{x}}"}, {"x": value}) == {"p": value}


@given(st.text(), st.text(alphabet="{}\\ ax"))
def test_what_was_filled_into_a_text_is_not_scanned_again(before: str, value: str) -> None:
    before = before.replace("{", "").replace("\\", "")
    assert fill({"p": before + "-{{x}}-"}, {"x": value}) == {"p": f"{before}-{value}-"}
