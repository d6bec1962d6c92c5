"""What every test may count on: a real nats-server. Missing means skip at home and a failure in CI."""

from __future__ import annotations

import os

import pytest

from fleetfold_broker.embedded import find_server
from fleetfold_shared.errors import Unavailable

pytest_plugins = ["support.broker", "support.postgres", "support.stuck"]


@pytest.fixture(scope="session")
def nats_server() -> str:
    """The path of the nats-server binary."""
    try:
        return find_server()
    except Unavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(error.message)
        pytest.skip(error.message)
