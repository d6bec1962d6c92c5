"""Settings that map the records of a collection to documents."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = ["FieldType", "Reading", "TextFormat"]

FieldType = Literal["text", "number", "integer", "boolean", "date"]
TextFormat = Literal["auto", "html", "markdown", "text"]

FieldName = Annotated[str, Meta(min_length=1, max_length=200)]


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """How a collection reads its records: `[children.reading.NAME]`, or `[master.reading.NAME]`."""

    id: Annotated[FieldName, Meta(description="The field that holds the id of a record.")] = "id"
    title: Annotated[
        FieldName | None, Meta(description="The field that holds the title; without it the usual names are looked for.")
    ] = None
    text: Annotated[
        list[FieldName],
        Meta(description="The fields that are searched beside the title; without them the usual names are looked for."),
    ] = []
    fields: Annotated[
        dict[FieldName, FieldType],
        Meta(description="Fields whose values have one type in all records; a record that does not fit is left out."),
    ] = {}
    format: Annotated[
        TextFormat, Meta(description="What the text fields hold; `auto` looks at each text. `text` is taken as it is.")
    ] = "auto"
    separator: Annotated[
        str | None, Meta(description='What stands between the values of a CSV file: one character, or "tab".')
    ] = None
    encoding: Annotated[str | None, Meta(description="The encoding of the file, such as `cp1252`.")] = None
    strict: Annotated[
        bool, Meta(description="Whether a source with one bad record or a repeated id is refused as a whole.")
    ] = False
