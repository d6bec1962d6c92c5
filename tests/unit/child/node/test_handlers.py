"""The handlers of a node, and the table of its verbs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fleetfold_child.node.handlers import Handlers
from fleetfold_shared.messages import Capability
from fleetfold_shared.verbs.node_requests import ANSWER, NODE_VERBS, SEARCH, STATISTICS


def _verbs(granted: tuple[Capability, ...]) -> list[str]:
    daemon = SimpleNamespace(name="shop")
    return [verb.name for verb in Handlers("1", {}, daemon).by_verb(granted)]  # type: ignore[arg-type]


def test_every_verb_of_nodes_has_one_handler() -> None:
    assert _verbs(("search", "actions")) == list(NODE_VERBS)


@pytest.mark.parametrize("granted", [(), ("actions",)])
def test_a_node_that_may_not_be_searched_serves_all_but_what_needs_it(granted: tuple[Capability, ...]) -> None:
    missing = {SEARCH.name, STATISTICS.name, ANSWER.name}
    assert _verbs(granted) == [name for name in NODE_VERBS if name not in missing]
