"""Which sources have been read already: a file is read again only when it is another file than it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleetfold.source_readings import Source, SourceLog
from fleetfold_child.connectors.documents import USUAL
from fleetfold_child.connectors.reading_summary import SourceState
from fleetfold_shared.config import Reading

STATE = SourceState(left_out=1, note="docs.jsonl:7: not JSON")


def is_known(log: SourceLog, source: Source) -> bool:
    return log.known("docs", source, USUAL) is not None


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "docs.jsonl"
    file.write_text('{"id": "1", "text": "tent"}\n')
    return file


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    return tmp_path / "sources.json"


def test_a_file_is_known_after_it_was_read_also_to_the_next_process(source: Path, log_file: Path) -> None:
    log = SourceLog(log_file)
    assert not is_known(log, source)
    log.remember("docs", source, USUAL, STATE)
    assert is_known(log, source)
    assert is_known(SourceLog(log_file), str(source))
    assert SourceLog(log_file).known("other", source, USUAL) is None


@pytest.mark.parametrize("change", ["size", "time", "gone"])
def test_a_file_that_has_changed_is_not_known(source: Path, log_file: Path, change: str) -> None:
    log = SourceLog(log_file)
    log.remember("docs", source, USUAL, STATE)
    if change == "size":
        source.write_text("")
    elif change == "time":
        os.utime(source, ns=(1, 1))
    else:
        source.unlink()
    assert not is_known(log, source)


def test_another_file_is_not_known(source: Path, log_file: Path, tmp_path: Path) -> None:
    log = SourceLog(log_file)
    log.remember("docs", source, USUAL, STATE)
    other = tmp_path / "other.jsonl"
    other.write_bytes(source.read_bytes())
    os.utime(other, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
    assert not is_known(log, other)


def test_a_function_is_never_known(log_file: Path) -> None:
    log = SourceLog(log_file)
    log.remember("docs", list, USUAL, STATE)
    assert not is_known(log, list)


def test_a_log_that_cannot_be_read_is_an_empty_one(source: Path, log_file: Path) -> None:
    log_file.write_bytes(b'{"docs": ["half a')
    log = SourceLog(log_file)
    assert not is_known(log, source)
    log.remember("docs", source, USUAL, STATE)
    assert is_known(SourceLog(log_file), source)


def test_a_file_that_is_to_be_read_in_another_way_is_not_known(source: Path, log_file: Path) -> None:
    log = SourceLog(log_file)
    log.remember("docs", source, USUAL, STATE)
    assert log.known("docs", source, Reading(text=["subject"])) is None


def test_a_file_that_was_read_by_other_rules_is_not_known(
    source: Path, log_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SourceLog(log_file).remember("docs", source, USUAL, STATE)
    monkeypatch.setattr("fleetfold.source_readings.READER", "of another release")
    assert SourceLog(log_file).known("docs", source, USUAL) is None


def test_what_was_to_be_said_of_a_file_is_said_again(source: Path, log_file: Path) -> None:
    SourceLog(log_file).remember("docs", source, USUAL, STATE)
    assert SourceLog(log_file).known("docs", source, USUAL) == STATE


def test_a_log_of_an_older_release_is_an_empty_one(source: Path, log_file: Path) -> None:
    log_file.write_text('{"docs": ["/docs.jsonl", 7, 8]}')
    assert not is_known(SourceLog(log_file), source)
