"""Sources: numbers are numbers, forms are recognised, and what cannot be taken is named by file and line."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetfold_child.connectors.documents import USUAL, Document
from fleetfold_child.connectors.files import check_reading, documents, open_source
from fleetfold_child.connectors.ingest_report import IndexReport
from fleetfold_child.index.ingest import ingest
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput


async def read(source: AsyncIterator[Document]) -> tuple[list[str], str]:
    ids: list[str] = []
    try:
        async for one in source:
            ids.append(one.id)
    except InvalidInput as error:
        return ids, error.message
    return ids, ""


async def taken(source: Any, reading: Reading = USUAL) -> tuple[dict[str, Document], IndexReport]:
    """What a collection would hold after it, and the report; bad records are left out."""
    there: dict[str, Document] = {}

    async def put(batch: Any) -> int:
        there.update({one.id: one for one in batch})
        return len(batch)

    counter, changed = await ingest(source, reading, put, leave_out=True)
    return there, counter.report(changed)


def written(folder: Path, text: str | bytes, name: str = "d.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


async def column(folder: Path, values: list[str], name: str = "price", **reading: Any) -> list[Any]:
    """What the values of one column become; None for one that is left out."""
    rows = "".join(f'{number},"{value}"\n' for number, value in enumerate(values))
    there, _ = await taken(written(folder, f"id,{name}\n{rows}"), Reading(**reading))
    return [there[str(number)].metadata.get(name) for number in range(len(values)) if str(number) in there]


async def test_jsonl_is_read_with_a_byte_order_mark_and_empty_lines(tmp_path: Path) -> None:
    path = written(tmp_path, b'\xef\xbb\xbf{"id": 1}\n\n  \n{"id": "\xc3\xa9"}', "d.jsonl")
    assert await read(open_source(path)) == (["1", "é"], "")


@pytest.mark.parametrize("line", [b"{", b"[1]", b'{"title": "no id"}', b'{"id": "\xff"}', b'{"id": 1,}'])
async def test_a_malformed_line_is_named_after_those_before_it(tmp_path: Path, line: bytes) -> None:
    before = b"".join(b'{"id": %d}\n' % i for i in range(700))
    path = written(tmp_path, before + line + b'\n{"id": "after"}\n', "d.jsonl")
    ids, error = await read(open_source(path))
    assert len(ids) == 700
    assert error.startswith(f"{path}:701: ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": 2, "price": NaN}', "NaN is no number of JSON"),
        ('{"id": 2, "price": -Infinity}', "-Infinity is no number of JSON"),
        ('{"id": 2, "price": 1e400}', "a number is larger"),
        ('{"id": 2},', "a comma behind the object"),
        ('{"id": 2,}', "a comma before a closing bracket"),
        ('[{"id": 2}]', "not an object"),
        ('"text"', "not an object"),
        ('{"id": 2, "title": "\\ud83d"}', "half of a surrogate pair"),
        ('{"id": 1.5}', "id: expected a text or a whole number"),
        ('{"id": 2, "title": {"en": "x"}}', "title: expected a text, got dict"),
        ("{" * 5000, "too many values within values|not JSON"),
    ],
)  # fmt: skip
async def test_one_bad_line_is_told_and_the_others_are_taken(tmp_path: Path, line: str, said: str) -> None:
    path = written(tmp_path, f'{{"id": "1", "title": "a"}}\n{line}\n{{"id": "3", "title": "c"}}\n', "d.jsonl")
    there, report = await taken(path)
    assert (list(there), report.taken, report.left_out) == (["1", "3"], 2, 1)
    assert report.notes[0].startswith(f"{path}:2: ")
    assert any(one in report.notes[0] for one in said.split("|"))


async def test_a_whole_number_of_any_length_is_taken_as_it_is(tmp_path: Path) -> None:
    path = written(
        tmp_path, '{"id": 1, "title": "a", "n": 18446744073709551616000, "a": {"b": -9223372036854775809}}\n', "d.jsonl"
    )
    there, report = await taken(path)
    assert (there["1"].metadata, report.left_out) == ({"n": 18446744073709551616000, "a": {"b": -(2**63) - 1}}, 0)


async def test_many_bad_lines_are_counted_and_the_first_of_them_named(tmp_path: Path) -> None:
    path = written(tmp_path, '{"id": "1", "title": "a"}\n' + "{\n" * 12, "d.jsonl")
    _, report = await taken(path)
    assert report.left_out == 12
    assert len(report.notes) == 6
    assert report.notes[-1] == "and 7 more records were left out"


@pytest.mark.parametrize("name", ["d.json", "d.jsonl"])
@pytest.mark.parametrize("text", ['[{"id": 1}, {"id": 2}]', '[\n  {"id": 1},\n  {\n "id": 2}\n]\n'])
async def test_an_array_of_objects_is_a_source_too(tmp_path: Path, name: str, text: str) -> None:
    assert list((await taken(written(tmp_path, text, name)))[0]) == ["1", "2"]


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ('{"id": 2, "price": NaN}', "NaN is no number of JSON"),
        ('{"id": 2, "title": "\\ud83d"}', "half of a surrogate pair"),
        ('{"id": 2, "price": 1e400}', "a number is larger"),
        ('{"id": 2, "title": "a, ]}" "b"}', "not JSON"),
        ("[1, {}]", "not an object"),
        (f'{{"id": 2, "deep": {"[" * 5000}{"]" * 5000}}}', "too many values within values"),
    ],
)
@pytest.mark.parametrize("between", [", ", ",\n"])
async def test_one_bad_item_of_an_array_is_told_and_the_others_are_taken(
    tmp_path: Path, item: str, said: str, between: str
) -> None:
    text = between.join(['{"id": 1, "title": "a [\\"b"}', item, '{"id": 3, "title": "c"}'])
    path = written(tmp_path, f"[{text}]\n", "d.json")
    there, report = await taken(path)
    assert (list(there), report.left_out) == (["1", "3"], 1)
    assert report.notes[0].startswith(f"{path}: item 2: ")
    assert said in report.notes[0]


async def test_a_broken_array_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"d\.json: not one JSON array: .*comma before a closing bracket"):
        await taken(written(tmp_path, '[\n{"id": 1},\n]', "d.json"))


async def test_an_object_over_several_lines_says_how_to_mend_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none of 3 records.*d\.jsonl:1: an object goes over several lines"):
        await taken(written(tmp_path, '{\n "id": 1\n}\n', "d.jsonl"))


async def test_csv_is_read_with_line_breaks_in_values(tmp_path: Path) -> None:
    path = written(tmp_path, 'id,title,text,price\n1,A,"two\nlines",3\n2,B,,\n')
    found = [one async for one in open_source(path)]
    assert [(one.id, one.content, one.metadata) for one in found] == [
        ("1", "two\nlines", {"price": 3}),
        ("2", "", {}),
    ]


@pytest.mark.parametrize(("rest", "said"), [("2,b,c,d\n", "4 values"), ('"2,b\n', "never closed"), (",b\n", "id: ")])
async def test_a_malformed_row_is_named(tmp_path: Path, rest: str, said: str) -> None:
    path = written(tmp_path, "id,title\n1,a\n" + rest)
    there, report = await taken(path)
    assert list(there) == ["1"]
    assert report.notes[0].startswith(f"{path}:3: ")
    assert said in report.notes[0]


@pytest.mark.parametrize(
    ("values", "typed"),
    [
        (["240", "1800", "9.5", "", "-3", "0"], [240, 1800, 9.5, None, -3, 0]),
        (["9,90", "45", "1,5"], [9.9, 45, 1.5]),
        (["1.5e3", ".5"], [1500.0, 0.5]),
        (["true", "FALSE"], [True, False]),
        (["9223372036854775807"], [9223372036854775807]),
        (["007", "12"], ["007", "12"]),
        (["+49 30 1234"], ["+49 30 1234"]),
        (["+4930", "12"], ["+4930", "12"]),
        (["9223372036854775808"], ["9223372036854775808"]),
        (["0.12345678901234567890"], ["0.12345678901234567890"]),
        (["12E4", "13"], ["12E4", "13"]),
        (["1,234", "2,500"], ["1,234", "2,500"]),
        (["1,234.50"], ["1,234.50"]),
        (["2024-12-31"], ["2024-12-31"]),
        (["yes", "no"], ["yes", "no"]),
        (["NaN", "1"], ["NaN", "1"]),
        (["inf"], ["inf"]),
        (["€ 9.90"], ["€ 9.90"]),
        (["1_000"], ["1_000"]),
        (["٣"], ["٣"]),
    ],
)  # fmt: skip
async def test_a_column_all_of_whose_values_are_numbers_is_one(tmp_path: Path, values: list[str], typed: Any) -> None:
    found = await column(tmp_path, values)
    assert found == typed
    assert [type(one) for one in found] == [type(one) for one in typed]


@pytest.mark.parametrize("name", ["sku", "EAN", "Postleitzahl", "Phone 2", "ISBN-13", "Телефон"])
async def test_identifiers_of_digits_stay_texts(tmp_path: Path, name: str) -> None:
    assert await column(tmp_path, ["12345678"], name) == ["12345678"]


@pytest.mark.parametrize(
    ("kind", "values", "typed"),
    [
        ("number", ["007", "1,234.50", "1.234,50", "9,90"], [7, 1234.5, 1234.5, 9.9]),
        ("number", ["1 000", "1'000'000", "-1.000.000,5"], [1000, 1000000, -1000000.5]),
        ("integer", ["5", "1.0"], [5, 1]),
        ("boolean", ["yes", "0", "TRUE"], [True, False, True]),
        ("date", ["2024-12-31", "2024-12-31T10:00:00Z"], ["2024-12-31", "2024-12-31T10:00:00Z"]),
        ("text", ["1", "2.50"], ["1", "2.50"]),
        ("number", ["1,234", "x", "3"], [3]),
        ("integer", ["1.5", "3"], [3]),
        ("boolean", ["maybe", "on"], [True]),
        ("date", ["31.12.2024", "2024-01-01"], ["2024-01-01"]),
    ],
)  # fmt: skip
async def test_a_declared_type_decides(tmp_path: Path, kind: Any, values: list[str], typed: list[Any]) -> None:
    assert await column(tmp_path, values, fields={"price": kind}) == typed


async def test_a_declared_type_holds_for_json_as_well() -> None:
    records = [{"id": 1, "price": "9,90", "zip": 123}, {"id": 2, "price": "dear"}, {"id": 3, "price": None}]
    there, report = await taken(records, Reading(fields={"price": "number", "zip": "text"}))
    assert there["1"].metadata == {"price": 9.9, "zip": "123"}
    assert report.notes[0].startswith("record 2: price: expected a number, got 'dear'")
    assert list(there) == ["1", "3"]


@pytest.mark.parametrize("kind", ["number", "integer", "boolean", "date", "text"])
@pytest.mark.parametrize("value", [math.nan, math.inf, 10**5000, "\ud83d"], ids=["nan", "inf", "long", "half"])
async def test_a_value_of_no_declared_type_is_one_bad_record(kind: Any, value: Any) -> None:
    records = [{"id": 1, "n": value}, {"id": 10**5000}, {"id": 3, "title": "c", "n": None}]
    there, report = await taken(records, Reading(fields={"n": kind}))
    assert (list(there), report.left_out) == (["3"], 2)
    assert report.notes[0].startswith("record 1: n: ")
    assert report.notes[1].startswith("record 2: id: ")


async def test_a_column_that_is_nearly_one_of_numbers_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, "id,price\n" + "".join(f"{n},{n}\n" for n in range(20)) + "20,n/a\n")
    there, report = await taken(path)
    assert there["3"].metadata == {"price": "3"}
    assert any("20 of 21 values are numbers, 'n/a' in line 22 is not" in note for note in report.notes)


@pytest.mark.parametrize(
    ("values", "declarable"),
    [
        (["1.234,50", "9,90"], True),
        (["1,234", "2,500"], False),
        (["12 %", "3,5%"], False),
        (["€ 9.90", "45"], False),
        (["5", "NaN", "n/a"], False),
        (["2024-12-31", "31.12.2024"], None),
        (["007", "12"], None),
        (["+49 30 1234"], None),
        (["1.2.3", "1.2"], None),
    ],
)
async def test_a_column_of_numbers_that_are_written_otherwise_is_told(
    tmp_path: Path, values: list[str], declarable: bool | None
) -> None:
    rows = "".join(f'{number},"{value}",t\n' for number, value in enumerate(values))
    _, report = await taken(written(tmp_path, f"id,price,title\n{rows}"))
    assert any("is not written as 1234.5 is" in note for note in report.notes) == (declarable is not None)
    assert any("--field price:number" in note for note in report.notes) == (declarable is True)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
async def test_the_separator_is_recognised(tmp_path: Path, separator: str) -> None:
    rows = [["id", "title", "text", "price"], ["1", "Tent", '"a, b; c | d"', '"9,90"'], ["2", "Cup", "x", "45"]]
    path = written(tmp_path, "".join(separator.join(row) + "\r\n" for row in rows))
    there, _ = await taken(path)
    assert (there["1"].content, there["1"].metadata) == ("a, b; c | d", {"price": 9.9})
    assert there["2"].metadata == {"price": 45}


async def test_a_separator_may_be_said_by_the_file_or_declared(tmp_path: Path) -> None:
    assert list((await taken(written(tmp_path, "sep=;\r\nid;title\r\n1;a,b\r\n")))[0]) == ["1"]
    there, _ = await taken(written(tmp_path, "id:title\n1:a\n"), check_reading(Reading(separator=":"), "docs"))
    assert there["1"].title == "a"


async def test_blanks_around_names_and_values_are_no_part_of_them(tmp_path: Path) -> None:
    there, _ = await taken(written(tmp_path, 'id, title, price\n1, Tent , 5\n2, "Cup, red", 6\n'))
    assert [(one.title, one.metadata) for one in there.values()] == [("Tent", {"price": 5}), ("Cup, red", {"price": 6})]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
@pytest.mark.parametrize("name", ["d.csv", "d.jsonl"])
async def test_the_encoding_is_recognised_or_named(tmp_path: Path, encoding: str, name: str) -> None:
    text = "id;title;note\n1;Frühstück;à la carte\n" if name == "d.csv" else '{"id": "1", "title": "Frühstück"}\n'
    path = written(tmp_path, text, name, encoding)
    if name == "d.jsonl" and encoding in {"cp1252", "latin-1"}:
        with pytest.raises(InvalidInput, match=r"d\.jsonl:1: not UTF-8; name the file's encoding with --encoding"):
            await taken(path)
        there, report = await taken(path, Reading(encoding=encoding))
    else:
        there, report = await taken(path)
        assert any("read as cp1252" in note for note in report.notes) == (encoding in {"cp1252", "latin-1"})
    assert there["1"].title == "Frühstück"


async def test_a_file_of_no_known_encoding_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = written(tmp_path, b"id,title\n1,\x81\x8d\n")
    with pytest.raises(
        InvalidInput, match=r"d\.csv: it is neither UTF-8 nor cp1252; name its encoding with --encoding"
    ):
        await taken(path)
    with pytest.raises(InvalidInput, match=r"it is not utf-8: .*name its encoding with --encoding"):
        await taken(path, Reading(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("sku,name\n1,a\n", "no column is called 'id'; it has sku, name; name the id's with --id"),
        ("sku name\n1 a\n", "the separator with --separator"),
        ("id,name,name\n1,a,b\n", "two columns are called 'name'"),
    ],
)
async def test_a_header_that_will_not_do_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        await taken(written(tmp_path, text))


async def test_a_value_may_be_longer_than_the_csv_module_allows(tmp_path: Path) -> None:
    there, _ = await taken(written(tmp_path, f"id,text\n1,{'word ' * 100_000}\n"))
    assert len(there["1"].content) == 499_999


@pytest.mark.parametrize("ids", [("1", '"1"'), ('"1"', '"1"'), ("1", "1.0")])
async def test_a_repeated_id_is_told_with_its_lines_and_the_last_one_counts(
    tmp_path: Path, ids: tuple[str, str]
) -> None:
    path = written(tmp_path, "".join(f'{{"id": {one}, "title": "t{n}"}}\n' for n, one in enumerate(ids)), "d.jsonl")
    there, report = await taken(path)
    assert there["1"].title == "t1"
    assert (report.taken, report.repeated) == (2, 1)
    assert report.notes[0] == f"{path}:2: the id '1' is that of line 1; the last one counts"


async def test_records_without_text_are_counted_and_their_fields_named() -> None:
    _, report = await taken([{"id": 1, "code": "A"}, {"id": 2, "code": "B"}, {"id": 3, "title": "C"}])
    assert report.without_text == 2
    assert "2 of 3 records have no text" in report.notes[0]
    assert "their fields are code: name those to search with --text" in report.notes[0]


async def test_records_that_have_nothing_in_the_named_fields_are_told_so() -> None:
    _, report = await taken([{"id": 1, "code": "A"}, {"id": 2, "note": "B"}], Reading(text=["note"]))
    assert "1 of 2 records have no text and are not found by words: they have nothing in note;" in report.notes[0]


async def test_a_named_field_that_no_record_has_is_told() -> None:
    records = [{"id": 1, "name": "Tent", "message": "It is dry."}, {"id": 2, "name": "Stove", "message": "Hot."}]
    _, report = await taken(records, Reading(text=["message", "subjekt"], title="headline"))
    assert report.notes == ["no record has a field 'headline', 'subjekt', which was named to be searched"]


async def test_fields_that_were_chosen_for_their_values_are_told() -> None:
    there, report = await taken([{"id": 1, "remark": "The zipper broke after two days.", "sku": "A-1"}])
    assert there["1"].content == "The zipper broke after two days."
    assert there["1"].metadata == {"remark": "The zipper broke after two days.", "sku": "A-1"}
    assert "long ones are searched: remark" in report.notes[0]


async def test_nothing_is_taken_of_a_strict_source_with_a_bad_record(tmp_path: Path) -> None:
    path = written(tmp_path, '{"id": 1, "title": "a"}\n{\n{\n', "d.jsonl")
    with pytest.raises(InvalidInput, match=r"d\.jsonl:2: .*\(and 1 more\); nothing was taken"):
        await taken(path, Reading(strict=True))
    with pytest.raises(InvalidInput, match=r"the id '1' is that of record 1.*nothing was taken"):
        await taken([{"id": 1}, {"id": "1"}], Reading(strict=True))


@pytest.mark.parametrize("name", ["missing.jsonl", "there.parquet", "."])
def test_a_file_that_cannot_be_a_source_is_refused_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "there.parquet").touch()
    with pytest.raises(InvalidInput, match=r"give the path|use a \.jsonl"):
        open_source(tmp_path / name)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"separator": "ab"}, "separator of docs: 'ab'"),
        ({"separator": "x"}, "separator of docs: 'x'"),
        ({"encoding": "klingon"}, "encoding of docs: there is no 'klingon'"),
        ({"encoding": "hex"}, "encoding of docs: there is no 'hex'"),
        ({"text": ["id"]}, "text of docs: 'id' is the id"),
        ({"text": ["a", "a"]}, "text of docs: a field is named twice"),
    ],
)
def test_a_reading_that_cannot_be_carried_out_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        check_reading(msgspec.convert(given, Reading), "docs")


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


async def test_a_source_that_raises_says_what_after_those_before_it() -> None:
    def broken() -> Any:
        yield {"id": 1, "title": "a"}
        raise ConnectionError("the shop is\naway")

    with pytest.raises(InvalidInput, match="the shop is away, after record 1; records taken before it: 1"):
        await taken(broken())


async def test_what_is_no_record_is_told_by_its_number() -> None:
    there, report = await taken([{"id": 1, "title": "a"}, "text", None, {"id": 2, "title": "b"}])
    assert list(there) == ["1", "2"]
    assert [note.split(";")[0] for note in report.notes] == [
        "record 2: record: expected an object with fields, got str",
        "record 3: record: expected an object with fields, got NoneType",
    ]
