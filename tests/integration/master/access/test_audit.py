"""The audit log: nothing that was noted is lost or told twice, and who follows it sees each entry once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Executable, RowMapping

from fleetfold_master.access.audit_log import AuditLog
from fleetfold_master.store.compiled_statements import Write
from fleetfold_shared.config import RetentionConfig
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import AuditList
from fleetfold_shared.redaction import Redactor
from support.access import Doors, open_doors

DAY_S = 86_400


async def test_an_entry_says_who_did_what_to_what_from_where(doors: Doors) -> None:
    await doors.audit.write(
        "ops", "keys.create", "ok", role="admin", node="shop", target="01k9", reason="why", source="192.0.2.1"
    )
    (entry,) = await doors.log()
    assert (entry.who, entry.what, entry.outcome, entry.role) == ("ops", "keys.create", "ok", "admin")
    assert (entry.node, entry.target, entry.reason, entry.source) == ("shop", "01k9", "why", "192.0.2.1")
    assert entry.at == doors.clock.wall()


async def test_what_is_noted_is_written_in_order_and_in_one_go(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write = doors.store.write

    async def counted(*writes: Write) -> int:
        written.append(len(writes[0].rows))
        return await write(*writes)

    monkeypatch.setattr(doors.store, "write", counted)
    for i in range(100):
        doors.audit.note("ops", f"verb-{i}", "ok")
    await asyncio.sleep(0)
    doors.clock.advance(0.05)
    entries = (await doors.audit.list(AuditList(limit=1000))).entries
    assert [entry.what for entry in entries] == [f"verb-{i}" for i in range(100)]
    assert written == [100]


async def test_what_waits_is_written_at_the_end(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as before:
        before.audit.note("ops", "nodes.remove", "ok")
    async with open_doors(tmp_path) as after:
        assert len(await after.log()) == 1


async def test_what_could_not_be_written_is_written_later_and_once(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_writes: Write) -> int:
        raise Unavailable("no database")

    with monkeypatch.context() as broken:
        broken.setattr(doors.store, "write", fails)
        with pytest.raises(Unavailable):
            await doors.audit.write("ops", "first", "ok")
    await doors.audit.write("ops", "second", "ok")
    assert [entry.what for entry in await doors.log()] == ["first", "second"]


async def test_a_caller_that_is_cancelled_loses_no_entry_and_doubles_none(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, committed, go_on = doors.store.write, asyncio.Event(), asyncio.Event()

    async def held_up(*writes: Write) -> int:
        count = await write(*writes)
        committed.set()
        await go_on.wait()
        return count

    monkeypatch.setattr(doors.store, "write", held_up)
    writing = asyncio.create_task(doors.audit.write("ops", "cancelled", "ok"))
    await committed.wait()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    go_on.set()
    await doors.audit.write("ops", "after", "ok")
    assert [entry.what for entry in await doors.log()] == ["cancelled", "after"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, "abcd"),
        ({"limit": 2}, "cd"),
        ({"who": "ops"}, "ac"),
        ({"what": "b"}, "b"),
        ({"outcome": "refused"}, "bd"),
        ({"node": "shop"}, "ac"),
        ({"node": "sho"}, ""),
        ({"node": "%"}, ""),
        ({"since": 1_000_020.0}, "cd"),
        ({"after": 2}, "cd"),
        ({"after": 1, "limit": 2}, "bc"),
        ({"after": 0, "who": "ops", "node": "blog"}, "c"),
    ],
)
async def test_it_is_filtered(doors: Doors, filters: dict[str, object], found: str) -> None:
    await doors.audit.write("ops", "a", "ok", node="shop")
    doors.clock.advance(10)
    await doors.audit.write("ci", "b", "refused", node="shop-2")
    doors.clock.advance(10)
    await doors.audit.write("ops", "c", "ok", node="blog,shop,tickets")
    await doors.audit.write("ci", "d", "refused")
    assert "".join(entry.what for entry in await doors.log(**filters)) == found


async def test_who_follows_it_sees_every_entry_once_as_it_comes(doors: Doors) -> None:
    seen: list[str] = []

    async def follow() -> None:
        after = 0
        while len(seen) < 20:
            for entry in (await doors.audit.list(AuditList(after=after, wait_ms=5000))).entries:
                seen.append(entry.what)
                after = entry.seq

    following = asyncio.create_task(follow())
    for i in range(20):
        await doors.audit.write("ops", f"verb-{i}", "ok")
    async with asyncio.timeout(4):
        await following
    assert seen == [f"verb-{i}" for i in range(20)]


async def test_who_waits_for_what_does_not_come_gets_nothing(doors: Doors) -> None:
    await doors.audit.write("ops", "a", "ok")
    assert (await doors.audit.list(AuditList(after=1, wait_ms=20))).entries == []
    waiting = asyncio.create_task(doors.audit.list(AuditList(after=1, who="ci", wait_ms=50)))
    await doors.audit.write("ops", "b", "ok")
    assert (await waiting).entries == []


async def test_what_another_master_writes_is_seen_by_who_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetfold_master.access.audit_log.LOOK_S", 0.02)
    async with open_doors(tmp_path) as one, open_doors(tmp_path) as other:
        read, looked = one.store.read, asyncio.Event()

        async def watched(statement: Executable) -> Sequence[RowMapping]:
            rows = await read(statement)
            looked.set()
            return rows

        monkeypatch.setattr(one.store, "read", watched)
        following = asyncio.create_task(one.audit.list(AuditList(after=0, wait_ms=2000)))
        await looked.wait()
        await other.audit.write("ops", "elsewhere", "ok")
        async with asyncio.timeout(1):
            assert [entry.what for entry in (await following).entries] == ["elsewhere"]


async def test_it_is_kept_for_ninety_days_and_never_counts_from_one_again(doors: Doors) -> None:
    await doors.audit.write("ops", "old", "ok")
    await doors.audit.write("ops", "older than ninety days too, but the last", "ok")
    doors.clock.advance(91 * DAY_S)
    await doors.audit.prune()
    await doors.audit.write("ops", "new", "ok")
    await doors.audit.prune()
    (entry,) = await doors.log()
    assert (entry.what, entry.seq) == ("new", 3)


async def test_retention_is_a_setting_and_reads_have_their_own(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as doors:
        audit = AuditLog(doors.store, doors.clock, RetentionConfig(audit_days=30, audit_reads_days=2))
        for what in ("search.query", "ask.question", "nodes.ping", "nodes.remove"):
            audit.note("ops", what, "ok", ms=1.5)
        await audit.write("ops", "last", "ok")
        doors.clock.advance(3 * DAY_S)
        await audit.prune()
        assert [(entry.what, entry.ms) for entry in await doors.log()] == [("nodes.remove", 1.5), ("last", None)]
        doors.clock.advance(28 * DAY_S)
        await audit.prune()
        assert [entry.what for entry in await doors.log()] == ["last"]


async def test_reads_that_are_kept_for_no_time_are_not_written(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as doors:
        audit = AuditLog(doors.store, doors.clock, RetentionConfig(audit_reads_days=0))
        audit.note("ops", "search.query", "ok")
        await audit.write("ops", "nodes.remove", "ok")
        assert [entry.what for entry in await doors.log()] == ["nodes.remove"]


async def test_reads_leave_room_for_changes_when_the_store_fails(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold_master.access.audit_log.MOST_WAITING", 4)
    for _ in range(10):
        doors.audit.note("ops", "search.query", "ok")
    for _ in range(10):
        doors.audit.note("ops", "nodes.remove", "ok")
    assert [entry.what for entry in await doors.log()] == ["search.query"] * 2 + ["nodes.remove"] * 2


async def test_a_reason_is_redacted(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as doors:
        audit = AuditLog(doors.store, doors.clock, redact=Redactor([r"\d{4}"]))
        await audit.write("ops", "nodes.remove", "refused", reason="card 1234 is unknown")
        (entry,) = await doors.log()
        assert entry.reason == "card [redacted] is unknown"


async def test_what_a_stranger_sends_fits_and_is_one_line(doors: Doors) -> None:
    await doors.audit.write("x" * 1000, "connect", "refused", reason="a\nb\x00c\ud800" + "y" * 1000)
    (entry,) = await doors.log()
    assert len(entry.who) == 63
    assert entry.reason.startswith("a?b?c?y")
    assert len(entry.reason) == 255


async def test_a_store_that_fails_for_long_does_not_fill_the_memory(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetfold_master.access.audit_log.MOST_WAITING", 3)
    for i in range(10):
        doors.audit.note("ops", f"{i}", "ok")
    assert [entry.what for entry in await doors.log()] == ["0", "1", "2"]
