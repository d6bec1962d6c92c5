"""The options of a child beyond its name, its broker and its data."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fleetfold.name_lists import Names
from fleetfold_shared.config import TlsConfig
from fleetfold_shared.text.embedder_names import DEFAULT_EMBEDDER

__all__ = ["ChildOptions"]


class ChildOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a `Child` that most programs leave as they are.

    `weight` is its share of balanced work, `concurrency` the number of requests it serves at once. `embedder` is the
    model of its vectors, `prefix` the first token of the fleet's subjects. `ca` is the file of the CA to trust; `cert`
    and `key` are presented to a broker that requires a client certificate.

    `ledger_days` is how long the ledger remembers ended commands: longer than anybody repeats or compensates one. What
    one of the regular expressions in `redact` finds in an error is replaced by `[redacted]` before it leaves the node.

    `new` allows a node that has lost its database or its documents to begin without them; leave it out otherwise. Its
    files are checked at the start, and again every `check_every_s` seconds.
    """

    weight: float = 1.0
    concurrency: int = 16
    embedder: str = DEFAULT_EMBEDDER
    prefix: str = "fleet"
    ca: str | Path | None = None
    cert: str | Path | None = None
    key: str | Path | None = None
    ledger_days: float = 30.0
    redact: Names = ()
    new: bool = False
    check_every_s: float = 86_400.0

    @property
    def tls(self) -> TlsConfig:
        """The files of TLS, as settings."""
        return TlsConfig(ca=_text(self.ca), cert=_text(self.cert), key=_text(self.key))


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)
