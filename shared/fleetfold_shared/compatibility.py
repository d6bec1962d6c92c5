"""Which versions of fleetfold work together: those of the same major version, and of the same minor one before 1.0."""

from __future__ import annotations

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.query.where.version_order import version_of

__all__ = ["check_version", "incompatibility"]

MOST_CHARS = 64


def check_version(text: str) -> None:
    """`InvalidInput` for a text that is no version."""
    if len(text) > MOST_CHARS or version_of(text) is None:
        raise InvalidInput(
            f"version: {text[:MOST_CHARS]!r} is no version, such as 1.4.2; install a released fleetfold on the node",
            field="version",
        )


def incompatibility(node: str, masters: str) -> str:
    """Why a node of the version `node` cannot work with masters of the version `masters`, and which side to upgrade;
    empty when it can. Pre-releases and local versions count as the release that they belong to.
    """
    series, wanted = _series(node), _series(masters)
    if series == wanted:
        return ""
    side = "the masters" if series > wanted else "the node"
    what = "minor versions" if series[0] == wanted[0] == 0 else "major versions"
    return f"the node runs fleetfold {node}, the masters {masters}: their {what} must be the same; upgrade {side}"


def _series(text: str) -> tuple[int, ...]:
    """`(1,)` for 1.4.2, `(0, 3)` for 0.3.1, and `(-1,)` for what is no version."""
    found = version_of(text)
    if found is None:
        return (-1,)
    major, minor = (*found[0], 0, 0)[:2]
    return (major,) if major else (0, minor)
