"""Backups of real stores: what they hold, what they leave out, and what they add to their target."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fleetfold.backup import chosen_parts, list_backups
from fleetfold.backup.catalogue import manifest_name, object_name
from fleetfold.backup.secret_encryption import unseal
from fleetfold.backup.targets import DirectoryTarget
from fleetfold_child.ledger.ledger_schema import VERSION
from fleetfold_shared.errors import Conflict, NotFound, Unavailable
from support.backups import PASSPHRASE, FleetData, entries, open_table
from support.wait import eventually


@pytest.fixture
async def data(tmp_path: Path) -> FleetData:
    return await FleetData.make(tmp_path / "state")


async def test_a_backup_names_its_stores_with_their_rows_and_revisions(data: FleetData) -> None:
    data.add_job("j1")
    made = data.back_up()
    stores = {store.path: store for store in made.stores}
    assert list(stores) == [
        "master/master.db", "nodes/shop/sources.json", "nodes/shop/node.db", "nodes/shop/lance/things.lance",
    ]  # fmt: skip
    assert stores["master/master.db"].rows["job"] == 1
    assert stores["master/master.db"].schema.startswith("r00")
    assert stores["nodes/shop/node.db"].schema == str(VERSION)
    assert stores["nodes/shop/lance/things.lance"].rows == {"documents": 20}


async def test_the_master_is_pinned_before_the_ledgers_and_each_ledger_before_its_documents(data: FleetData) -> None:
    taken = [store.taken_at for store in data.back_up().stores]
    assert taken == sorted(taken)


async def test_a_snapshot_does_not_have_what_is_written_while_others_are_copied(
    data: FleetData, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = DirectoryTarget.put

    def write_meanwhile(self: DirectoryTarget, name: str, source: Path) -> None:
        data.add_command(f"j.{name[-20:]}.shop", 1.0)
        put(self, name, source)

    monkeypatch.setattr(DirectoryTarget, "put", write_meanwhile)
    made = data.back_up()
    [ledger] = [store for store in made.stores if store.path == "nodes/shop/node.db"]
    assert ledger.rows["fleetfold_command"] == 0
    with closing(sqlite3.connect(data.ledger)) as now:
        assert now.execute("SELECT count(*) FROM fleetfold_command").fetchone() > (0,)


async def test_documents_that_are_there_already_are_not_copied_again(data: FleetData) -> None:
    first = data.back_up(["nodes/shop"])
    second = data.back_up(["nodes/shop"])
    assert second.new_bytes < first.new_bytes
    documents = sum(file.bytes for file in first.below("nodes/shop/lance"))
    assert first.new_bytes - second.new_bytes >= documents
    table = await open_table(data.node)
    await table.write(entries(range(1000, 1010)))
    await table.close()
    third = data.back_up(["nodes/shop"])
    old = {file.sha256 for file in second.files}
    assert any("/data/" in file.path and file.sha256 not in old for file in third.files)


async def test_secrets_are_encrypted_by_the_passphrase(data: FleetData) -> None:
    made = data.back_up(passphrase=PASSPHRASE)
    [sealed] = made.below("secrets.sealed")
    content = data.target.read(object_name(sealed.sha256))
    assert b"secret" not in content.replace(b'"secrets"', b"")
    assert unseal(content, PASSPHRASE) == {
        "keys/signing.json": b'{"secret":1}', "nodes/shop/credentials.json": b'{"node":"shop"}',
    }  # fmt: skip
    assert made.left_out == []


async def test_without_a_passphrase_secrets_are_left_out_and_named(data: FleetData) -> None:
    made = data.back_up()
    assert made.left_out == [
        "keys/signing.json: no passphrase was given", "nodes/shop/credentials.json: no passphrase was given",
    ]  # fmt: skip
    contents = [data.target.read(object_name(file.sha256)) for file in made.files]
    assert not any(b'{"secret":1}' in content or b'{"node":"shop"}' in content for content in contents)


async def test_a_backup_that_was_interrupted_is_listed_as_incomplete(
    data: FleetData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: DirectoryTarget, _name: str, _source: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(DirectoryTarget, "put", fail)
    with pytest.raises(OSError, match="No space"):
        data.back_up()
    [entry] = list_backups(data.target)
    assert entry.state == "incomplete"
    assert not list(data.place.rglob(".backup-*"))


async def test_a_damaged_database_is_refused_rather_than_copied(data: FleetData) -> None:
    data.back_up()
    for number in range(400):
        data.add_command(f"j.{number}.shop", 1.0)
    content = bytearray(data.ledger.read_bytes())
    content[-8192:] = b"\xa5" * 8192
    data.ledger.write_bytes(content)
    with pytest.raises(Unavailable, match=r"node\.db: cannot be backed up"):
        data.back_up()
    assert [entry.state for entry in list_backups(data.target)] == ["incomplete", "complete"]


async def test_two_backups_to_one_target_at_once_are_refused(data: FleetData) -> None:
    with data.target.exclusive(), pytest.raises(Conflict, match="another backup"):
        data.back_up()


async def test_one_that_may_wait_begins_when_the_other_has_ended(data: FleetData) -> None:
    folder = data.place.with_name("state-backups")
    with data.target.exclusive():
        data.target = DirectoryTarget(folder, wait_s=60)
        waiting = asyncio.create_task(asyncio.to_thread(data.back_up))
        await eventually(lambda: (folder / ".lock").exists())
        assert not waiting.done()
    assert (await waiting).parts == ["master", "nodes/shop"]


async def test_the_parts_are_those_that_are_there(data: FleetData, tmp_path: Path) -> None:
    assert chosen_parts(data.places, master=False, nodes=()) == ["master", "nodes/shop"]
    assert chosen_parts(data.places, master=False, nodes=["shop"]) == ["nodes/shop"]
    with pytest.raises(NotFound, match="nodes/blog"):
        chosen_parts(data.places, master=False, nodes=["blog"])
    with pytest.raises(NotFound, match="anything to back up"):
        chosen_parts(FleetData(tmp_path / "none").places, master=False, nodes=())


async def test_what_a_backup_writes_is_its_owners_alone(data: FleetData) -> None:
    made = data.back_up()
    folder = data.place.with_name("state-backups")
    for name in (manifest_name(made.id), *(object_name(file.sha256) for file in made.files)):
        assert (folder / name).stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0
