"""PostgreSQL URLs with several hosts: a primary and its standbys, of which the one that takes writes is used."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

__all__ = ["with_hosts"]

WRITABLE = {"target_session_attrs": "read-write"}
"""libpq parameter that skips a host whose server is a standby:
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-TARGET-SESSION-ATTRS
"""
SCHEMES = ("postgresql", "postgres")


def with_hosts(url: str) -> str:
    """Return `postgresql://HOST[:PORT],HOST[:PORT]/NAME` as SQLAlchemy reads it, with the hosts in the query.

    libpq tries the hosts in their order; those that take no writes are skipped, unless the URL has
    `target_session_attrs`. Any other URL is returned as it is.
    """
    scheme, _, rest = url.partition("://")
    authority = rest.partition("/")[0].partition("?")[0]
    login, at, place = authority.rpartition("@")
    if scheme.partition("+")[0] not in SCHEMES or "," not in place:
        return url
    parts = urlsplit(url)
    hosts, ports = zip(*(_host_and_port(each) for each in place.split(",")), strict=True)
    query = {"host": ",".join(hosts), **({"port": ",".join(ports)} if any(ports) else {}), **WRITABLE}
    return f"{scheme}://{login}{at}{parts.path}?{urlencode(query | dict(parse_qsl(parts.query)))}"


def _host_and_port(text: str) -> tuple[str, str]:
    """Split `HOST:PORT`, and take an IPv6 address out of its brackets."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, port = text.partition(":")
    return host, port
