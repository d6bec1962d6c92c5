"""What each grant may say and hear: its own subjects, nothing of another's, and nothing that is not named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_broker.identity.grants import Grade, Grant, narrow_inbox
from fleetfold_broker.identity.master_nkeys import PublicKeys
from fleetfold_broker.identity.permissions import permissions
from fleetfold_broker.identity.server_accounts import identity_config
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.messages import CAPABILITIES, Capability, Role

SUBJECTS = Subjects()
CLIENTS: tuple[Role, ...] = ("admin", "operator", "reader", "publisher")
GRADES: tuple[Grade, ...] = ("enrol", "refresh", "request")
OWN_ACKS = "$JS.ACK.FLEET_CMD.shop.>"


def _node(*capabilities: Capability, prefix: str = "fleet") -> dict[str, Any]:
    grant = Grant(name="shop", role="child", capabilities=frozenset(capabilities))
    return permissions(grant, Subjects(prefix))


def _client(role: Role) -> dict[str, Any]:
    return permissions(Grant(name="cli", role=role), SUBJECTS)


def _say(allowed: dict[str, Any]) -> set[str]:
    return set(allowed["pub"]["allow"])


def _hear(allowed: dict[str, Any]) -> set[str]:
    return set(allowed["sub"]["allow"])


def test_a_node_with_every_capability_may_do_this_and_no_more() -> None:
    allowed = _node(*CAPABILITIES)
    assert _say(allowed) == {
        "fleet.hb.shop", "fleet.gather.*.shop", "fleet.join.shop.refresh", "fleet.api.shop.nodes.join",
        "fleet.res.shop", "fleet.prog.shop", OWN_ACKS, "fleet.evt.shop.>", "fleet.api.shop.>",
        "fleet.api.shop.commands.confirm",
    }  # fmt: skip
    assert _hear(allowed) == {
        "_INBOX.shop.>", "fleet.ask.> shop", "fleet.call.shop.> shop", "fleet.deliver.shop shop",
        "fleet.confirm.shop", "fleet.confirm.shop.>",
    }  # fmt: skip


def test_a_node_without_capabilities_may_be_a_member_and_no_more() -> None:
    allowed = _node()
    assert _say(allowed) == {
        "fleet.hb.shop", "fleet.gather.*.shop", "fleet.join.shop.refresh", "fleet.api.shop.nodes.join",
    }  # fmt: skip
    assert _hear(allowed) == {"_INBOX.shop.>", "fleet.ask.ping shop", "fleet.call.shop.> shop"}


@pytest.mark.parametrize(
    ("capability", "say", "hear"),
    [
        ("search", set(), {"fleet.ask.> shop"}),
        (
            "actions",
            {"fleet.res.shop", "fleet.prog.shop", OWN_ACKS, "fleet.api.shop.commands.confirm"},
            {"fleet.deliver.shop shop", "fleet.confirm.shop"},
        ),
        ("events", {"fleet.evt.shop.>"}, {"fleet.confirm.shop.>"}),
        ("api", {"fleet.api.shop.>"}, set()),
    ],
)
def test_a_capability_opens_its_own_doors(capability: Capability, say: set[str], hear: set[str]) -> None:
    without = _node()
    assert _say(_node(capability)) - _say(without) == say
    assert _hear(_node(capability)) - _hear(without) == hear


@given(capabilities=st.sets(st.sampled_from(CAPABILITIES)))
def test_a_node_speaks_as_itself_and_hears_what_is_its_own(capabilities: set[Capability]) -> None:
    allowed = _node(*capabilities)
    for subject in _say(allowed):
        assert "shop" in subject.split(".")
        assert not subject.startswith(
            ("fleet.cmd", "fleet.call", "fleet.ask", "fleet.deliver", "fleet.confirm", "_INBOX")
        )
    for subject in _hear(allowed):
        assert "shop" in subject.replace(" ", ".").split(".")
    assert not any("$JS.API" in subject or "$SYS" in subject for subject in _say(allowed) | _hear(allowed))


@given(capabilities=st.sets(st.sampled_from(CAPABILITIES)))
def test_what_a_node_shares_with_its_like_it_hears_in_its_own_group_only(capabilities: set[Capability]) -> None:
    for heard in _hear(_node(*capabilities)):
        if heard.startswith(("fleet.ask", "fleet.call", "fleet.deliver")):
            assert heard.endswith(" shop")


def test_nobody_may_answer_to_a_reply_subject_that_another_has_chosen() -> None:
    assert [set(allowed) for allowed in (_node(*CAPABILITIES), *map(_client, CLIENTS))] == [{"pub", "sub"}] * 5


@pytest.mark.parametrize("role", CLIENTS)
def test_a_client_asks_as_itself_and_hears_its_answers(role: Role) -> None:
    allowed = _client(role)
    assert {"fleet.api.cli.>"} <= _say(allowed) <= {"fleet.api.cli.>", "fleet.evt.cli.>", "$SRV.>"}
    assert {"_INBOX.cli.>"} <= _hear(allowed) <= {
        "_INBOX.cli.>", "fleet.confirm.cli.>", "fleet.notify.cli.>", "fleet.notify.master.>",
    }  # fmt: skip


def test_who_is_told_of_its_own_events_and_who_of_the_masters() -> None:
    hears = {role: _hear(_client(role)) for role in CLIENTS}
    assert {role for role in CLIENTS if "fleet.notify.cli.>" in hears[role]} == {"admin", "operator", "publisher"}
    assert {role for role in CLIENTS if "fleet.notify.master.>" in hears[role]} == {"admin", "operator"}


def test_who_may_look_at_services_and_who_may_say_events() -> None:
    assert {role for role in CLIENTS if "$SRV.>" in _say(_client(role))} == {"admin", "operator"}
    assert {role for role in CLIENTS if "fleet.evt.cli.>" in _say(_client(role))} == {"admin", "operator", "publisher"}


@pytest.mark.parametrize("role", ["child", *CLIENTS])
@pytest.mark.parametrize("grade", GRADES)
def test_one_that_is_not_yet_a_member_may_ask_one_thing_and_hear_one_inbox(role: Role, grade: Grade) -> None:
    grant = Grant(
        name="shop", role=role, grade=grade, capabilities=frozenset(CAPABILITIES), inbox=narrow_inbox("shop", "ffj_x")
    )
    allowed = permissions(grant, SUBJECTS)
    assert _say(allowed) == {f"fleet.join.shop.{grade}"}
    assert _hear(allowed) == {f"_INBOX.{narrow_inbox('shop', 'ffj_x')}.>"}
    assert set(allowed) == {"pub", "sub"}


def test_the_inbox_of_a_newcomer_depends_on_its_token_and_does_not_show_it() -> None:
    one, two = narrow_inbox("shop", "ffj_one"), narrow_inbox("shop", "ffj_two")
    assert one != two
    assert one.startswith("shop.")
    assert len(one.split(".")) == 2
    assert "ffj" not in one


def test_another_fleets_prefix_gives_nothing_in_this_one() -> None:
    said = _say(_node(*CAPABILITIES, prefix="other")) | _hear(_node(*CAPABILITIES, prefix="other"))
    assert not any(subject.startswith("fleet.") for subject in said)


@pytest.mark.parametrize("role", [*CLIENTS, "child"])
def test_masters_alone_speak_and_hear_as_masters(role: Role) -> None:
    grant = Grant(name="shop", role=role, capabilities=frozenset(CAPABILITIES))
    allowed = permissions(grant, SUBJECTS)
    keys = PublicKeys(issuer="I", auth="A", fleet="F", sys="S")
    for texts in (_say(allowed), _hear(allowed), [identity_config(keys)]):
        assert not [text for text in texts if "peer" in text or "fleet.>" in text]
