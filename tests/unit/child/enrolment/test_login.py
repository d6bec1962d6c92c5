"""Arrival: credentials that are good come first, a token is spent only when they are not, and what to do is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleetfold_child.enrolment.credential_store import CredentialStore
from fleetfold_child.enrolment.login import check_join_token, log_in
from fleetfold_child.enrolment.renewal import CredentialRenewal
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.errors import InvalidInput, Unauthenticated, Unavailable
from fleetfold_shared.messages import NodeDescription
from support.registrar import Registrar

DESCRIPTION = NodeDescription(incarnation="i1", version="1.0")


class Fleet:
    """A broker that takes the registrar's last access token, and whoever has an admin key here."""

    def __init__(self, place: Path) -> None:
        self.place, self.registrar = place, Registrar("shop")
        self.invitations: list[str | None] = []
        self.away = 0
        self.shown: list[str] = []

    async def log_in(self, token: str | None = None) -> Any:
        """Start the node's process: a bus, which is the access token here."""
        membership = CredentialRenewal("shop", CredentialStore.open(self.place, "shop"), self.registrar)

        async def connect() -> Any:
            if self.away:
                self.away -= 1
                raise Unavailable("no master")
            if membership.token() != self.registrar.access:
                await membership.refused()
            self.shown.append(membership.token())
            return self.shown[-1]

        async def invite() -> str | None:
            return self.invitations.pop(0)

        return await log_in(membership, connect, DESCRIPTION, token=lambda: token, invite=invite)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


async def test_a_join_token_is_used_at_the_first_start_and_never_again(fleet: Fleet) -> None:
    for _ in range(3):
        assert await fleet.log_in(fleet.registrar.invitation) == fleet.registrar.access
    assert fleet.registrar.asked == ["enrol"]


async def test_a_master_that_is_away_costs_no_credentials(fleet: Fleet) -> None:
    await fleet.log_in(fleet.registrar.invitation)
    fleet.away = 2
    await fleet.log_in()
    assert fleet.registrar.asked == ["enrol"]


async def test_credentials_that_end_meanwhile_are_renewed_at_the_start(fleet: Fleet) -> None:
    await fleet.log_in(fleet.registrar.invitation)
    fleet.registrar.access = "signed with another key"
    await fleet.log_in()
    assert fleet.registrar.asked == ["enrol", "refresh"]


async def test_a_revoked_node_enrols_again_only_with_a_new_token(fleet: Fleet) -> None:
    await fleet.log_in(fleet.registrar.invitation)
    fleet.registrar.access, fleet.registrar.revoked = "gone", True
    fleet.invitations = ["never asked for"]
    with pytest.raises(Unauthenticated, match="`fleetfold nodes invite shop`"):
        await fleet.log_in()
    fleet.registrar.invitation = Credential.mint("join", "shop").text
    fleet.registrar.claims.clear()
    assert await fleet.log_in(fleet.registrar.invitation) == fleet.registrar.access
    assert fleet.invitations == ["never asked for"]


async def test_a_token_whose_answer_was_lost_is_asked_for_again_without_naming_it(fleet: Fleet) -> None:
    joining = await CredentialStore.open(fleet.place, "shop").join(fleet.registrar.invitation)
    fleet.registrar.claims.add(joining.claim)
    await fleet.log_in()
    assert fleet.registrar.asked == ["enrol"]


async def test_a_token_that_ended_before_it_was_used_gives_way_to_an_invitation(fleet: Fleet) -> None:
    await CredentialStore.open(fleet.place, "shop").join(Credential.mint("join", "shop").text)
    fleet.invitations = [fleet.registrar.invitation]
    await fleet.log_in()
    assert fleet.registrar.asked == ["enrol", "enrol"]


async def test_a_node_beside_the_fleets_own_key_is_invited_by_it(fleet: Fleet) -> None:
    fleet.invitations = [fleet.registrar.invitation]
    assert await fleet.log_in() == fleet.registrar.access
    assert fleet.registrar.asked == ["enrol"]


async def test_a_node_without_anything_asks_to_be_approved(fleet: Fleet) -> None:
    fleet.invitations, fleet.registrar.approved = [None, None], True
    assert await fleet.log_in() == fleet.registrar.access
    assert fleet.registrar.asked == ["request"]


async def test_a_key_that_the_first_master_leaves_here_later_is_used(fleet: Fleet) -> None:
    fleet.registrar.mishaps = [Unavailable("no master")]
    fleet.invitations = [None, None, fleet.registrar.invitation]
    assert await fleet.log_in() == fleet.registrar.access
    assert fleet.registrar.asked == ["request", "enrol"]


async def test_a_key_that_a_master_left_just_before_it_refused_is_used(fleet: Fleet) -> None:
    fleet.registrar.mishaps = [Unauthenticated("this fleet lets nobody in without a token")]
    fleet.invitations = [None, None, fleet.registrar.invitation]
    assert await fleet.log_in() == fleet.registrar.access
    assert fleet.registrar.asked == ["request", "enrol"]


async def test_a_refusal_stands_where_there_is_no_key(fleet: Fleet) -> None:
    fleet.registrar.mishaps = [Unauthenticated("this fleet lets nobody in without a token")]
    fleet.invitations = [None, None, None]
    with pytest.raises(Unauthenticated, match="it has no credentials"):
        await fleet.log_in()


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("nonsense", "no token of fleetfold"),
        (Credential.mint("key", "shop").text, "not a join token"),
        (Credential.mint("join", "blog").text, "'blog', not 'shop'"),
    ],
    ids=["nonsense", "a key", "another's"],
)
def test_a_token_that_is_not_for_this_node_is_refused_before_it_is_shown(token: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as refused:
        check_join_token(token, "shop")
    assert refused.value.field == "join"
    assert token not in refused.value.message
