"""`fleetfold schedules` against a made-up fleet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fleetfold_shared.messages import Firing, ScheduleSpec, ScheduleView
from support.commandline import FakeFleet, run_command

SPEC = ScheduleSpec(
    name="nightly", cron="30 3 * * *", timezone="Europe/Berlin", run={"action": "reindex", "nodes": ["shop", "blog"]}
)
FIRING = Firing(id="s-nightly-1-1700000000", planned_at=1.7e9, state="done", decided_at=1.7e9, outcome="ok")
FILE = """
name = "nightly"
cron = "30 3 * * *"
timezone = "Europe/Berlin"
run = { action = "reindex", nodes = ["shop", "blog"] }
"""


def _view(**changes: Any) -> ScheduleView:
    facts = {
        "spec": SPEC, "version": 1, "caller": "till", "state": "waiting", "created_at": 1.0, "changed_at": 1.0,
        "next_at": 1.8e9, "last": FIRING, "firings": [FIRING],
    }  # fmt: skip
    return ScheduleView(**(facts | changes))  # type: ignore[arg-type]


@dataclass
class Fleet(FakeFleet):
    """Answers with one schedule, and fails for those called `bad`."""

    @property
    def schedules(self) -> Any:
        return SimpleNamespace(
            list=self._list, get=self._get, put=self._put, remove=self._remove, pause=self._pause, resume=self._resume,
            fire=self._fire,
        )  # fmt: skip

    async def _list(self) -> list[ScheduleView]:
        return self._said("schedules", None, self.answer)

    async def _get(self, name: str, *, firings: int) -> ScheduleView:
        return self._said("schedule", (name, firings), self.answer)

    async def _put(self, spec: ScheduleSpec, *, unchecked: bool) -> ScheduleView:
        return self._said("put unchecked" if unchecked else "put", spec, _view(spec=spec))

    async def _remove(self, name: str) -> None:
        self._said("remove", name, None)

    async def _pause(self, name: str) -> ScheduleView:
        return self._said("pause", name, _view(state="paused", next_at=None))

    async def _resume(self, name: str) -> ScheduleView:
        return self._said("resume", name, _view())

    async def _fire(self, name: str) -> ScheduleView:
        return self._said("fire", name, self.answer)


def test_they_are_listed_with_what_and_when() -> None:
    fleet = Fleet(answer=[_view(), _view(spec=ScheduleSpec(name="often", every_s=60, jitter_s=5, transact={}))])
    told = run_command("schedules", "list", fleet=fleet).out
    for words in ("nightly", "30 3 * * * (Europe/Berlin)", "reindex shop,blog", "till", "every 60 s, up to 5 s later"):
        assert words in told
    assert run_command("schedules", "list", "--json", fleet=fleet).json["schedules"][0]["spec"]["name"] == "nightly"
    assert "schedules put FILE" in run_command("schedules", "list", fleet=Fleet(answer=[])).out


def test_one_is_shown_with_its_firings() -> None:
    fleet = Fleet(answer=_view())
    told = run_command("schedules", "show", "nightly", "--firings", "5", fleet=fleet).out
    assert "s-nightly-1-1700000000" in told
    assert fleet.asked == [("schedule", ("nightly", 5))]


def test_a_file_holds_one_or_several(tmp_path: Path) -> None:
    fleet = Fleet()
    assert run_command("schedules", "put", "-", fleet=fleet, stdin=FILE).code == 0
    several = tmp_path / "schedules.toml"
    several.write_text(f"[[schedules]]\n{FILE}\n[[schedules]]\n{FILE.replace('nightly', 'other')}")
    assert run_command("schedules", "put", str(several), fleet=fleet).code == 0
    assert [spec.name for _, spec in fleet.asked] == ["nightly", "nightly", "other"]
    assert fleet.asked[0][1] == SPEC


def test_it_is_put_unchecked_only_if_one_says_so() -> None:
    fleet = Fleet()
    run_command("schedules", "put", "-", fleet=fleet, stdin=FILE)
    run_command("schedules", "put", "-", "--unchecked", fleet=fleet, stdin=FILE)
    assert fleet.asked == [("put", SPEC), ("put unchecked", SPEC)]


@pytest.mark.parametrize(
    ("text", "field"),
    [("name = 5", "name"), (FILE + "croon = 1", "croon"), ('{"schedules": []}', "schedules"), ("[", "file")],
)
def test_a_file_that_is_wrong_is_refused_by_its_field(text: str, field: str) -> None:
    fleet = Fleet()
    refused = run_command("schedules", "put", "-", "--json", fleet=fleet, stdin=text)
    assert (refused.code, refused.json["error"]["field"], fleet.asked) == (2, field, [])


def test_a_firing_that_was_refused_is_a_failure() -> None:
    refused = Firing(id="f", planned_at=1.0, state="refused", decided_at=1.0, why="'till' is no identity")
    told = run_command("schedules", "fire", "nightly", fleet=Fleet(answer=_view(last=refused)))
    assert (told.code, "'till' is no identity" in told.out) == (1, True)
    assert run_command("schedules", "fire", "nightly", fleet=Fleet(answer=_view())).code == 0


def test_pausing_resuming_and_removing() -> None:
    fleet = Fleet()
    for verb in ("pause", "resume", "remove"):
        assert run_command("schedules", verb, "nightly", fleet=fleet).code == 0
    assert [verb for verb, _ in fleet.asked] == ["pause", "resume", "remove"]


def test_the_next_times_of_an_expression_are_computed_here() -> None:
    fleet = Fleet()
    words = ["schedules", "next", "--cron", "30 3 * * *", "--timezone", "Europe/Berlin", "--count", "3"]
    told = run_command(*words, fleet=fleet).out.splitlines()
    assert len(told) == 3
    assert all(" 03:30:00 +0" in line and line.endswith("Europe/Berlin") for line in told)
    times = run_command(*words, "--json", fleet=fleet).json["times"]
    assert len(times) == 3
    assert fleet.connected is None
    every = run_command("schedules", "next", "--every", "60", "--count", "2", "--json").json["times"]
    assert every[1] - every[0] == 60


def test_the_next_times_of_a_schedule_are_its_own() -> None:
    fleet = Fleet(answer=_view())
    told = run_command("schedules", "next", "nightly", "--count", "1", fleet=fleet).out
    assert "03:30:00" in told


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ([], "name"), (["nightly", "--cron", "* * * * *"], "name"), (["--cron", "x"], "cron"),
        (["--every", "60", "--count", "0"], "count"), (["--cron", "* * * * *", "--timezone", "Mars"], "timezone"),
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_refused_by_its_field(words: list[str], field: str) -> None:
    refused = run_command("schedules", "next", *words, "--json", fleet=Fleet(answer=_view()))
    assert (refused.code, refused.json["error"]["field"]) == (2, field)
