"""The options of `fleetfold child`, by what they concern, and their values over the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec.structs import asdict

from fleetfold_cli.parsing.assignments import by_name, collections, labels, pair
from fleetfold_cli.parsing.common_options import Flag, Many, New, Option, StatePath
from fleetfold_cli.parsing.reading_arguments import readings
from fleetfold_shared.config import ChildConfig
from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.text.scoring import check_alpha

__all__ = [
    "APPLICATION", "HOSTED", "JOIN_TOKEN", "READING", "ApplicationOptions", "CollectionOptions", "JoinTokenOptions",
    "ReadingOptions", "over",
]  # fmt: skip


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class CollectionOptions:
    """The collections of a child."""

    collection: Annotated[
        tuple[str, ...], Many(help="`products=docs.jsonl`: a collection and its JSONL or CSV file; or a name alone.")
    ] = ()
    key: Annotated[
        tuple[str, ...],
        Many(help="`products=gtin`: a field of a collection that identifies a thing; or `=field:kind`."),
    ] = ()
    alpha: Annotated[
        tuple[str, ...],
        Many(
            help="`products=0.5`: how words weigh against meaning in a collection, from 1 (words alone) to 0.",
            show_default="0.7",
        ),
    ] = ()
    replica: Annotated[
        tuple[str, ...],
        Many(help="`products=catalogue`: a collection, and the name it shares with those of the same documents."),
    ] = ()

    def settings(self) -> dict[str, object]:
        """The settings of a child."""
        return {
            "collections": collections(self.collection), "keys": _keys(self.key), "alphas": _alphas(self.alpha),
            "replicas": by_name(self.replica, "replica"),
        }  # fmt: skip


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How the records of collections are read."""

    id: Annotated[
        tuple[str, ...], Many(help="`products=sku`: the field that holds a record's id.", show_default="id")
    ] = ()
    title: Annotated[
        tuple[str, ...], Many(help="`products=headline`: the field that holds the title; the usual names without it.")
    ] = ()
    text: Annotated[
        tuple[str, ...],
        Many(help="`products=subject,message`: the fields that are searched; the usual names without it."),
    ] = ()
    field: Annotated[
        tuple[str, ...],
        Many(help="`products=price:number`: a field's type: text, number, integer, boolean or date."),
    ] = ()
    format: Annotated[
        tuple[str, ...],
        Many(help="`products=html`: what texts are written in: html, markdown, text or auto.", show_default="auto"),
    ] = ()
    separator: Annotated[
        tuple[str, ...], Many(help="`products=;`: what stands between the values of a CSV file; found without it.")
    ] = ()
    encoding: Annotated[
        tuple[str, ...], Many(help="`products=cp1252`: the encoding of the file; found without it.")
    ] = ()
    strict: Annotated[bool, Flag(help="Refuse a file with a bad record as a whole; the previous documents stay.")] = (
        False
    )

    def settings(self, config: ChildConfig) -> dict[str, object]:
        """The settings of a child with the collections of `config`."""
        words = {
            "id": self.id, "title": self.title, "text": self.text, "field": self.field, "format": self.format,
            "separator": self.separator, "encoding": self.encoding,
        }  # fmt: skip
        return {"reading": readings(config, words, strict=self.strict)}


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class ApplicationOptions:
    """The application that a child fronts."""

    actions: Annotated[tuple[str, ...], Many(help="`module:object`: an action, or a list of them.")] = ()
    data: Annotated[Path | None, StatePath("Where it keeps its index.", "children/NAME")] = None
    new: New = False
    type: Annotated[str | None, Option(help="What kind of application it is.", show_default="app")] = None
    label: Annotated[tuple[str, ...], Many(help="`key=value`: a label of the node.")] = ()
    weight: Annotated[float | None, Option(help="Its share of balanced work.", show_default="1")] = None
    concurrency: Annotated[int | None, Option(help="How many requests it serves at once.", show_default="16")] = None
    database: Annotated[
        tuple[str, ...],
        Many(
            help="`shop=sqlite:///shop.db`: a database that actions write to; or a name, and $FLEETFOLD_DATABASE_SHOP."
        ),
    ] = ()

    def settings(self) -> dict[str, object]:
        """The settings of a child."""
        return {
            "actions": list(self.actions), "data": self.data and str(self.data), "type": self.type,
            "labels": labels(self.label), "weight": self.weight, "concurrency": self.concurrency,
            "databases": _databases(self.database),
        }  # fmt: skip


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class JoinTokenOptions:
    """The join token of a new node."""

    join: Annotated[
        str | None, Option(help="The join token of a new node; prefer --join-file: `ps` shows this to everyone.")
    ] = None
    join_file: Annotated[
        Path | None, Option(help="The file of the join token; else `$FLEETFOLD_JOIN`, `$FLEETFOLD_JOIN_FILE`.")
    ] = None

    def read(self) -> str | None:
        """The token, not yet checked. Raises `InvalidInput` for a file that cannot be read."""
        file = self.join_file
        if file is None:
            return self.join
        if self.join is not None:
            raise InvalidInput("join: --join and --join-file exclude each other; give one", field="join")
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not text"
            raise InvalidInput(f"join-file: {file} cannot be read: {why}", field="join_file") from None


HOSTED, READING, APPLICATION, JOIN_TOKEN = (
    CollectionOptions(),
    ReadingOptions(),
    ApplicationOptions(),
    JoinTokenOptions(),
)


def over(config: ChildConfig, given: Mapping[str, object]) -> ChildConfig:
    """The settings, overridden by the options that were given; validated."""
    changes = {key: value for key, value in given.items() if value not in (None, (), [], {})}
    return convert_to(asdict(config) | changes, ChildConfig, "")


def _databases(words: Sequence[str]) -> dict[str, str]:
    """The URLs by name; an empty one is read from the environment."""
    return {name: url for name, _, url in (word.partition("=") for word in words)}


def _keys(words: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in words:
        collection, key = pair(word, "key")
        found.setdefault(collection, []).append(key)
    return found


def _alphas(words: tuple[str, ...]) -> dict[str, float]:
    found: dict[str, float] = {}
    for word in words:
        collection, value = pair(word, "alpha")
        if collection in found:
            raise InvalidInput(f"alpha: {collection!r} is given twice", field="alpha")
        found[collection] = convert_to(value, float, f"alpha of {collection}", strict=False)
        check_alpha(found[collection], f"alpha of {collection}")
    return found
