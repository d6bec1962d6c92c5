"""Choice among the servers of a cluster: the order of one attempt, and the error when none of them could be used."""

from __future__ import annotations

import random
from collections.abc import Sequence

from fleetfold_shared.errors import FleetfoldError, Unavailable

__all__ = ["in_random_order", "most_telling"]


def in_random_order(servers: Sequence[str]) -> list[str]:
    """Return the servers in random order, so that the connections of a fleet spread over all of them."""
    return random.sample(servers, len(servers))


def most_telling(failures: Sequence[FleetfoldError], where: str) -> FleetfoldError:
    """Return one error for an attempt in which every server failed; `where` names them all.

    A server that answered says more than one that is away: its error is returned. If none did, it is an `Unavailable`
    that names all servers.
    """
    for error in failures:
        if type(error) is not Unavailable:
            return error
    if len(failures) == 1:
        return failures[0]
    return Unavailable(
        f"none of the brokers answers at {where}; start one with `fleetfold up`, or name others with --url"
    )
