"""Who may do what: the role first, then the scopes, and nobody hands out more than he has."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.access.authorizer import Authorizer, OpenAuthorizer, Principal
from fleetfold_shared.errors import Forbidden
from fleetfold_shared.messages import Role, Scopes
from fleetfold_shared.verbs import ROLES, VERBS

SHOPS = Scopes(nodes=["shop-*"], actions=["cancel_*", "index"], collections=["orders"])
patterns = st.lists(st.text("ab*", min_size=1, max_size=5), max_size=3)


@pytest.fixture
def authorizer() -> Authorizer:
    people = {"ann": Principal("ann", "reader"), "shop": Principal("shop", "child")}
    return Authorizer(people.get)


def test_the_directory_says_who_a_caller_is(authorizer: Authorizer) -> None:
    assert authorizer.principal("ann").role == "reader"


@pytest.mark.parametrize("name", ["nobody", "", "ANN"])
def test_a_name_that_the_fleet_does_not_know_may_nothing(authorizer: Authorizer, name: str) -> None:
    with pytest.raises(Forbidden, match="no identity"):
        authorizer.principal(name)


def test_a_role_without_the_verb_is_told_which_role_it_takes(authorizer: Authorizer) -> None:
    authorizer.check(authorizer.principal("ann"), "nodes.list")
    with pytest.raises(Forbidden, match=r"nodes\.remove: 'ann' is a reader; this takes an operator or an admin"):
        authorizer.check(authorizer.principal("ann"), "nodes.remove")


@pytest.mark.parametrize("role", ROLES)
def test_no_role_has_a_verb_that_is_not_in_the_table(authorizer: Authorizer, role: Role) -> None:
    with pytest.raises(Forbidden, match=r"nodes\.destroy"):
        authorizer.check(Principal("ann", role), "nodes.destroy")


@pytest.mark.parametrize("verb", VERBS)
def test_without_identities_everybody_may_do_everything(verb: str) -> None:
    authorizer = OpenAuthorizer()
    principal = authorizer.principal("whoever")
    assert (principal.name, principal.role) == ("whoever", "admin")
    authorizer.check(principal, verb)


def test_no_scope_is_everything() -> None:
    ann = Principal("ann", "operator")
    assert ann.may_node("shop-1")
    assert ann.may_action("cancel_order")
    assert ann.may_collection("orders")
    assert ann.narrow(["blog", "shop-1"]) == ["blog", "shop-1"]


def test_a_scope_is_names_and_patterns() -> None:
    ann = Principal("ann", "operator", SHOPS)
    assert [name for name in ("shop-1", "shop-", "shop", "Shop-1", "blog") if ann.may_node(name)] == ["shop-1", "shop-"]
    assert ann.may_action("cancel_order")
    assert ann.may_action("index")
    assert not ann.may_action("reindex")
    assert [name for name in ("orders", "orders-2", "order") if ann.may_collection(name)] == ["orders"]
    assert ann.narrow(["blog", "shop-1", "crm"]) == ["shop-1"]


def test_what_is_outside_is_refused_by_its_field() -> None:
    ann = Principal("ann", "operator", SHOPS)
    with pytest.raises(Forbidden, match="nodes: the node 'blog' is outside") as node:
        ann.need_node("blog", "nodes")
    with pytest.raises(Forbidden, match="action: the action 'sync'"):
        ann.need_action("sync")
    with pytest.raises(Forbidden, match="collections: the collection 'posts'"):
        ann.need_collection("posts")
    assert node.value.field == "nodes"


def test_a_child_has_itself_in_scope_and_nobody_else() -> None:
    shop = Principal("shop", "child")
    assert shop.narrow(["blog", "shop", "shop-2"]) == ["shop"]


@pytest.mark.parametrize(
    ("mine", "role", "scopes"),
    [
        (Scopes(), "admin", Scopes()),
        (Scopes(), "reader", SHOPS),
        (SHOPS, "reader", SHOPS),
        (SHOPS, "reader", Scopes(nodes=["shop-1", "shop-a*"], actions=["index"], collections=["orders"])),
    ],
)
def test_an_admin_may_hand_out_what_it_has_or_less(mine: Scopes, role: Role, scopes: Scopes) -> None:
    Principal("ann", "admin", mine).need_grant(role, scopes, "scopes")


@pytest.mark.parametrize(
    "scopes",
    [
        Scopes(),
        Scopes(nodes=["shop-*"], actions=["index"]),
        Scopes(nodes=["*"], actions=["index"], collections=["orders"]),
        Scopes(nodes=["shop*"], actions=["index"], collections=["orders"]),
        Scopes(nodes=["shop-1", "blog"], actions=["index"], collections=["orders"]),
        Scopes(nodes=["shop-1"], actions=["sync"], collections=["orders"]),
        Scopes(nodes=["shop-1"], actions=["index"], collections=["order*"]),
    ],
)
def test_nobody_may_hand_out_a_wider_scope_than_its_own(scopes: Scopes) -> None:
    with pytest.raises(Forbidden, match="scopes"):
        Principal("ann", "admin", SHOPS).need_grant("reader", scopes, "scopes")


@pytest.mark.parametrize(("mine", "higher"), [("reader", "publisher"), ("publisher", "reader"), ("operator", "admin")])
def test_nobody_may_hand_out_a_role_with_more_verbs_than_its_own(mine: Role, higher: Role) -> None:
    assert not Principal("ann", mine).may_grant(higher, Scopes())


@given(wide=patterns, narrow=patterns, name=st.text("ab", max_size=6))
def test_what_a_contained_scope_lets_through_the_wider_one_lets_through(
    wide: list[str], narrow: list[str], name: str
) -> None:
    giver = Principal("ann", "admin", Scopes(nodes=wide))
    taker = Principal("bob", "admin", Scopes(nodes=narrow))
    if giver.may_grant("admin", taker.scopes) and taker.may_node(name):
        assert giver.may_node(name)
        assert not wide or any(fnmatchcase(name, pattern) for pattern in wide)


def test_what_concerns_the_whole_fleet_takes_one_without_scopes() -> None:
    Principal("ann", "admin").need_whole_fleet(VERBS["keys.sign"])
    with pytest.raises(Forbidden, match=r"keys\.sign"):
        Principal("ann", "admin", Scopes(actions=["index"])).need_whole_fleet(VERBS["keys.sign"])
