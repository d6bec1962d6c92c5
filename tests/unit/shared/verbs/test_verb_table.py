"""The verb table: what is decided in words about verbs and roles holds in it."""

from __future__ import annotations

from types import ModuleType
from typing import get_args

import pytest

from fleetfold_shared import verbs
from fleetfold_shared.messages import Role
from fleetfold_shared.verbs import ROLES, VERBS, Verb, reach, verbs_of


def test_the_table_knows_every_role() -> None:
    assert sorted(ROLES) == sorted(get_args(Role))


def test_a_master_may_do_everything_and_an_admin_all_but_join() -> None:
    assert verbs_of("master") == set(VERBS)
    assert verbs_of("admin") == set(VERBS) - {"nodes.join", "commands.confirm"}


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
    assert {verb for verb in own if verb.startswith("transactions.")} == {
        "transactions.get", "transactions.wait", "transactions.follow", "transactions.list", "transactions.cancel"
    }  # fmt: skip
    assert all(verb.startswith(("jobs.", "transactions.", "schedules.", "dead_letters.")) for verb in own)


def test_a_publisher_has_to_do_with_its_own_schedules_and_dead_letters_only() -> None:
    verbs = {verb for verb in verbs_of("operator") if verb.startswith(("schedules.", "dead_letters."))}
    assert len(verbs) == 11
    assert {reach("publisher", verb) for verb in verbs} == {"own"}


def test_a_child_may_join_and_ask_about_itself_and_nothing_else() -> None:
    assert verbs_of("child") == {"nodes.join", "nodes.get", "access.whoami", "commands.confirm"}
    assert {reach("child", verb) for verb in verbs_of("child")} == {"own"}


def test_only_admins_have_to_do_with_keys() -> None:
    holders = {role for role in ROLES for verb in verbs_of(role) if verb.startswith("keys.")}
    assert holders == {"admin", "master"}


@pytest.mark.parametrize("role", ROLES)
def test_nobody_may_ask_for_what_is_not_in_the_table(role: Role) -> None:
    assert reach(role, "nodes.destroy") is None


def test_every_verb_is_described_in_a_sentence() -> None:
    assert [name for name, verb in VERBS.items() if not (verb.about[0].isupper() and verb.about.endswith("."))] == []


def test_every_verb_stands_in_the_module_of_its_area_under_its_own_name() -> None:
    for name, verb in VERBS.items():
        area, _, short = name.partition(".")
        assert getattr(getattr(verbs, area), short.upper()) is verb
        assert verb.area == area


def test_every_verb_that_is_declared_is_in_the_table() -> None:
    areas = [area for name in verbs.__all__ if isinstance(area := getattr(verbs, name), ModuleType)]
    declared = [value for area in areas for value in vars(area).values() if isinstance(value, Verb)]
    assert len(declared) == len(VERBS)
    assert set(declared) == set(VERBS.values())


def test_a_request_belongs_to_one_verb() -> None:
    assert len({verb.takes for verb in VERBS.values()}) == len(VERBS)


def test_a_safe_verb_is_idempotent_and_only_its_reads_of_documents_and_nodes_are_audited() -> None:
    safe = {name: verb for name, verb in VERBS.items() if verb.safe}
    assert all(verb.idempotent for verb in safe.values())
    audited = {name: verb.audit for name, verb in safe.items() if verb.audit != "denials"}
    assert audited == dict.fromkeys(["nodes.audit", "nodes.ping", "search.query", "ask.question"], "buffered")


def test_every_change_is_audited_but_joins_and_clicks() -> None:
    silent = {name for name, verb in VERBS.items() if not verb.safe and verb.audit == "denials"}
    assert silent == {"nodes.join", "quality.click"}


def test_what_makes_a_new_thing_each_time_is_not_idempotent() -> None:
    assert {name for name, verb in VERBS.items() if not verb.idempotent} == {
        "nodes.invite", "keys.create", "keys.rotate", "keys.sign", "quality.click", "transactions.retry",
    }  # fmt: skip
