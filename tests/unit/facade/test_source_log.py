"""Which sources have been read already: a file is read again only when it is another file than it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleetfold.sources import SourceLog, records
from fleetfold_shared.errors import InvalidInput


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
    assert not log.is_known("docs", source)
    log.remember("docs", source)
    assert log.is_known("docs", source)
    assert SourceLog(log_file).is_known("docs", str(source))
    assert not SourceLog(log_file).is_known("other", source)


@pytest.mark.parametrize("change", ["size", "time", "gone"])
def test_a_file_that_has_changed_is_not_known(source: Path, log_file: Path, change: str) -> None:
    log = SourceLog(log_file)
    log.remember("docs", source)
    if change == "size":
        source.write_text("")
    elif change == "time":
        os.utime(source, ns=(1, 1))
    else:
        source.unlink()
    assert not log.is_known("docs", source)


def test_another_file_is_not_known(source: Path, log_file: Path, tmp_path: Path) -> None:
    log = SourceLog(log_file)
    log.remember("docs", source)
    other = tmp_path / "other.jsonl"
    other.write_bytes(source.read_bytes())
    os.utime(other, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
    assert not log.is_known("docs", other)


def test_a_function_is_never_known(log_file: Path) -> None:
    log = SourceLog(log_file)
    log.remember("docs", list)
    assert not log.is_known("docs", list)


def test_a_log_that_cannot_be_read_is_an_empty_one(source: Path, log_file: Path) -> None:
    log_file.write_bytes(b'{"docs": ["half a')
    log = SourceLog(log_file)
    assert not log.is_known("docs", source)
    log.remember("docs", source)
    assert SourceLog(log_file).is_known("docs", source)


def test_records_of_a_function_are_given_anew_each_time() -> None:
    given = [{"id": "1"}]
    assert list(records(lambda: iter(given))) == given  # type: ignore[arg-type]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nothing\.jsonl"):
        records(tmp_path / "nothing.jsonl")
