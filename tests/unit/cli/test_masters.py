"""`fleetfold masters` against a made-up fleet."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from fleetfold_shared.messages import MasterInfo
from support.commandline import FakeFleet, run_command


def _master(**changes: Any) -> MasterInfo:
    facts = {
        "id": "01hzymaster", "seat": "01hzyseat", "instance_id": "01hzyseat", "host": "db1", "pid": 4711,
        "started_at": time.time() - 7200.5,
        "state": "answering", "silent_s": None, "jobs": 1200, "transactions": 3,
    }  # fmt: skip
    return MasterInfo(**(facts | changes))


@dataclass
class Fleet(FakeFleet):
    """Answers with two masters, of which one is silent."""

    @property
    def masters(self) -> Any:
        return SimpleNamespace(list=self._masters)

    async def _masters(self) -> list[MasterInfo]:
        return self._said("masters", None, [_master(), _master(id="other", state="silent", silent_s=1.5)])


def test_each_is_told_with_where_it_runs_how_it_is_and_what_it_drives() -> None:
    first, second = run_command("masters", "list", fleet=Fleet()).out.splitlines()[2:]
    for words in ("01hzymaster", "answering", "db1", "4711", "2 h ago", "1,200", "3"):
        assert words in first
    assert "silent for 1.5 s" in second


def test_json_has_all_of_it() -> None:
    told = run_command("masters", "list", "--json", fleet=Fleet()).json["masters"]
    assert [(each["state"], each["silent_s"], each["instance_id"]) for each in told] == [
        ("answering", None, "01hzyseat"), ("silent", 1.5, "01hzyseat"),
    ]  # fmt: skip
