"""Topology of a fleet in JetStream: its streams and consumers, created when missing and re-created when lost.

The broker's store only carries messages and is never the source of truth: what it loses, masters send again from their
own.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.jetstream.api_errors import api_error, lacks_room
from fleetfold_broker.jetstream.damage_errors import consumer_damage, remedy
from fleetfold_broker.jetstream.queued_commands import QueuedCommand, find
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.concurrency import batches
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import Unavailable

__all__ = ["ABANDONED", "ACK_WAIT_S", "COMMANDS", "EVENTS", "MASTERS", "RESULTS", "Topology", "streams"]

log = structlog.get_logger(__name__)

COMMANDS, RESULTS, EVENTS = "FLEET_CMD", "FLEET_RES", "FLEET_EVT"
ABANDONED = "FLEET_DEAD"
"""Stream of the broker's advisories on commands that will not be delivered again."""
MASTERS = "masters"
"""Durable consumer that all masters share on the results."""

ACK_WAIT_S = 10
MOST_QUEUED_PER_NODE = 250_000
"""Room for a hundred thousand commands to a dead node, and for copies sent before it was known to be dead."""
EVENTS_RETENTION_S = 7 * 86_400
DEDUPLICATED_S = 120
MOST_ABANDONED = 10_000
ADVISORIES = ("MSG_TERMINATED", "MAX_DELIVERIES")
NOT_FOUND = 404
UNLIMITED = -1
MENDED = ("no_ack", "republish", "allow_direct", "discard")
"""Settings that are corrected in an existing stream."""
SET_AT_START = (*MENDED, "max_bytes", "num_replicas")
"""Settings that a starting master applies; with different settings, the last one to start decides."""
DELETED_AT_ONCE = 256
NANO = 1_000_000_000


class _ApiReply(msgspec.Struct):
    error: dict[str, Any] | None = None
    created: str = ""
    config: dict[str, Any] = {}
    consumers: list[str] = []
    total: int = 0
    delivered: dict[str, Any] = {}


_reply_decoder = msgspec.json.Decoder(_ApiReply)


class Topology:
    """Creates and repairs the streams, and one push consumer for each node."""

    def __init__(self, bus: Bus, limits: LimitsConfig | None = None) -> None:
        self._bus, self._limits = bus, limits or LimitsConfig()
        self._created: dict[str, str] = {}
        self._unlimited: set[str] = set()
        self._remade = False

    async def ensure_streams(self) -> bool:
        """Create the missing streams. Returns True when a stream was re-created since the last call: its messages are
        lost.
        """
        recreated = self._remade
        self._remade = False
        for name in streams(self._bus.subjects, self._limits):
            recreated |= await self._ensure_stream(name)
        recreated |= await self._ensure_consumer(RESULTS, MASTERS, max_ack_pending=20_000)
        recreated |= await self._ensure_consumer(ABANDONED, MASTERS, max_ack_pending=1000)
        return recreated

    async def ensure_node(self, node: str, concurrency: int) -> None:
        """Create the node's push consumer, or set its `concurrency`."""
        subject = self._bus.subjects.command(node)
        self._remade |= await self._ensure_consumer(
            COMMANDS, node, f".{subject}", filter_subject=subject, deliver_subject=self._bus.subjects.deliver(node),
            deliver_group=node, max_ack_pending=concurrency * 2,
        )  # fmt: skip

    async def ensure_nodes(self, concurrency: Mapping[str, int]) -> None:
        """Create the missing consumers, given each node's concurrency."""
        for node in concurrency.keys() - await self._consumers():
            log.warning("topology.consumer_missing", node=node)
            await self.ensure_node(node, concurrency[node])

    async def _consumers(self) -> set[str]:
        """Return the names of all consumers of commands; the broker lists them in pages."""
        names: set[str] = set()
        while True:
            page = await self._call(f"CONSUMER.NAMES.{COMMANDS}", {"offset": len(names)})
            names |= set(page.consumers)
            if not page.consumers or len(names) >= page.total:
                return names

    async def redeliver(self, node: str) -> None:
        """Redeliver at once what the node received and did not ack; called when it is back."""
        await self._call(f"CONSUMER.RESET.{COMMANDS}.{node}", {})

    async def withdraw(
        self, node: str, ids: Collection[str], since: float = 0.0, *, delivered_too: bool = False
    ) -> set[str]:
        """Remove commands, stored after `since` (Unix seconds), from the node's queue.

        Delivered commands without an ack stay, because the node will report on them. `delivered_too` removes them as
        well: for a node that is away, which then does not receive them again.

        Returns the ids of commands that certainly never reached the node; an id that was not found is not among them.
        """
        queued = await find(self._bus, COMMANDS, self._bus.subjects.command(node), ids, since)
        if not queued:
            return set()
        if not delivered_too:
            newest = await self._delivered(node)
            queued = [each for each in queued if each.seq > newest]
        await self._delete(queued)
        newest = await self._delivered(node)  # read again: after the deletion they can no longer be delivered
        return {each.command for each in queued if each.is_first and each.seq > newest}

    async def _delete(self, queued: Iterable[QueuedCommand]) -> None:
        """Delete messages in batches of concurrent requests: one by one, each would take a round trip to the broker."""
        api = f"STREAM.MSG.DELETE.{COMMANDS}"
        for batch in batches(queued, DELETED_AT_ONCE):
            await asyncio.gather(*(self._ask(api, {"seq": each.seq, "no_erase": True}) for each in batch))

    async def _delivered(self, node: str) -> int:
        """Return the stream sequence of the newest message delivered to the node; `sys.maxsize` without a consumer."""
        info = await self._call(f"CONSUMER.INFO.{COMMANDS}.{node}", {}, missing_ok=True)
        return sys.maxsize if info.error is not None else int(info.delivered.get("stream_seq", 0))

    async def redeliver_results(self) -> None:
        """Redeliver at once, to the other masters, results that a master received and did not ack; called when it has
        died.
        """
        await self._call(f"CONSUMER.RESET.{RESULTS}.{MASTERS}", {})

    async def forget_node(self, node: str) -> None:
        """Delete the node's consumer and its queue; missing ones are ignored."""
        for call, body in (
            (f"CONSUMER.DELETE.{COMMANDS}.{node}", {}),
            (f"STREAM.PURGE.{COMMANDS}", {"filter": self._bus.subjects.command(node)}),
        ):
            await self._call(call, body, missing_ok=True)

    async def _ensure_consumer(self, stream: str, name: str, filtered: str = "", **config: Any) -> bool:
        """Create a durable consumer, or set its `config`. Returns True if its stream was made again for it, because the
        consumer's file was damaged: the stream's messages are lost.
        """
        api, body = f"CONSUMER.CREATE.{stream}.{name}{filtered}", _consumer(stream, name, **config)
        reply = await self._ask(api, body)
        damage = consumer_damage(reply.error)
        if damage is not None:
            log.warning("topology.stream_damaged", stream=stream, consumer=name, reason=damage, done="made again")
            await self._call(f"STREAM.DELETE.{stream}", {}, missing_ok=True)
            await self._ensure_stream(stream)
            reply = await self._ask(api, body)
        _check(api, reply)
        return damage is not None

    async def _ensure_stream(self, name: str) -> bool:
        """Create or correct a stream. Returns True if it is another one than at the last call."""
        created = await self._created_at(name, streams(self._bus.subjects, self._limits)[name])
        recreated = self._created.get(name, created) != created
        self._created[name] = created
        return recreated

    async def _created_at(self, name: str, config: dict[str, Any]) -> str:
        if name in self._unlimited:
            config = {**config, "max_bytes": UNLIMITED}
        reply = await self._ask(f"STREAM.INFO.{name}", {})
        if reply.error is not None and reply.error.get("code") == NOT_FOUND:
            log.info("topology.stream_made", stream=name)
            reply = await self._make(f"STREAM.CREATE.{name}", {"name": name, "storage": "file", **config})
        elif _differs(reply.config, config, SET_AT_START if name not in self._created else MENDED):
            log.info("topology.stream_changed", stream=name)
            reply = await self._make(f"STREAM.UPDATE.{name}", {**reply.config, **config})
        _check(name, reply)
        return reply.created

    async def _make(self, api: str, config: dict[str, Any]) -> _ApiReply:
        """Create or update a stream. The broker reserves the bytes of `max_bytes`; when the disk lacks them, the stream
        has no limit.
        """
        reply = await self._ask(api, config)
        if reply.error is not None and lacks_room(reply.error) and "max_bytes" in config:
            remedy = "lower it in [limits], or give the broker more disk; until then it has no limit"
            log.warning("topology.no_room", stream=config["name"], bytes=config["max_bytes"], remedy=remedy)
            self._unlimited.add(config["name"])
            reply = await self._ask(api, {**config, "max_bytes": UNLIMITED})
        return reply

    async def _call(self, api: str, body: dict[str, Any], *, missing_ok: bool = False) -> _ApiReply:
        reply = await self._ask(api, body)
        if not (missing_ok and reply.error is not None and reply.error.get("code") == NOT_FOUND):
            _check(api, reply)
        return reply

    async def _ask(self, api: str, body: dict[str, Any]) -> _ApiReply:
        try:
            answer = await self._bus.ask(f"$JS.API.{api}", msgspec.json.encode(body), 5.0)
        except Unavailable as error:
            if self._bus.connection.is_up:
                raise Unavailable("the broker has no JetStream: enable it (`jetstream {}` in nats.conf)") from error
            raise
        return _reply_decoder.decode(answer.data)


def streams(subjects: Subjects, limits: LimitsConfig) -> dict[str, dict[str, Any]]:
    """Return the configuration of every stream by name, as JetStream takes it. Consumers have the replicas of their
    stream.
    """
    # A full queue refuses new messages: their sender keeps them and retries. Events are a history, whose
    # newest entries matter: there the oldest are dropped.
    queue: dict[str, Any] = {"retention": "workqueue", "discard": "new", "duplicate_window": DEDUPLICATED_S * NANO}
    found: dict[str, dict[str, Any]] = {
        COMMANDS: {
            "subjects": [subjects.command()],
            "max_msgs_per_subject": MOST_QUEUED_PER_NODE,
            "discard_new_per_subject": True,
            "max_bytes": limits.commands_bytes,
            "allow_direct": True,
            **queue,
        },
        RESULTS: {
            "subjects": [subjects.result()],
            "max_bytes": limits.results_bytes,
            **queue,
            **_confirmed(subjects.result(), subjects.confirm("{{wildcard(1)}}")),
        },
        EVENTS: {
            "subjects": [subjects.event()],
            "retention": "limits",
            "max_age": EVENTS_RETENTION_S * NANO,
            "max_bytes": limits.events_bytes,
            "discard": "old",
            **_confirmed(subjects.event(), f"{subjects.confirm('{{wildcard(1)}}')}.>"),
        },
        ABANDONED: {
            "subjects": [f"$JS.EVENT.ADVISORY.CONSUMER.{what}.{COMMANDS}.*" for what in ADVISORIES],
            "retention": "workqueue",
            "max_age": EVENTS_RETENTION_S * NANO,
            "max_msgs": MOST_ABANDONED,
        },
    }
    return {name: {**config, "num_replicas": limits.replicas} for name, config in found.items()}


def _confirmed(source: str, confirmation: str) -> dict[str, Any]:
    """Return settings that confirm storage on a subject made from the message's own, not on the reply subject that its
    sender names: see `ConfirmedPublisher`.
    """
    return {"no_ack": True, "republish": {"src": source, "dest": confirmation, "headers_only": True}}


def _differs(there: dict[str, Any], wanted: dict[str, Any], keys: Iterable[str]) -> bool:
    """Tell whether an existing stream has other settings: those of an earlier release, or of another master."""
    return any(there.get(key) != wanted[key] for key in keys if key in wanted)


def _consumer(stream: str, name: str, **config: Any) -> dict[str, Any]:
    base = {"name": name, "durable_name": name, "ack_policy": "explicit", "ack_wait": ACK_WAIT_S * NANO}
    return {"stream_name": stream, "config": {**base, "max_deliver": -1, **config}}


def _check(what: str, reply: _ApiReply) -> None:
    if reply.error is not None:
        raise api_error(what, reply.error, remedy(reply.error))
