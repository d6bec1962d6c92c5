"""The streams and consumers of a fleet, in one place: made when missing, made again when lost.

The broker's store is a conveyor, never the truth: what it loses, the masters send again from theirs.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.jetstream.stream_reader import StreamReader, find
from fleetfold_shared.batching import waves
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import FleetfoldError, InternalError, Unavailable

__all__ = ["ACK_WAIT_S", "COMMANDS", "EVENTS", "GIVEN_UP", "MASTERS", "RESULTS", "Topology"]

log = structlog.get_logger(__name__)

COMMANDS, RESULTS, EVENTS = "FLEET_CMD", "FLEET_RES", "FLEET_EVT"
GIVEN_UP = "FLEET_DEAD"
"""What the broker says of commands that nobody will be given again."""
MASTERS = "masters"
"""The durable consumer that all masters share on the results."""

ACK_WAIT_S = 10
MOST_QUEUED_PER_NODE = 250_000
"""A hundred thousand commands for a dead node, and what was sent again before it was known to be dead."""
EVENTS_KEPT_S = 7 * 86_400
DEDUPLICATED_S = 120
MOST_GIVEN_UP = 10_000
ADVISORIES = ("MSG_TERMINATED", "MAX_DELIVERIES")
NOT_FOUND = 404
NO_ROOM = {10023, 10028, 10047}
"""JetStream's err_codes where it cannot set so many bytes aside, in the server or in the account."""
UNLIMITED = -1
MENDED = ("no_ack", "republish", "allow_direct", "discard")
"""What is set again in a stream that is there already."""
SET_AT_START = (*MENDED, "max_bytes")
"""What is set by a master that starts: of several with unlike settings, those of the last one hold."""
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
    """Makes and watches over the streams, and over one push consumer for each node."""

    def __init__(self, bus: Bus, limits: LimitsConfig | None = None) -> None:
        self._bus, self._limits = bus, limits or LimitsConfig()
        self._born: dict[str, str] = {}
        self._unlimited: set[str] = set()

    async def ensure_streams(self) -> bool:
        """Make what is missing. True when a stream is not the one that was here before: its messages are lost."""
        lost = False
        for name, config in self._streams().items():
            born = await self._ensure_stream(name, config)
            lost |= self._born.get(name, born) != born
            self._born[name] = born
        await self._call(f"CONSUMER.CREATE.{RESULTS}.{MASTERS}", _consumer(RESULTS, MASTERS, max_ack_pending=20_000))
        await self._call(f"CONSUMER.CREATE.{GIVEN_UP}.{MASTERS}", _consumer(GIVEN_UP, MASTERS, max_ack_pending=1000))
        return lost

    async def ensure_node(self, node: str, concurrency: int) -> None:
        """Make the node's push consumer, or set it to this `concurrency`."""
        body = _consumer(
            COMMANDS,
            node,
            filter_subject=self._bus.subjects.command(node),
            deliver_subject=self._bus.subjects.deliver(node),
            deliver_group=node,
            max_ack_pending=concurrency * 2,
        )
        await self._call(f"CONSUMER.CREATE.{COMMANDS}.{node}.{self._bus.subjects.command(node)}", body)

    async def ensure_nodes(self, concurrency: Mapping[str, int]) -> None:
        """Make the consumers that are missing, given each node's concurrency."""
        for node in concurrency.keys() - await self._consumers():
            log.warning("topology.consumer_missing", node=node)
            await self.ensure_node(node, concurrency[node])

    async def _consumers(self) -> set[str]:
        """The names of all consumers on the commands; the broker gives them in pages."""
        names: set[str] = set()
        while True:
            page = await self._call(f"CONSUMER.NAMES.{COMMANDS}", {"offset": len(names)})
            names |= set(page.consumers)
            if not page.consumers or len(names) >= page.total:
                return names

    async def redeliver(self, node: str) -> None:
        """Deliver at once what the node took and did not ack: called when it has come back."""
        await self._call(f"CONSUMER.RESET.{COMMANDS}.{node}", {})

    async def withdraw(
        self, node: str, ids: Collection[str], since: float = 0.0, *, delivered_too: bool = False
    ) -> set[str]:
        """Take these commands, stored after `since` (Unix seconds), out of the node's queue. What was delivered and is
        not acked stays, for the node's own word; `delivered_too` is for a node that is away, which will then not be
        given it again.

        Returns the ids of those that surely never reached the node: not those that were looked for in vain.
        """
        queued = await find(self._bus, COMMANDS, self._bus.subjects.command(node), ids, since)
        if not queued:
            return set()
        if not delivered_too:
            mark = await self._delivered(node)
            queued = [each for each in queued if each.seq > mark]
        await self._delete(queued)
        mark = await self._delivered(node)  # now that it cannot be delivered any more
        return {each.command for each in queued if each.is_first and each.seq > mark}

    async def _delete(self, queued: Iterable[StreamReader]) -> None:
        """In waves: one after another they would take the broker's round trip each."""
        api = f"STREAM.MSG.DELETE.{COMMANDS}"
        for wave in waves(queued, DELETED_AT_ONCE):
            await asyncio.gather(*(self._ask(api, {"seq": each.seq, "no_erase": True}) for each in wave))

    async def _delivered(self, node: str) -> int:
        """The number of the newest message that the node was given; where nobody knows, it may be any."""
        info = await self._call(f"CONSUMER.INFO.{COMMANDS}.{node}", {}, missing_ok=True)
        return sys.maxsize if info.error is not None else int(info.delivered.get("stream_seq", 0))

    async def redeliver_results(self) -> None:
        """Deliver at once to the other masters what one of them took and did not ack: called when it has died."""
        await self._call(f"CONSUMER.RESET.{RESULTS}.{MASTERS}", {})

    async def forget_node(self, node: str) -> None:
        """Drop the node's consumer and what is queued for it; nothing happens where there is none."""
        for call, body in (
            (f"CONSUMER.DELETE.{COMMANDS}.{node}", {}),
            (f"STREAM.PURGE.{COMMANDS}", {"filter": self._bus.subjects.command(node)}),
        ):
            await self._call(call, body, missing_ok=True)

    async def _ensure_stream(self, name: str, config: dict[str, Any]) -> str:
        if name in self._unlimited:
            config = {**config, "max_bytes": UNLIMITED}
        reply = await self._ask(f"STREAM.INFO.{name}", {})
        if reply.error is not None and reply.error.get("code") == NOT_FOUND:
            log.info("topology.stream_made", stream=name)
            reply = await self._make(f"STREAM.CREATE.{name}", {"name": name, "storage": "file", **config})
        elif _is_otherwise(reply.config, config, SET_AT_START if name not in self._born else MENDED):
            log.info("topology.stream_changed", stream=name)
            reply = await self._make(f"STREAM.UPDATE.{name}", {**reply.config, **config})
        _check(name, reply)
        return reply.created

    async def _make(self, api: str, config: dict[str, Any]) -> _ApiReply:
        """Create or update a stream. The broker sets the bytes of a limit aside; a disk without so many has none."""
        reply = await self._ask(api, config)
        if reply.error is not None and reply.error.get("err_code") in NO_ROOM and "max_bytes" in config:
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
            if self._bus.link.is_up:
                raise Unavailable("the broker has no JetStream: enable it (`jetstream {}` in nats.conf)") from error
            raise
        return _reply_decoder.decode(answer.data)

    def _streams(self) -> dict[str, dict[str, Any]]:
        subjects = self._bus.subjects
        # A full queue refuses what is new: its sender keeps that, and tries again. Events are a history, of which the
        # newest are wanted: there the oldest give way.
        queue = {"retention": "workqueue", "discard": "new", "duplicate_window": DEDUPLICATED_S * NANO}
        return {
            COMMANDS: {
                "subjects": [subjects.command()],
                "max_msgs_per_subject": MOST_QUEUED_PER_NODE,
                "discard_new_per_subject": True,
                "max_bytes": self._limits.commands_bytes,
                "allow_direct": True,
                **queue,
            },
            RESULTS: {
                "subjects": [subjects.result()],
                "max_bytes": self._limits.results_bytes,
                **queue,
                **_confirmed(subjects.result(), subjects.kept("{{wildcard(1)}}")),
            },
            EVENTS: {
                "subjects": [subjects.event()],
                "retention": "limits",
                "max_age": EVENTS_KEPT_S * NANO,
                "max_bytes": self._limits.events_bytes,
                "discard": "old",
                **_confirmed(subjects.event(), f"{subjects.kept('{{wildcard(1)}}')}.>"),
            },
            GIVEN_UP: {
                "subjects": [f"$JS.EVENT.ADVISORY.CONSUMER.{what}.{COMMANDS}.*" for what in ADVISORIES],
                "retention": "workqueue",
                "max_age": EVENTS_KEPT_S * NANO,
                "max_msgs": MOST_GIVEN_UP,
            },
        }


def _confirmed(source: str, confirmation: str) -> dict[str, Any]:
    """Say that a message is stored on a subject made of its own, not on whatever reply its sender names: see `Kept`."""
    return {"no_ack": True, "republish": {"src": source, "dest": confirmation, "headers_only": True}}


def _is_otherwise(there: dict[str, Any], wanted: dict[str, Any], keys: Iterable[str]) -> bool:
    """Whether a stream is an earlier release's, or was made by other settings."""
    return any(there.get(key) != wanted[key] for key in keys if key in wanted)


def _consumer(stream: str, name: str, **config: Any) -> dict[str, Any]:
    base = {"name": name, "durable_name": name, "ack_policy": "explicit", "ack_wait": ACK_WAIT_S * NANO}
    return {"stream_name": stream, "config": {**base, "max_deliver": -1, **config}}


def _check(what: str, reply: _ApiReply) -> None:
    if reply.error is None:
        return
    text = f"JetStream refused {what}: {reply.error.get('description', reply.error)}"
    error: FleetfoldError = Unavailable(text) if reply.error.get("code") == NOT_FOUND else InternalError(text)
    raise error
