"""JetStream's errors as the fleet's: what may pass is unavailable, what the settings ask too much of is named."""

from __future__ import annotations

import pytest

from fleetfold_broker.jetstream.api_errors import api_error, lacks_room
from fleetfold_shared.errors import FleetfoldError, InternalError, InvalidInput, Unavailable


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        ({"code": 503, "err_code": 10008, "description": "temporarily unavailable"}, Unavailable, "temporarily"),
        ({"code": 404, "err_code": 10059, "description": "stream not found"}, Unavailable, "stream not found"),
        ({"code": 400, "err_code": 10005, "description": "peer offline"}, Unavailable, "limits.replicas: too few"),
        ({"code": 500, "err_code": 10074, "description": "x"}, InvalidInput, "limits.replicas: the broker is one"),
        ({"code": 400, "err_code": 10052, "description": "bad"}, InternalError, "JetStream refused A: bad"),
    ],
)
def test_an_error_has_the_type_that_tells_whether_it_may_pass(
    error: dict[str, object], kind: type[FleetfoldError], said: str
) -> None:
    found = api_error("A", error)
    assert type(found) is kind
    assert said in found.message


def test_a_cluster_without_room_is_told_from_one_with_too_few_servers() -> None:
    assert lacks_room({"err_code": 10005, "description": "no suitable peers for placement, insufficient storage"})
    assert not lacks_room({"err_code": 10005, "description": "no suitable peers for placement, peer offline"})
