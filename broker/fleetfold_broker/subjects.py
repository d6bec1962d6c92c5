"""Subjects of the bus, all in one place. The publisher's name is part of the subject, so the broker verifies it."""

from __future__ import annotations

import msgspec

__all__ = ["Subjects", "inbox"]


class Subjects(msgspec.Struct, frozen=True):
    """The subjects under one prefix. A method without arguments returns the pattern that matches them all."""

    prefix: str = "fleet"

    def heartbeat(self, node: str = "*") -> str:
        """A node's state. Core NATS, child -> masters."""
        return f"{self.prefix}.hb.{node}"

    def ask(self, verb: str) -> str:
        """A broadcast. Core NATS, master -> all children."""
        return f"{self.prefix}.ask.{verb}"

    def call(self, node: str, verb: str) -> str:
        """A request to one node. Core NATS, master -> one child."""
        return f"{self.prefix}.call.{node}.{verb}"

    def gather(self, requester: str, node: str = "*") -> str:
        """A node's reply in scatter-gather. Core NATS, child -> the asking master; the last token
        is the sender, verified by the broker.
        """
        return f"{self.prefix}.gather.{requester}.{node}"

    def command(self, node: str = "*") -> str:
        """A node's command queue. JetStream `FLEET_CMD`, written by masters only."""
        return f"{self.prefix}.cmd.{node}"

    def deliver(self, node: str) -> str:
        """A node's delivered commands. JetStream push consumer, broker -> child."""
        return f"{self.prefix}.deliver.{node}"

    def result(self, node: str = "*") -> str:
        """A node's results. JetStream `FLEET_RES`, child -> masters."""
        return f"{self.prefix}.res.{node}"

    def progress(self, node: str = "*") -> str:
        """A command's progress. Core NATS, child -> masters."""
        return f"{self.prefix}.prog.{node}"

    def event(self, node: str = "*", kind: str = ">") -> str:
        """An event. JetStream `FLEET_EVT`, any identity under its own name -> subscribers."""
        return f"{self.prefix}.evt.{node}.{kind}"

    def notify(self, caller: str, kind: str = ">") -> str:
        """An event passed on to a caller, such as its callback. Core NATS, masters -> caller,
        after they stored it.
        """
        return f"{self.prefix}.notify.{caller}.{kind}"

    def api(self, caller: str = "*", verb: str = ">") -> str:
        """An API request. Core NATS, any client -> one master; `verb` is `<area>.<verb>`."""
        return f"{self.prefix}.api.{caller}.{verb}"

    def direct(self, caller: str, master: str, verb: str = ">") -> str:
        """An API request to one master, that has just said that it is there. Core NATS, any client ->
        that master.
        """
        return f"{self.prefix}.api.{caller}.at.{master}.{verb}"

    def locate(self, caller: str = "*") -> str:
        """The question which master has a request. Core NATS, any client -> all masters."""
        return f"{self.prefix}.api.{caller}.locate"

    def join(self, caller: str = "*", verb: str = ">") -> str:
        """An enrolment request. Core NATS, newcomer -> one master; `verb` is `enrol`, `refresh`
        or `request`.
        """
        return f"{self.prefix}.join.{caller}.{verb}"

    def peer(self, master: str, verb: str) -> str:
        """A request among masters. Core NATS, to one master or `all`; it never leaves the
        masters' own account.
        """
        return f"{self.prefix}.peer.{master}.{verb}"

    def discovery(self, rest: str = ">") -> str:
        """Requests on `$SRV.<rest>` in the masters' account, with the caller's name added by the server."""
        return f"{self.prefix}.srv.{rest}"

    def confirm(self, node: str) -> str:
        """Storage confirmations. Core NATS, broker -> the sender of a result or an event."""
        return f"{self.prefix}.confirm.{node}"

    def token(self, subject: str, index: int) -> str:
        """Return the token `index` places after the prefix (0 is the kind); empty if there is none."""
        tokens = subject[len(self.prefix) + 1 :].split(".")
        return tokens[index] if index < len(tokens) else ""


def inbox(caller: str) -> str:
    """Return the inbox prefix of an identity; it alone may subscribe there, and replies to it go nowhere else."""
    return f"_INBOX.{caller}"
