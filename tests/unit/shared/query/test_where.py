"""The expressions that choose nodes: what they mean, what they refuse, and that they are printed as they are read."""

from __future__ import annotations

import contextlib

import hypothesis.strategies as st
import pytest
from hypothesis import given

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ActionInfo, CollectionInfo, NodeDescription, NodeRecord
from fleetfold_shared.query.where import (
    And,
    Comparison,
    Has,
    Label,
    Not,
    Or,
    Term,
    choose,
    missing_labels,
    parse,
    text_of,
)


def node(name: str, *, healthy: bool = True, version: str = "1.0.0", **labels: str) -> NodeRecord:
    action = ActionInfo("restock", {"type": "object"})
    description = NodeDescription(
        incarnation="i1", version=version, type="app", labels=labels, weight=2.0, answers=name == "c",
        collections=[CollectionInfo("products", 7), CollectionInfo("orders", 3)] if name != "c" else [],
        actions=[action] if name == "a" else [],
    )  # fmt: skip
    return NodeRecord(
        name=name, state="active", healthy=healthy, description=description, registered_at=1.0, in_flight=len(labels)
    )


FLEET = [
    node("a", version="1.9.2", role="shop", region="eu"),
    node("b", version="1.10", role="shop", region="us", healthy=False),
    node("c", version="2.0rc1", role="blog"),
]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("role=shop", "ab"),
        ("role==shop and region!=eu", "b"),
        ("region!=eu", "bc"),  # a label that is not there is not equal
        ("role=shop and region!=eu and has(actions)", ""),
        ("has(actions)", "a"),
        ("has(action:restock) or has(answers)", "ac"),
        ("has(collection:orders)", "ab"),
        ("has(collections)", "ab"),
        ("not has(collections)", "c"),
        ("region", "ab"),
        ("not region", "c"),
        ("region in (us, 'eu')", "ab"),
        ("region not in (us)", "ac"),
        ("role~s*p", "ab"),
        ("role!~s*", "c"),
        ("region ~ *", "ab"),
        ("name=a or name=c", "ac"),
        ("name in (a, b) and not name=b", "a"),
        ("role=shop and region=eu or name=c", "ac"),
        ("role=shop and (region=eu or name=c)", "a"),
        ("status=healthy", "ac"),
        ("status!=healthy", "b"),
        ("state=active", "abc"),
        ("type=app AND NOT name=a", "bc"),
        ("version>=1.10", "bc"),
        ("version<1.10", "a"),
        ("version=1.10.0", "b"),
        ("version<2.0", "ab c".replace(" ", "")),
        ("version~2.*", "c"),
        ("version in (1.9.2, 1.10.0)", "ab"),
        ("weight>=2 and documents>9", "ab"),
        ("documents=0", "c"),
        ("in_flight<2", "c"),
        ("label:name=x", ""),
        ('"role"=shop', "ab"),
    ],
)
def test_an_expression_chooses(text: str, names: str) -> None:
    assert "".join(node.name for node in choose(parse(text), FLEET)) == names


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "expected a label"),
        ("role=", 6, "expected a value behind `=`, found the end"),
        ("role=shop and", 14, "found the end"),
        ("role=shop region=eu", 11, "expected `and`, `or` or the end, found 'region'"),
        ("(role=shop", 11, "expected `)`"),
        ("has(wings)", 5, "knows actions, action:NAME"),
        ("has(action)", 11, "expected `:`"),
        ("name", 5, "comparison behind `name`"),
        ("role not shop", 10, "expected `in`"),
        ("role in shop", 9, "expected `(`"),
        ("role<3", 6, "orders versions and numbers"),
        ("version>new", 9, "no version"),
        ("weight=heavy", 8, "compared with a number"),
        ("weight=nan", 8, "compared with a number"),
        ("status=well", 8, "one of healthy, unhealthy"),
        ("state~act*", 7, "`~` is for texts"),
        ("role='shop", 6, "not closed"),
        ("role=shop & x", 11, "no meaning"),
        ("(" * 30 + "a" + ")" * 30, 22, "more than 20 deep"),
        ("a or " * 500 + "a", 2001, "more than 2000 characters"),
    ],
)
def test_what_is_malformed_is_refused_at_its_column(text: str, column: int, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(text)
    assert refused.value.field == "where"
    assert refused.value.message.startswith(f"where: column {column}: ")
    assert said in refused.value.message


def test_a_pattern_of_stars_takes_no_time() -> None:
    slow = node("a", role="a" * 255)
    assert choose(parse(f"role~{'a*' * 500}b"), [slow]) == []
    assert choose(parse(f"role~{'a*' * 50}"), [slow]) == [slow]


def test_labels_that_nobody_has_are_told() -> None:
    assert missing_labels(parse("rol=shop and (region=eu or not rol or x in (1))"), FLEET) == ["rol", "x"]


texts = st.text(max_size=8)
keys = st.sampled_from(["name", "type"]) | st.builds(Label, texts)
tests: st.SearchStrategy[Term] = st.one_of(
    st.builds(Comparison, keys, st.sampled_from(["=", "!=", "~", "!~"]), st.tuples(texts)),
    st.builds(Comparison, keys, st.sampled_from(["in", "not in"]), st.lists(texts, min_size=1, max_size=3).map(tuple)),
    st.builds(
        Comparison, st.just("version"), st.sampled_from(["=", "<", ">="]), st.sampled_from([("1.2",), ("v2-rc.1",)])
    ),
    st.builds(Comparison, st.just("weight"), st.sampled_from(["=", "<=", "!="]), st.sampled_from([("1",), ("-2e3",)])),
    st.builds(Has, st.builds(Label, texts)),
    st.builds(Has, st.sampled_from(["actions", "collections", "answers"])),
    st.builds(Has, st.sampled_from(["action", "collection"]), texts),
)
terms: st.SearchStrategy[Term] = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(terms)
def test_what_is_printed_is_read_as_the_same(term: Term) -> None:
    assert parse(text_of(term)) == term
    choose(term, FLEET)


words = st.sampled_from(
    ["role", "=", "!=", "in", "not", "and", "or", "(", ")", "has", "has(", ",", ":", "~", '"', "'", "\\", "label:", " "]
)


@given(st.text() | st.lists(words).map("".join) | st.lists(words).map(" ".join))
def test_nothing_but_a_refusal_comes_of_any_text(text: str) -> None:
    with contextlib.suppress(InvalidInput):
        term = parse(text)
        assert parse(text_of(term)) == term
