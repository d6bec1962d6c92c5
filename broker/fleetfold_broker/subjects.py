"""Every subject of the bus, in one place. Whoever publishes stands in the subject, so the broker vouches for it."""

from __future__ import annotations

import msgspec

__all__ = ["Subjects", "inbox"]


class Subjects(msgspec.Struct, frozen=True):
    """The subjects under one prefix. A method without arguments gives the pattern that hears them all."""

    prefix: str = "fleet"

    def heartbeat(self, node: str = "*") -> str:
        """core, child -> masters: its full state."""
        return f"{self.prefix}.hb.{node}"

    def ask(self, verb: str) -> str:
        """broadcast, master -> all children."""
        return f"{self.prefix}.ask.{verb}"

    def call(self, node: str, verb: str) -> str:
        """request, master -> one child."""
        return f"{self.prefix}.call.{node}.{verb}"

    def gather(self, asker: str, node: str = "*") -> str:
        """core, child -> the asking master: the last token is a sender the broker has verified."""
        return f"{self.prefix}.gather.{asker}.{node}"

    def command(self, node: str = "*") -> str:
        """JetStream `FLEET_CMD`, written by masters only."""
        return f"{self.prefix}.cmd.{node}"

    def deliver(self, node: str) -> str:
        """Where the broker delivers a node's commands."""
        return f"{self.prefix}.do.{node}"

    def result(self, node: str = "*") -> str:
        """JetStream `FLEET_RES`, child -> masters."""
        return f"{self.prefix}.res.{node}"

    def progress(self, node: str = "*") -> str:
        """core, child -> masters: how far a command has come."""
        return f"{self.prefix}.prog.{node}"

    def event(self, node: str = "*", kind: str = ">") -> str:
        """JetStream `FLEET_EVT`, anyone as itself -> subscribers."""
        return f"{self.prefix}.evt.{node}.{kind}"

    def tell(self, caller: str, kind: str = ">") -> str:
        """core, masters -> a caller: an event that they have stored under its name, such as its callback."""
        return f"{self.prefix}.tell.{caller}.{kind}"

    def api(self, caller: str = "*", verb: str = ">") -> str:
        """request, any client -> one master; `verb` is `<area>.<verb>`."""
        return f"{self.prefix}.api.{caller}.{verb}"

    def join(self, caller: str = "*", verb: str = ">") -> str:
        """request, newcomer -> one master; `verb` is `enrol`, `refresh` or `petition`."""
        return f"{self.prefix}.join.{caller}.{verb}"

    def peer(self, master: str, verb: str) -> str:
        """request, one master -> another, or -> `all`; it never leaves the masters' own account."""
        return f"{self.prefix}.peer.{master}.{verb}"

    def discovery(self, rest: str = ">") -> str:
        """request, `$SRV.<rest>` as the masters' account hears it: with the name of who asks, vouched for."""
        return f"{self.prefix}.srv.{rest}"

    def kept(self, node: str) -> str:
        """core, broker -> the sender of a result or an event: it is stored."""
        return f"{self.prefix}.kept.{node}"

    def token(self, subject: str, index: int) -> str:
        """The token `index` places after the prefix (0 is the kind), empty if there is none."""
        tokens = subject[len(self.prefix) + 1 :].split(".")
        return tokens[index] if index < len(tokens) else ""


def inbox(caller: str) -> str:
    """The inbox prefix of an identity: it alone may listen there, and answers to it go nowhere else."""
    return f"_INBOX.{caller}"
