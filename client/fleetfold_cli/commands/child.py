"""`fleetfold child`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from msgspec.structs import asdict

from fleetfold.event_loop import until_signalled
from fleetfold.standalone import up_line
from fleetfold.state_directory import find_url, state_directory
from fleetfold_cli.daemons.serving import private, running_child, settings
from fleetfold_cli.parsing.assignments import by_name, collections, labels, pair
from fleetfold_cli.parsing.common_options import CONNECTION, DAEMON, Connection, Daemon, Flag, Many, Option, StatePath
from fleetfold_cli.parsing.readings import readings
from fleetfold_cli.terminal import Injected
from fleetfold_shared.config import ChildConfig, Config
from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.errors import Conflict, InvalidInput
from fleetfold_shared.messages import CollectionInfo
from fleetfold_shared.text.scoring import check_alpha
from fleetfold_shared.urls import redacted_url

__all__ = ["child"]


async def child(
    *,
    name: Annotated[
        str | None, Option(help="The node's name: a-z, 0-9 and '-'. The config's only child without it.")
    ] = None,
    collection: Annotated[
        tuple[str, ...], Many(help="`products=docs.jsonl`: a collection and its JSONL or CSV file; or a name alone.")
    ] = (),
    key: Annotated[
        tuple[str, ...],
        Many(help="`products=gtin`: a field of a collection that identifies a thing; or `=field:kind`."),
    ] = (),
    alpha: Annotated[
        tuple[str, ...],
        Many(
            help="`products=0.5`: how words weigh against meaning in a collection, from 1 (words alone) to 0.",
            show_default="0.7",
        ),
    ] = (),
    replica: Annotated[
        tuple[str, ...],
        Many(help="`products=catalogue`: a collection, and the name it shares with those of the same documents."),
    ] = (),
    id: Annotated[  # noqa: A002 (the setting's name)
        tuple[str, ...], Many(help="`products=sku`: the field that holds a record's id.", show_default="id")
    ] = (),
    title: Annotated[
        tuple[str, ...], Many(help="`products=headline`: the field that holds the title; the usual names without it.")
    ] = (),
    text: Annotated[
        tuple[str, ...],
        Many(help="`products=subject,message`: the fields that are searched; the usual names without it."),
    ] = (),
    field: Annotated[
        tuple[str, ...],
        Many(help="`products=price:number`: a field's type: text, number, integer, boolean or date."),
    ] = (),
    format: Annotated[  # noqa: A002 (the setting's name)
        tuple[str, ...],
        Many(help="`products=html`: what texts are written in: html, markdown, text or auto.", show_default="auto"),
    ] = (),
    separator: Annotated[
        tuple[str, ...], Many(help="`products=;`: what stands between the values of a CSV file; found without it.")
    ] = (),
    encoding: Annotated[
        tuple[str, ...], Many(help="`products=cp1252`: the encoding of the file; found without it.")
    ] = (),
    strict: Annotated[
        bool, Flag(help="Refuse a file with a bad record as a whole; the documents are those of before.")
    ] = False,
    actions: Annotated[tuple[str, ...], Many(help="`module:object`: an action, or a list of them.")] = (),
    data: Annotated[Path | None, StatePath("Where it keeps its index.", "children/NAME")] = None,
    type: Annotated[str | None, Option(help="What kind of application it is.", show_default="app")] = None,  # noqa: A002
    label: Annotated[tuple[str, ...], Many(help="`key=value`, to tell nodes by.")] = (),
    weight: Annotated[float | None, Option(help="Its share where work is shared out.", show_default="1")] = None,
    concurrency: Annotated[int | None, Option(help="How many requests it serves at once.", show_default="16")] = None,
    database: Annotated[
        tuple[str, ...],
        Many(
            help="`shop=sqlite:///shop.db`: a database that actions write to; or a name, and $FLEETFOLD_DATABASE_SHOP."
        ),
    ] = (),
    join: Annotated[
        str | None, Option(help="The join token of a new node; rather --join-file: `ps` shows this to everybody.")
    ] = None,
    join_file: Annotated[
        Path | None, Option(help="The file of the join token; else `$FLEETFOLD_JOIN`, `$FLEETFOLD_JOIN_FILE`.")
    ] = None,
    daemon: Daemon = DAEMON,
    connection: Connection = CONNECTION,
    terminal: Injected,
) -> int:
    """A child: one application's documents and actions.

    Waits for its broker and for a master, and stays up until SIGINT or SIGTERM. Options come before what the config
    file says of the same child. Modules of actions are looked for in the current folder first. With one collection
    `products=` may be left out of the options that say how it is read: `--text subject,message`.
    """
    config = settings(daemon, connection, terminal)
    given = {
        "collections": collections(collection), "actions": list(actions), "data": data and str(data), "type": type,
        "labels": labels(label), "weight": weight, "concurrency": concurrency, "keys": _keys(key),
        "alphas": _alphas(alpha),
        "replicas": by_name(replica, "replica"), "databases": _databases(database),
    }  # fmt: skip
    chosen = _over(_configured(config, name), given)
    words = {
        "id": id, "title": title, "text": text, "field": field, "format": format, "separator": separator,
        "encoding": encoding,
    }  # fmt: skip
    chosen = _over(chosen, {"reading": readings(chosen, words, strict=strict)})
    url = find_url(connection.url or config.url)
    private(Path(chosen.data) if chosen.data else state_directory() / "children" / chosen.name)
    with until_signalled() as told:
        async with running_child(chosen, url, config, join=_token(join, join_file)) as node:
            ready = {
                "ready": "child",
                "name": node.name,
                "url": redacted_url(url),
                "pid": os.getpid(),
                "documents": node.documents,
                "sources": {name: _source(info) for name, info in node.collections.items()},
            }
            terminal.ready(connection, ready, up_line(node.name, node.collections, redacted_url(url)))
            reason = await node.wait()
    if told.number is None:
        raise Conflict(f"{node.name}: {reason}", field="name")
    return told.exit_code


def _configured(config: Config, name: str | None) -> ChildConfig:
    """What the config says of `name`; without a name, its only child."""
    if name is None:
        if len(config.children) != 1:
            raise InvalidInput("name: a child needs one: --name shop", field="name")
        return config.children[0]
    for known in config.children:
        if known.name == name:
            return known
    return convert_to({"name": name}, ChildConfig, "")


def _over(config: ChildConfig, given: Mapping[str, object]) -> ChildConfig:
    """The options that were given over the settings, checked as they are."""
    changes = {key: value for key, value in given.items() if value not in (None, (), [], {})}
    return convert_to(asdict(config) | changes, ChildConfig, "")


def _databases(words: Sequence[str]) -> dict[str, str]:
    """The URLs by name; none where the environment has it."""
    return {name: url for name, _, url in (word.partition("=") for word in words)}


def _token(given: str | None, file: Path | None) -> str | None:
    """The join token, for now as it is; `InvalidInput` for a file that cannot be read."""
    if file is None:
        return given
    if given is not None:
        raise InvalidInput("join: --join and --join-file exclude each other; give one", field="join")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not text"
        raise InvalidInput(f"join-file: {file} cannot be read: {why}", field="join_file") from None


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


def _source(info: CollectionInfo) -> dict[str, object]:
    """What is to be known of a collection's source, as JSON has it."""
    return {
        "left_out": info.left_out, "repeated": info.repeated, "without_text": info.without_text, "note": info.note,
    }  # fmt: skip
