"""The sample documents are one coherent world, good enough to search."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from typing import Any, get_args

import pytest

from fleetfold_child.connectors.documents import from_record
from fleetfold_demo.samples import Sample, records, source

SAMPLES = get_args(Sample)
COUNTS = {"products": 150, "posts": 60, "customers": 60, "tickets": 80, "orders": 40}


def ids(name: Sample) -> set[str]:
    return {record["id"] for record in records(name)}


def texts(name: Sample, field: str) -> list[str]:
    return [record[field] for record in records(name)]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_has_as_many_records_as_promised_each_with_an_id_of_its_own(name: Sample) -> None:
    assert len(records(name)) == len(ids(name)) == COUNTS[name]


@pytest.mark.parametrize("name", SAMPLES)
def test_every_record_is_a_document_with_a_title_and_a_content(name: Sample) -> None:
    for record in records(name):
        document = from_record(record)
        assert document.title
        assert document.content


@pytest.mark.parametrize("name", SAMPLES)
def test_the_records_of_a_sample_have_the_same_fields(name: Sample) -> None:
    assert len({tuple(record) for record in records(name)}) == 1


@pytest.mark.parametrize(("name", "field"), [("tickets", "customer_id"), ("orders", "customer_id")])
def test_every_customer_that_is_referred_to_exists(name: Sample, field: str) -> None:
    assert set(texts(name, field)) <= ids("customers")


@pytest.mark.parametrize(("name", "field"), [("tickets", "sku"), ("orders", "sku")])
def test_every_product_that_is_referred_to_exists(name: Sample, field: str) -> None:
    assert set(texts(name, field)) <= ids("products")


def test_every_product_a_post_recommends_exists() -> None:
    recommended = {sku for body in texts("posts", "body") for sku in re.findall(r"\b[A-Z]{3}-\d{3}\b", body)}
    assert recommended <= ids("products")
    assert len(recommended) >= 80


def test_nobody_writes_or_orders_before_being_a_customer() -> None:
    since = {customer["id"]: date.fromisoformat(customer["since"]) for customer in records("customers")}
    for record in records("tickets") + records("orders"):
        assert since[record["customer_id"]] < date.fromisoformat(record["created"])


def test_posts_are_read_in_a_minute_and_dated() -> None:
    for post in records("posts"):
        assert 80 <= len(post["body"].split()) <= 150, post["id"]
        assert date.fromisoformat(post["published"]).year in {2025, 2026}
        assert post["tags"]


@pytest.mark.parametrize(
    ("name", "field"), [("products", "description"), ("posts", "body"), ("tickets", "body"), ("customers", "content")]
)
def test_no_sentence_is_used_twice(name: Sample, field: str) -> None:
    sentences = Counter(
        sentence
        for text in texts(name, field)
        for sentence in re.split(r"(?<=[.?!])\s+", text)
        if len(sentence.split()) > 4
    )
    assert [sentence for sentence, times in sentences.items() if times > 1] == []


def test_products_can_be_sold() -> None:
    def sellable(product: dict[str, Any]) -> bool:
        return product["price"] > 0 and isinstance(product["stock"], int) and product["stock"] >= 0

    assert [product["id"] for product in records("products") if not sellable(product)] == []
    assert any(product["stock"] == 0 for product in records("products"))  # so that the demo can be refused one


def test_addresses_reach_nobody_and_are_unlike() -> None:
    addresses = texts("customers", "email")
    assert all(address.endswith(("@example.com", "@example.org")) for address in addresses)
    assert len(set(addresses)) == len(addresses)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_plain_utf8_with_one_record_a_line(name: Sample) -> None:
    assert len(source(name).read_text(encoding="utf-8").splitlines()) == COUNTS[name]
