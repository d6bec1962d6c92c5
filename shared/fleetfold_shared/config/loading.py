"""Loading of settings: defaults, then a TOML file, then `FLEETFOLD_*` variables."""

from __future__ import annotations

import tomllib
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from fleetfold_shared.config.settings import ChildConfig, Config
from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.errors import InvalidInput

__all__ = ["load", "variables"]

S = TypeVar("S", bound=msgspec.Struct)
U = TypeVar("U", str, str | None)
_SQLITE = "sqlite:///"


def load(path: Path | None, env: Mapping[str, str]) -> Config:
    """Load the settings of the file at `path`, if any, overridden by those of `env`.

    Raises `InvalidInput` with the file or the variable, the key and the problem; unknown keys are refused.
    """
    config = _from_file(path) if path else Config()
    return _with_environment(config, env)


def variables() -> Iterator[tuple[str, str]]:
    """Yield the `FLEETFOLD_*` variables and the keys they set, such as `("FLEETFOLD_BROKER_PORT", "broker.port")`."""
    for name, kind in _sections(Config):
        for field in msgspec.structs.fields(kind):
            if (
                name or field.name not in _SECTIONS
            ) and field.default_factory is not dict:  # a table does not fit into one text
                key = f"{name}.{field.name}" if name else field.name
                yield f"FLEETFOLD_{key.replace('.', '_').upper()}", key


_TABLES = ("broker", "master", "search", "ask", "callbacks", "retention", "limits", "backup", "access", "tls", "log")
_SECTIONS = {*_TABLES, "children"}


def _sections(kind: type[Config]) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    yield "", kind
    hints = typing.get_type_hints(kind)
    yield from ((name, hints[name]) for name in _TABLES)


def _from_file(path: Path) -> Config:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}", field="config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: not TOML: {error}", field="config") from None
    config = convert_to(values, Config, str(path))
    _refuse_duplicate_children(config.children, path)
    return _rooted(config, lambda value: str(path.parent / value))


def _refuse_duplicate_children(children: list[ChildConfig], path: Path) -> None:
    names = [child.name for child in children]
    for number, name in enumerate(names):
        if name in names[:number]:
            field = f"children[{number}].name"
            raise InvalidInput(f"{path}: {field}: {name!r} is taken by another child; give each its own", field=field)


def _rooted(config: Config, root: Callable[[str], str]) -> Config:
    def maybe(value: str | None) -> str | None:
        return None if value is None else root(value)

    return replace(
        config,
        broker=replace(config.broker, store=maybe(config.broker.store)),
        master=replace(
            config.master,
            data=maybe(config.master.data),
            collections={name: file and root(file) for name, file in config.master.collections.items()},
            database=_rooted_url(config.master.database, root),
        ),
        access=replace(config.access, keys=maybe(config.access.keys)),
        tls=replace(config.tls, ca=maybe(config.tls.ca), cert=maybe(config.tls.cert), key=maybe(config.tls.key)),
        ask=replace(config.ask, key_file=maybe(config.ask.key_file)),
        backup=replace(
            config.backup,
            target=config.backup.target if "://" in (config.backup.target or "") else maybe(config.backup.target),
            passphrase_file=maybe(config.backup.passphrase_file),
        ),
        children=[
            replace(
                child,
                data=maybe(child.data),
                collections={name: file and root(file) for name, file in child.collections.items()},
                databases={name: _rooted_url(url, root) for name, url in child.databases.items()},
            )
            for child in config.children
        ],
    )


def _rooted_url(url: U, root: Callable[[str], str]) -> U:
    """Apply `root` to the path in an SQLite URL; leave other URLs unchanged."""
    if url is None or not url.startswith(_SQLITE):
        return url
    return _SQLITE + root(url.removeprefix(_SQLITE))


def _with_environment(config: Config, env: Mapping[str, str]) -> Config:
    """Apply known variables. Unknown ones are ignored: Kubernetes sets some for every service it finds."""
    for variable, key in variables():
        if value := env.get(variable):
            config = _set(config, key, value, variable)
    return config


def _set(config: Config, key: str, value: str, variable: str) -> Config:
    section, _, name = key.rpartition(".")
    if not section:
        return _with(config, name, value, variable)
    return replace(config, **{section: _with(getattr(config, section), name, value, variable)})


def _with(struct: S, name: str, value: str, variable: str) -> S:
    kind: Any = typing.get_type_hints(type(struct), include_extras=True)[name]
    plain = typing.get_type_hints(type(struct))[name]
    given: Any = value.split(",") if typing.get_origin(plain) is list else value
    return replace(struct, **{name: convert_to(given, kind, variable, strict=False)})
