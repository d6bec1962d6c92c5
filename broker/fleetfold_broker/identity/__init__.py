"""Identity as the broker enforces it: keys, accounts, the auth callout, and each identity's permissions."""

from __future__ import annotations

from fleetfold_broker.identity.grants import Grade, Grant, LoginData, LoginRefused
from fleetfold_broker.identity.master_nkeys import BrokerKeys, PublicKeys

__all__ = ["BrokerKeys", "Grade", "Grant", "LoginData", "LoginRefused", "PublicKeys"]
