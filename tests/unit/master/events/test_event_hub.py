"""The event hub: everybody who subscribed hears of everything, in order, whatever the others do."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from fleetfold_master.events import Event, EventHub, MasterLost, NodeDown, NodeUp, subscribe


def test_an_event_reaches_its_subscribers_in_order_of_their_declaration() -> None:
    hub, heard = EventHub(), list[str]()
    hub.open(
        [
            subscribe(lambda event: heard.append(f"first {event.node}"), NodeUp, NodeDown),
            subscribe(lambda event: heard.append(f"second {event.node}"), NodeUp),
        ]
    )
    hub.publish(NodeUp("shop"))
    hub.publish(NodeDown("blog"))
    hub.publish(NodeUp("crm"))
    assert heard == ["first shop", "second shop", "first blog", "first crm", "second crm"]


def test_a_subscriber_of_the_base_class_hears_everything() -> None:
    hub, heard = EventHub(), list[Event]()
    hub.open([subscribe(heard.append, Event)])
    events = [NodeUp("shop"), MasterLost("m1"), NodeDown("shop")]
    for event in events:
        hub.publish(event)
    assert heard == events


def test_a_subscriber_that_raises_is_logged_and_hinders_nobody() -> None:
    hub, heard = EventHub(), list[Event]()

    def breaks(event: NodeUp) -> None:
        raise ValueError(event.node)

    hub.open([subscribe(breaks, NodeUp), subscribe(heard.append, NodeUp)])
    with capture_logs() as logs:
        hub.publish(NodeUp("shop"))
        hub.publish(NodeUp("blog"))
    assert heard == [NodeUp("shop"), NodeUp("blog")]
    assert [(each["event"], each["kind"]) for each in logs] == [("event.subscriber_failed", "NodeUp")] * 2
    assert all("breaks" in each["subscriber"] for each in logs)


def test_an_event_of_a_subscriber_comes_after_the_one_that_is_delivered() -> None:
    hub, heard = EventHub(), list[Event]()

    def answers(event: NodeUp) -> None:
        hub.publish(NodeDown(event.node))

    hub.open([subscribe(answers, NodeUp), subscribe(heard.append, Event)])
    hub.publish(NodeUp("shop"))
    assert heard == [NodeUp("shop"), NodeDown("shop")]


def test_a_hub_goes_on_after_a_subscriber_that_ended_the_program() -> None:
    hub, heard = EventHub(), list[Event]()

    def leaves(event: NodeUp) -> None:
        raise KeyboardInterrupt

    hub.open([subscribe(leaves, NodeUp), subscribe(heard.append, Event)])
    with pytest.raises(KeyboardInterrupt):
        hub.publish(NodeUp("shop"))
    hub.publish(NodeDown("shop"))
    assert heard == [NodeDown("shop")]


def test_an_event_without_subscribers_goes_nowhere() -> None:
    hub, heard = EventHub(), list[Event]()
    hub.open([subscribe(heard.append, NodeDown)])
    hub.publish(NodeUp("shop"))
    assert heard == []


def test_what_was_published_before_the_opening_is_delivered_by_it() -> None:
    hub, heard = EventHub(), list[Event]()
    hub.publish(NodeUp("shop"))
    hub.publish(NodeDown("shop"))
    hub.open([subscribe(heard.append, Event)])
    assert heard == [NodeUp("shop"), NodeDown("shop")]


def test_subscribers_are_declared_once() -> None:
    hub = EventHub()
    hub.open([])
    with pytest.raises(RuntimeError, match="declare each subscriber in the one list"):
        hub.open([])
