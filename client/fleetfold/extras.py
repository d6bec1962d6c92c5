"""The package's extras, and the error for one that is not installed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.util import find_spec

from fleetfold_shared.errors import Unavailable

__all__ = ["EXTRAS", "missing_extra", "require"]

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "Stemmer": ("child", "master"),
    "aiosqlite": ("master", "sql"),
    "alembic": ("master",),
    "cryptography": ("master", "backup"),
    "fsspec": ("backup",),
    "httpx2": ("webhooks", "ask"),
    "jsonschema_rs": ("master",),
    "lancedb": ("child",),
    "lxml": ("child",),
    "markdown_it": ("child",),
    "numpy": ("child", "master"),
    "psycopg": ("postgres", "sql"),
    "pyarrow": ("child",),
    "sqlalchemy": ("master", "sql"),
    "wordllama": ("child", "master"),
}
"""By the name that is imported, which extras bring it; a test holds it against pyproject.toml."""


def missing_extra(error: ModuleNotFoundError, who: str, preferred: str = "child") -> Unavailable | None:
    """The extra to install for `who`, among several the `preferred` one; None for a module of no extra."""
    extras = EXTRAS.get((error.name or "").partition(".")[0])
    if extras is None:
        return None
    extra = preferred if preferred in extras else extras[0]
    return Unavailable(f"{who} needs the extra `{extra}`: pip install 'fleetfold[{extra}]'")


def require(extra: str, *, besides: Collection[str] = ()) -> None:
    """Raise `ModuleNotFoundError` if a package of the extra is missing (except `besides`), before any waiting rather
    than at its first use."""
    for module in (module for module, extras in EXTRAS.items() if extra in extras and module not in besides):
        if find_spec(module) is None:
            why = f"{module} is not installed: pip install 'fleetfold[{extra}]'"
            raise ModuleNotFoundError(why, name=module)
