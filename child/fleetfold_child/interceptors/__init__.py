"""Interceptors of the node, and their order in its two pipelines: requests of masters, and commands."""

from __future__ import annotations

from fleetfold_child.interceptors.ledger_requirement import RequireLedger
from fleetfold_child.interceptors.pipelines import command_pipeline, request_interceptors
from fleetfold_child.interceptors.request_decoding import decode_request
from fleetfold_child.interceptors.result_publication import PublishResult

__all__ = ["PublishResult", "RequireLedger", "command_pipeline", "decode_request", "request_interceptors"]
