"""URLs: those of a broker's servers, checked one by one, and any without credentials, for logs and messages."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from fleetfold_shared.errors import InvalidInput

__all__ = ["listeners", "redacted_url", "server_urls"]

_SECRET = re.compile(r"^(\w+://)?.*@", re.DOTALL)
USUAL_PORT = 4222
SCHEMES = ("nats", "tls")
EXAMPLE = "write nats://HOST:PORT or tls://HOST:PORT, and a comma between the servers of a cluster"


def redacted_url(url: str) -> str:
    """Return `url` without user name and password; nothing before its last `@` remains, whatever the text is."""
    return _SECRET.sub(lambda found: found[1] or "", url)


def server_urls(url: str) -> list[str]:
    """Return the servers that the comma-separated `url` names, each with its scheme.

    Raises `InvalidInput` when one of them is no URL of a NATS server, or when only some of them are `tls://`: a client
    would send its credentials in plain text to the others.
    """
    found = [_server(each.strip(), number, url) for number, each in enumerate(url.split(","), 1)]
    if len({each.scheme for each in found}) > 1:
        raise InvalidInput("url: some of its servers are tls:// and some are not; use one for all", field="url")
    return [each.geturl() for each in found]


def listeners(url: str) -> set[tuple[str, int]]:
    """Return host and port of every server in `url`; empty when it is not valid."""
    try:
        parts = [urlsplit(each) for each in server_urls(url)]
    except InvalidInput:
        return set()
    return {(each.hostname or "", each.port or USUAL_PORT) for each in parts}


def _server(text: str, number: int, url: str) -> SplitResult:
    try:
        parts = urlsplit(text if "://" in text else f"nats://{text}")
        usable = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0 and parts.path in {"", "/"}
    except ValueError:
        usable = False
    if not usable:
        shown = f"server {number}" if "@" in url else repr(text)  # a comma in a password splits it
        raise InvalidInput(f"url: {shown} is no address of a broker; {EXAMPLE}", field="url")
    return parts
