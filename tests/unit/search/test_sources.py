from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetfold_child.documents import Document
from fleetfold_child.sources import documents, open_source
from fleetfold_shared.errors import InvalidInput


async def read(source: AsyncIterator[Document]) -> tuple[list[str], str]:
    ids: list[str] = []
    try:
        async for one in source:
            ids.append(one.id)
    except InvalidInput as error:
        return ids, error.message
    return ids, ""


async def test_jsonl_is_read_with_a_byte_order_mark_and_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": 1}\n\n  \n{"id": "\xc3\xa9"}')
    assert await read(open_source(path)) == (["1", "é"], "")


@pytest.mark.parametrize("line", [b"{", b"[1]", b'{"title": "no id"}', b'{"id": "\xff"}', b'{"id": 1,}'])
async def test_a_malformed_line_is_named_after_those_before_it(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"".join(b'{"id": %d}\n' % i for i in range(700)) + line + b'\n{"id": "after"}\n')
    ids, error = await read(open_source(path))
    assert len(ids) == 700
    assert error.startswith(f"{path}:701: ")


async def test_csv_is_read_with_line_breaks_in_values(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text('id,title,text,price\n1,A,"two\nlines",3\n2,B,,\n', encoding="utf-8")
    found = [one async for one in open_source(path)]
    assert [(one.id, one.content, one.metadata) for one in found] == [
        ("1", "two\nlines", {"price": "3"}),
        ("2", "", {}),
    ]


@pytest.mark.parametrize("rest", ["2,b,c,d\n", '"2,b\n', ",b\n"])
async def test_a_malformed_row_is_named(tmp_path: Path, rest: str) -> None:
    path = tmp_path / "d.csv"
    path.write_text("id,title\n1,a\n" + rest, encoding="utf-8")
    ids, error = await read(open_source(path))
    assert ids == ["1"]
    assert error.startswith(f"{path}:3: ")


@pytest.mark.parametrize("name", ["missing.jsonl", "there.parquet", "."])
def test_a_file_that_cannot_be_a_source_is_refused_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "there.parquet").touch()
    with pytest.raises(InvalidInput, match=r"give the path|use a \.jsonl"):
        open_source(tmp_path / name)


async def test_any_iterable_of_records_is_a_source_and_is_closed() -> None:
    closed = False

    async def generate() -> AsyncIterator[dict[str, Any]]:
        nonlocal closed
        try:
            yield {"id": 1}
            yield {"no": "id"}
        finally:
            closed = True

    assert await read(documents(generate())) == (
        ["1"],
        "record 2: id: the record has none; give each document an id of its own",
    )
    assert closed
    assert await read(documents([{"id": 1}, Document("2", "", "", {})])) == (["1", "2"], "")
