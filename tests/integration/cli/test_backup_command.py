"""`fleetfold backup`: its documents, its exit codes and its lines of refusal; and the page about it, typed in order."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from fleetfold.backup.catalogue import OBJECTS
from fleetfold.backup.targets import DirectoryTarget
from support.backups import PASSPHRASE, FleetData
from support.commandline import Result, run_command
from support.pages import ROOT, commands

PAGE = ROOT / "docs" / "how-to" / "backup.md"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FleetData:
    """The data of a fleet in the state directory."""
    monkeypatch.setenv("FLEETFOLD_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "backup.passphrase").write_text(PASSPHRASE)
    return asyncio.run(FleetData.make(tmp_path / "state"))


def backup(*words: str) -> Result:
    return run_command("backup", *words)


def test_each_step_has_a_document_and_succeeds(data: FleetData) -> None:
    made = backup("create", "bk", "--passphrase-file", "backup.passphrase", "--json")
    assert made.code == 0
    assert made.json["parts"] == ["master", "nodes/shop"]
    assert made.json["new_bytes"] == made.json["bytes"] > 0
    assert made.json["left_out"] == []
    [entry] = backup("list", "bk", "--json").json["backups"]
    assert (entry["id"], entry["state"]) == (made.json["id"], "complete")
    verified = backup("verify", "bk", "--json")
    assert (verified.code, verified.json["ok"]) == (0, True)
    restored = backup("restore", "bk", "--data", "new", "--passphrase-file", "backup.passphrase", "--json")
    assert restored.code == 0
    assert restored.json["folders"] == {"master": "new/master", "nodes/shop": "new/children/shop"}


def test_for_people_it_says_what_is_left_out_and_what_is_damaged(data: FleetData, tmp_path: Path) -> None:
    assert "left out: keys/signing.json: no passphrase was given" in backup("create", "bk").out
    assert "as it was stored" in backup("verify", "bk").out
    for name in DirectoryTarget(tmp_path / "bk").names(OBJECTS):
        (tmp_path / "bk" / name).write_bytes(b"")
    said = backup("verify", "bk")
    assert said.code == 1
    assert "DAMAGED" in said.out


def test_a_restore_that_lists_missing_work_ends_with_three(data: FleetData) -> None:
    data.add_command("t.order-1.reserve.f", time.time())
    assert backup("create", "bk").code == 0
    restored = backup("restore", "bk", "--data", "new")
    assert restored.code == 3
    assert "order-1" in restored.out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["create"], 2, "target: name a directory or a URL"),
        (["create", "bk", "--data", "none"], 2, "has anything to back up"),
        (["create", "bk", "--node", "blog"], 2, "nodes/blog"),
        (["create", "bk", "--keep", "0"], 2, "keep: at least 1"),
        (["create", "bk", "--passphrase-file", "none"], 2, "none cannot be read"),
        (["create", "nowhere://bk"], 2, "fsspec has no nowhere://"),
        (["verify", "bk"], 2, "the target has no complete backup"),
        (["verify", "bk", "--backup", "b1"], 2, "the target has no 'b1'"),
        (["restore", "bk"], 2, "the target has no complete backup"),
        (["export", "--data", "none"], 2, "master: there is no"),
        (["import", "none.json"], 2, "none.json"),
    ],
)
def test_a_refusal_is_one_line(data: FleetData, words: list[str], code: int, said: str) -> None:
    found = backup(*words)
    assert (found.code, len(found.err.splitlines())) == (code, 1)
    assert said in found.err


def test_a_restore_to_a_place_in_use_is_refused(data: FleetData) -> None:
    backup("create", "bk")
    found = backup("restore", "bk")
    assert found.code == 1
    assert "is not empty" in found.err


def test_an_import_shows_and_refuses_clashes(data: FleetData, tmp_path: Path) -> None:
    assert backup("export", "fleet.json").code == 0
    text = (tmp_path / "fleet.json").read_text()
    assert '"nodes": []' in text
    node = '"nodes": [{"name": "shop", "title": "TITLE", "registered_at": 1.0}]'
    (tmp_path / "one.json").write_text(text.replace('"nodes": []', node))
    (tmp_path / "two.json").write_text(text.replace('"nodes": []', node.replace("TITLE", "other")))
    assert backup("import", "one.json", "--dry-run", "--json").json["changes"][0]["change"] == "add"
    assert backup("import", "one.json").code == 0
    assert backup("import", "two.json", "--dry-run").code == 1
    refused = backup("import", "two.json")
    assert refused.code == 1
    assert "another title" in refused.err
    assert backup("import", "two.json", "--replace").code == 0


def test_retention_and_the_target_come_from_the_settings(data: FleetData, tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text(
        '[backup]\ntarget = "bk"\nkeep = 1\npassphrase_file = "backup.passphrase"\n[master]\ndata = "state/master"\n'
    )
    for _ in range(2):
        assert backup("create", "--config", "fleet.toml", "--json").json["left_out"] == []
    assert len(backup("list", "--config", "fleet.toml", "--json").json["backups"]) == 1


def test_the_commands_of_the_page_run_in_their_order(data: FleetData, tmp_path: Path) -> None:
    typed = [line.split()[1:] for line in commands(PAGE) if "s3://" not in line]
    assert len(typed) >= 8
    for words in typed:
        given = [str(tmp_path / "bk") if word == "/backup" else word for word in words]
        said = run_command(*given)
        assert said.code == 0, (words, said.err)
