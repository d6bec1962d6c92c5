"""The extras of the package, and the one line for a command or a program that needs one which is not installed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.util import find_spec

from fleetfold_shared.errors import Unavailable

__all__ = ["EXTRAS", "missing_extra", "require"]

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "Stemmer": ("child", "master"),
    "aiosqlite": ("master", "sql"),
    "alembic": ("master",),
    "cryptography": ("master",),
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
    """What to install for `who`, of several extras the `preferred` one; `None` for a module that no extra brings."""
    extras = EXTRAS.get((error.name or "").partition(".")[0])
    if extras is None:
        return None
    extra = preferred if preferred in extras else extras[0]
    return Unavailable(f"{who} needs the extra `{extra}`: pip install 'fleetfold[{extra}]'")


def require(extra: str, *, besides: Collection[str] = ()) -> None:
    """`ModuleNotFoundError` when a package of the extra is missing, `besides` aside: before anything is waited for, and
    not only when the package is first used.
    """
    for module in (module for module, extras in EXTRAS.items() if extra in extras and module not in besides):
        if find_spec(module) is None:
            why = f"{module} is not installed: pip install 'fleetfold[{extra}]'"
            raise ModuleNotFoundError(why, name=module)
