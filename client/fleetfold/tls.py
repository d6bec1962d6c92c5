"""TLS settings for the broker: the CA to trust, and the client certificate where the broker requires one."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping

from fleetfold.state_directory import fleet_at
from fleetfold_shared.config import TlsConfig
from fleetfold_shared.urls import server_urls

__all__ = ["find_tls"]


def find_tls(url: str, given: TlsConfig | None = None, env: Mapping[str, str] | None = None) -> ssl.SSLContext | None:
    """The TLS settings for the broker at `url`; None if nothing requires TLS.

    Each file is the one `given`, else that of `$FLEETFOLD_TLS_CA`, `_CERT` and `_KEY`; the CA is else that of the
    fleet that runs here, else the system's. `InvalidInput` names a file that cannot be used.
    """
    env = os.environ if env is None else env
    given = given or TlsConfig()
    fleet = fleet_at(url)
    ca = given.ca or env.get("FLEETFOLD_TLS_CA") or (fleet.ca if fleet is not None else None)
    cert, key = given.cert or env.get("FLEETFOLD_TLS_CERT"), given.key or env.get("FLEETFOLD_TLS_KEY")
    if not (ca or cert or server_urls(url)[0].startswith("tls://")):
        return None
    from fleetfold_broker.connection.tls import TlsFiles, client_context

    return client_context(TlsFiles(ca=ca, cert=cert, key=key))
