"""`fleetfold dead-letters` against a made-up fleet."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import asdict

from fleetfold.dead_letter_filter import DeadLetterFilter
from fleetfold_shared.errors import Conflict
from fleetfold_shared.messages import DeadLetter, DeadLetterEvent, DeadLetterListed
from support.commandline import FakeFleet, run_command

LETTER = DeadLetter(
    id="0123456789abcdef", reason="poison", command="j.j1.shop", node="shop", at=1.7e9, action="reindex",
    params={"full": True}, error="the node died 5 times\x1b[31m", job="j1", caller="till",
    history=[DeadLetterEvent(1.7e9, "sent", "3 times since")],
)  # fmt: skip


@dataclass
class Fleet(FakeFleet):
    """Holds dead letters; those whose id begins with `x` cannot be tried again."""

    held: list[DeadLetter] = field(default_factory=lambda: [LETTER])

    @property
    def dead_letters(self) -> Any:
        return SimpleNamespace(list=self._list, get=self._get, retry=self._retry, drop=self._drop)

    async def _list(
        self, wanted: DeadLetterFilter, *, before: DeadLetter | None = None, limit: int = 100, **more: Any
    ) -> DeadLetterListed:
        given = {**asdict(wanted), **more}
        self._said("dead_letters", {name: value for name, value in given.items() if value}, None)
        rest = [one for one in self.held if before is None or one.id > before.id]
        return DeadLetterListed(dead_letters=rest[:2], total=len(rest))

    async def _get(self, key: str) -> DeadLetter:
        return self._said("dead_letter", key, LETTER)

    async def _retry(self, key: str) -> str:
        if key.startswith("x"):
            raise Conflict("id: it is a step of a transaction")
        return self._said("retry", key, f"l-{key}")

    async def _drop(self, key: str) -> None:
        self._said("drop", key, None)


def _many(*ids: str) -> Fleet:
    return Fleet(held=[DeadLetter(id=key, reason="expired", command="c", node="shop", at=1.0) for key in ids])


def test_they_are_listed_and_cannot_steer_the_terminal() -> None:
    fleet = Fleet()
    told = run_command("dead-letters", "list", "--node", "shop", "--reason", "poison", fleet=fleet).out
    for words in ("0123456789abcdef", "poison", "reindex", "job j1", "the node died 5 times"):
        assert words in told
    assert "\x1b" not in told
    assert fleet.asked[0] == ("dead_letters", {"node": "shop", "reason": "poison"})
    assert run_command("dead-letters", "list", "--json", fleet=Fleet()).json["total"] == 1
    assert "no dead letters" in run_command("dead-letters", "list", fleet=_many()).out
    assert "1 more" in run_command("dead-letters", "list", fleet=_many("a", "b", "c")).out


def test_one_is_shown_with_its_history() -> None:
    told = run_command("dead-letters", "show", LETTER.id, fleet=Fleet()).out
    for words in ("j.j1.shop", '{"full":true}', "till", "3 times since"):
        assert words in told


def test_one_is_tried_again_or_dropped_by_its_id() -> None:
    fleet = Fleet()
    assert "l-a1" in run_command("dead-letters", "retry", "a1", fleet=fleet).out
    assert run_command("dead-letters", "drop", "a1", "--json", fleet=fleet).json["dropped"][0]["id"] == "a1"
    assert fleet.asked == [("retry", "a1"), ("drop", "a1")]
    refused = run_command("dead-letters", "retry", "x1", fleet=fleet)
    assert (refused.code, "step of a transaction" in refused.err) == (1, True)


@pytest.mark.parametrize(
    ("ids", "code"),
    [(("a", "b", "c", "d", "e"), 0), (("a", "b", "x1", "x2", "x3", "z"), 3), (("x1", "x2"), 1), ((), 0)],
)
def test_all_of_them_page_by_page_and_none_holds_up_another(ids: tuple[str, ...], code: int) -> None:
    fleet = _many(*ids)
    done = run_command("dead-letters", "retry", "--all", "--reason", "expired", "--json", fleet=fleet)
    assert done.code == code
    assert [one["id"] for one in done.json["retried"]] == list(ids)
    assert [key for verb, key in fleet.asked if verb == "retry"] == [key for key in ids if key[0] != "x"]


@pytest.mark.parametrize("words", [[], ["a1", "--all"], ["a1", "--node", "shop"], ["--node", "shop"]])
def test_one_or_all_must_be_said(words: list[str]) -> None:
    for verb in ("retry", "drop"):
        refused = run_command("dead-letters", verb, *words, "--json", fleet=Fleet())
        assert (refused.code, refused.json["error"]["field"]) == (2, "id")


def test_since_is_a_duration() -> None:
    assert run_command("dead-letters", "list", "--since", "yesterday", "--json", fleet=Fleet()).code == 2
    fleet = Fleet()
    run_command("dead-letters", "list", "--since", "1h", fleet=fleet)
    assert fleet.asked[0][1]["since"] > 1.7e9
