"""Labels: what operators lay over those that a node declares."""

from __future__ import annotations

import pytest

from fleetfold_master.nodes.labels import effective_labels, label_sources, relabelled
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import NodeUpdate

DECLARED = {"zone": "eu", "role": "shop"}


def after(*changes: NodeUpdate) -> dict[str, str | None]:
    overlay: dict[str, str | None] = {}
    for change in changes:
        overlay = relabelled(DECLARED, overlay, change)
    return overlay


def test_a_label_is_added_to_those_the_node_declares() -> None:
    overlay = after(NodeUpdate(node="shop", labels={"tier": "1"}), NodeUpdate(node="shop", labels={"zone": "us"}))
    assert effective_labels(DECLARED, overlay) == {"zone": "us", "role": "shop", "tier": "1"}
    assert label_sources(DECLARED, overlay) == {"zone": "operator", "role": "node", "tier": "operator"}


def test_a_declared_label_can_be_removed_and_stays_so_when_the_node_declares_it_anew() -> None:
    overlay = after(NodeUpdate(node="shop", unlabel=["zone"]))
    assert effective_labels({"zone": "asia"}, overlay) == {}


def test_a_label_that_was_set_is_gone_when_it_is_removed() -> None:
    assert after(NodeUpdate(node="shop", labels={"tier": "1"}), NodeUpdate(node="shop", unlabel=["tier"])) == {}


def test_a_removed_label_can_be_set_again() -> None:
    overlay = after(NodeUpdate(node="shop", unlabel=["zone"]), NodeUpdate(node="shop", labels={"zone": "us"}))
    assert effective_labels(DECLARED, overlay)["zone"] == "us"


def test_all_that_was_set_can_be_taken_back() -> None:
    given = NodeUpdate(node="shop", labels={"tier": "1"}, unlabel=["zone"])
    overlay = after(given, NodeUpdate(node="shop", labels_from_node=True))
    assert effective_labels(DECLARED, overlay) == DECLARED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (NodeUpdate(node="shop", unlabel=["tier"]), "unlabel: 'shop' has no label 'tier'; it has: role, zone"),
        (NodeUpdate(node="shop", unlabel=["zone"], labels={"zone": "us"}), "unlabel: 'zone' is given as a label, too"),
        (NodeUpdate(node="shop", labels_from_node=True, unlabel=["zone"]), "labels_from_node: it takes back all"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(change: NodeUpdate, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        relabelled(DECLARED, {}, change)
