"""Services that decide on credentials, as logins and enrolment need them."""

from __future__ import annotations

from dataclasses import dataclass

from fleetfold_master.access.access_tokens import AccessTokens
from fleetfold_master.access.api_keys import ApiKeys
from fleetfold_master.access.invitations import Invitations
from fleetfold_master.access.node_sessions import Sessions
from fleetfold_master.access.rate_limits import Failures
from fleetfold_master.access.rejected_logins import RejectionLog
from fleetfold_master.nodes import Registry
from fleetfold_shared.clock import Clock

__all__ = ["LoginServices"]


@dataclass(frozen=True, slots=True)
class LoginServices:
    """Credentials of every kind, the nodes they may name, and the records of failed and rejected attempts. `pending`:
    whether nodes without a token may send a join request.
    """

    tokens: AccessTokens
    sessions: Sessions
    invites: Invitations
    keys: ApiKeys
    registry: Registry
    failures: Failures
    rejections: RejectionLog
    clock: Clock
    pending: bool = True
