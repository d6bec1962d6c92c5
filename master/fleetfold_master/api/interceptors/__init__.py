"""The interceptors of the API, one concern each; `api.pipeline` has them in order."""

from __future__ import annotations

from fleetfold_master.api.interceptors.audit import Audit
from fleetfold_master.api.interceptors.authenticate import PRINCIPAL, Authenticate
from fleetfold_master.api.interceptors.authorise import Authorise
from fleetfold_master.api.interceptors.decode_body import DecodeBody
from fleetfold_master.api.interceptors.denials import Denials
from fleetfold_master.api.interceptors.fit_deadline import FitDeadline
from fleetfold_master.api.interceptors.rate_limit import RateLimit

__all__ = [
    "PRINCIPAL", "Audit", "Authenticate", "Authorise", "DecodeBody", "Denials", "FitDeadline", "RateLimit",
]  # fmt: skip
