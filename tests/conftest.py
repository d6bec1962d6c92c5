"""What every test may count on: a real nats-server. Missing means skip at home and a failure in CI.

Properties are tried with `effort(30)` examples, and none of them has a deadline: a slow machine is no failure.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from fleetfold_broker.server.server_process import find_server
from fleetfold_shared.errors import Unavailable
from support.effort import effort

pytest_plugins = ["support.broker", "support.postgres", "support.stuck"]

settings.register_profile("fleetfold", deadline=None, max_examples=effort(30))
settings.load_profile("fleetfold")


@pytest.fixture(scope="session")
def nats_server() -> str:
    """The path of the nats-server binary."""
    try:
        return find_server()
    except Unavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(error.message)
        pytest.skip(error.message)
