"""The table of roles: what is decided about it in words holds in it."""

from __future__ import annotations

from typing import get_args

import pytest

from fleetfold_master.access.roles import ROLES, TABLE, reach, verbs_of
from fleetfold_shared.messages import Role


def test_the_table_knows_every_role() -> None:
    assert sorted(ROLES) == sorted(get_args(Role))


def test_a_master_may_do_everything_and_an_admin_all_but_join() -> None:
    assert verbs_of("master") == set(TABLE)
    assert verbs_of("admin") == set(TABLE) - {"nodes.join"}


def test_an_operator_may_do_all_that_readers_and_publishers_may_for_everybody() -> None:
    below = verbs_of("reader") | verbs_of("publisher")
    assert below <= verbs_of("operator")
    assert {reach("operator", verb) for verb in below} == {"all"}


def test_a_reader_changes_nothing_but_says_what_it_chose() -> None:
    looking = {"list", "get", "wait", "ended", "follow", "ping", "stats"}
    areas = {verb for verb in verbs_of("reader") if verb.split(".")[1] not in looking}
    assert areas == {"search.query", "quality.click", "ask.question", "access.whoami"}


def test_a_publisher_sees_its_own_jobs_and_transactions_only() -> None:
    own = {verb for verb in verbs_of("publisher") if reach("publisher", verb) == "own"}
    assert {verb for verb in own if verb.startswith("jobs.")} == {
        "jobs.get", "jobs.wait", "jobs.ended", "jobs.list", "jobs.follow", "jobs.cancel"
    }  # fmt: skip
    assert {verb for verb in own if verb.startswith("tx.")} == {
        "tx.get", "tx.wait", "tx.follow", "tx.list", "tx.cancel"
    }  # fmt: skip
    assert all(verb.startswith(("jobs.", "tx.", "schedules.", "dead_letters.")) for verb in own)


def test_a_publisher_has_to_do_with_its_own_schedules_and_dead_letters_only() -> None:
    verbs = {verb for verb in verbs_of("operator") if verb.startswith(("schedules.", "dead_letters."))}
    assert len(verbs) == 11
    assert {reach("publisher", verb) for verb in verbs} == {"own"}


def test_a_child_may_join_and_ask_about_itself_and_nothing_else() -> None:
    assert verbs_of("child") == {"nodes.join", "nodes.get", "access.whoami"}
    assert {reach("child", verb) for verb in verbs_of("child")} == {"own"}


def test_only_admins_have_to_do_with_keys() -> None:
    holders = {role for role in ROLES for verb in verbs_of(role) if verb.startswith("keys.")}
    assert holders == {"admin", "master"}


@pytest.mark.parametrize("role", ROLES)
def test_nobody_may_ask_for_what_is_not_in_the_table(role: Role) -> None:
    assert reach(role, "nodes.destroy") is None


def test_every_verb_is_described_in_a_sentence() -> None:
    assert [verb for verb, row in TABLE.items() if not (row.about[0].isupper() and row.about.endswith("."))] == []
