"""Options for reading collections: `--text subject,message`, or `--text tickets=subject,message`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args

from msgspec.structs import asdict

from fleetfold_shared.config import ChildConfig, FieldType, Reading, TextFormat
from fleetfold_shared.errors import InvalidInput

__all__ = ["readings"]


def readings(config: ChildConfig, given: Mapping[str, Sequence[str]], *, strict: bool) -> dict[str, dict[str, Any]]:
    """The reading options by collection, over the settings. Raises `InvalidInput` for an unknown or missing
    collection.

    `given` are the words of each option; `text` may hold several fields, and `field` one with its type.
    """
    found = {name: asdict(reading) for name, reading in config.reading.items()}
    for option, words in given.items():
        for word in words:
            name, value = _aimed(word, option, config.collections)
            _set(found.setdefault(name, asdict(Reading())), option, value, name, first=word == words[0])
    if strict:
        found = {name: found.get(name, asdict(Reading())) | {"strict": True} for name in config.collections}
    return found


def _aimed(word: str, option: str, collections: Collection[str]) -> tuple[str, str]:
    """The collection and value of a word; without a name, the only collection."""
    name, equals, value = word.partition("=")
    if equals and name in collections and value:
        return name, value
    if equals and name:
        known = ", ".join(collections) or "none"
        raise InvalidInput(f"{option}: there is no collection {name!r}; there are {known}", field=option)
    if len(collections) != 1:
        raise InvalidInput(f"{option}: say of which collection: --{option} COLLECTION={word}", field=option)
    return next(iter(collections)), word


def _known(word: str, words: Any, option: str) -> str:
    if word not in get_args(words):
        raise InvalidInput(f"{option}: there is no {word!r}; use {', '.join(get_args(words))}", field=option)
    return word


def _set(reading: dict[str, Any], option: str, value: str, collection: str, *, first: bool) -> None:
    if option == "text":
        names = [name for one in value.split(",") if (name := one.strip())]
        reading["text"] = names if first else [*reading["text"], *names]
    elif option == "field":
        name, colon, kind = value.rpartition(":")
        if not colon or not name:
            raise InvalidInput(f"field: {value!r} is no field with a type: write price:number", field="field")
        _known(kind, FieldType, option)
        reading["fields"] = {**reading["fields"], name: kind}
    elif option == "format":
        reading[option] = _known(value, TextFormat, option)
    elif not first and reading[option] != value and reading[option] != asdict(Reading())[option]:
        raise InvalidInput(f"{option}: it is given twice for {collection}", field=option)
    else:
        reading[option] = value
