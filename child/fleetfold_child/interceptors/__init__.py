"""Interceptors of the node, and their order in its two pipelines: requests of masters, and commands."""

from __future__ import annotations

from fleetfold_child.interceptors.pipelines import request_interceptors
from fleetfold_child.interceptors.request_decoding import decode_request

__all__ = ["decode_request", "request_interceptors"]
