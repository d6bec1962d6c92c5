"""How collections are read, from the words of the command line."""

from __future__ import annotations

from typing import Any

import pytest

from fleetfold_cli.parsing.reading_arguments import readings
from fleetfold_shared.config import ChildConfig, Reading
from fleetfold_shared.errors import InvalidInput

ONE = ChildConfig(name="shop", collections={"products": "p.csv"})
TWO = ChildConfig(
    name="shop", collections={"products": "p.csv", "tickets": "t.csv"}, reading={"tickets": Reading(id="no", title="t")}
)


def read(config: ChildConfig, strict: bool = False, **given: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """What differs from the usual reading."""
    usual = readings(ChildConfig(name="x", collections={"x": ""}), {}, strict=True)["x"] | {"strict": False}
    found = readings(config, given, strict=strict)
    return {name: {key: one for key, one in reading.items() if one != usual[key]} for name, reading in found.items()}


def test_the_only_collection_need_not_be_named() -> None:
    found = read(ONE, text=("subject, message", "notes"), id=("sku",), field=("price:number", "a:b:date"))
    assert found == {
        "products": {
            "text": ["subject", "message", "notes"], "id": "sku", "fields": {"price": "number", "a:b": "date"},
        }
    }  # fmt: skip


def test_of_several_collections_each_word_says_which_and_comes_before_the_settings() -> None:
    found = read(TWO, text=("products=body",), id=("tickets=number",), separator=("products=;",))
    assert found == {"products": {"text": ["body"], "separator": ";"}, "tickets": {"id": "number", "title": "t"}}


def test_strict_holds_for_all_collections() -> None:
    assert read(TWO, strict=True)["products"] == {"strict": True}


@pytest.mark.parametrize(
    ("config", "given", "said"),
    [
        (TWO, {"text": ("subject",)}, "text: say of which collection: --text COLLECTION=subject"),
        (ONE, {"text": ("product=subject",)}, "text: there is no collection 'product'; there are products"),
        (ONE, {"field": ("price",)}, "field: 'price' is no field with a type: write price:number"),
        (ONE, {"field": ("price:money",)}, "field: there is no 'money'; use text, number"),
        (ONE, {"format": ("pdf",)}, "format: there is no 'pdf'; use auto, html"),
        (ONE, {"id": ("a", "b")}, "id: it is given twice for products"),
    ],
)
def test_a_word_that_will_not_do_is_refused(config: ChildConfig, given: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        readings(config, given, strict=False)
