"""Version compatibility: nodes and masters work together within one major version, before 1.0 within one minor
version.
"""

from __future__ import annotations

from functools import lru_cache

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.query.where.version_order import version_of

__all__ = ["check_version", "incompatibility", "is_later_series", "same_series"]

MOST_CHARS = 64


def check_version(text: str) -> None:
    """Raise `InvalidInput` for a text that is not a version."""
    if len(text) > MOST_CHARS or version_of(text) is None:
        raise InvalidInput(
            f"version: {text[:MOST_CHARS]!r} is no version, such as 1.4.2; install a released fleetfold on the node",
            field="version",
        )


def incompatibility(node: str, masters: str) -> str:
    """Explain why a node of version `node` cannot work with masters of version `masters`, and which side to upgrade;
    empty when it can. Pre-releases and local versions count as their release.
    """
    if same_series(node, masters):
        return ""
    series, wanted = _series(node), _series(masters)
    side = "the masters" if series > wanted else "the node"
    what = "minor versions" if series[0] == wanted[0] == 0 else "major versions"
    return f"the node runs fleetfold {node}, the masters {masters}: their {what} must be the same; upgrade {side}"


def same_series(one: str, other: str) -> bool:
    """Whether two versions work together: the same major version, before 1.0 the same minor one."""
    return _series(one) == _series(other)


def is_later_series(one: str, other: str) -> bool:
    """Whether `one` is of a later series than `other`."""
    return _series(one) > _series(other)


@lru_cache(maxsize=256)  # asked for every record of a node, of which a fleet has few versions
def _series(text: str) -> tuple[int, ...]:
    """Return the compatible series: `(1,)` for 1.4.2, `(0, 3)` for 0.3.1, `(-1,)` for a text that is not a version."""
    found = version_of(text)
    if found is None:
        return (-1,)
    major, minor = (*found[0], 0, 0)[:2]
    return (major,) if major else (0, minor)
