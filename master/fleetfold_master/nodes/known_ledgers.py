"""Known ledgers: whether the ledger that a node has now is the one that the masters know of it.

    reported by the node                   verdict
    -----------------------------------  -------------------------------------------------------------
    nothing, as an earlier version does  accepted
    the first mark of the node           accepted, and known from then on
    the same generation, not lower       accepted, and known from then on
    the same generation, lower           refused: an old copy was put back
    another generation                   refused: the ledger was lost, and another one made;
                                         accepted if the known one had never admitted a command

A refused ledger is a problem of the node: nothing is sent to it and it runs nothing, until an operator has looked.
"""

from __future__ import annotations

from msgspec.structs import replace

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_shared.messages import LedgerMark

__all__ = ["KnownLedgers", "is_refusal", "known_as", "refusal"]


def refusal(node: str, known: LedgerMark | None, reported: LedgerMark | None) -> str:
    """Return why the ledger is refused; empty when it is accepted."""
    if known is None or reported is None or known.height == 0:
        return ""
    if reported.generation != known.generation:
        what = f"ledger: it is another one than before (it was lost; height {reported.height}, known {known.height})"
    elif reported.height < known.height:
        what = f"ledger: it is older (height {reported.height}, known {known.height})"
    else:
        return ""
    return f"{what}; put the newest copy back, or {_settle(node)}"


def is_refusal(node: str, reason: str) -> bool:
    """Whether this is the reason of a refused ledger, whichever its heights were when it was told."""
    return reason.startswith("ledger: ") and reason.endswith(_settle(node))


def _settle(node: str) -> str:
    return f"settle it with `fleetfold nodes reconcile {node} --accept`"


def known_as(node: StoredNode, mark: LedgerMark | None, incarnation: str) -> StoredNode:
    """Return the node with that ledger, of this process, as the known one."""
    if mark is None:
        return node
    return replace(node, ledger_generation=mark.generation, ledger_height=mark.height, ledger_incarnation=incarnation)


def _later(before: LedgerMark | None, mark: LedgerMark | None) -> LedgerMark | None:
    if before is None or mark is None or before.generation != mark.generation:
        return mark
    return max(before, mark, key=lambda one: one.height)


class KnownLedgers:
    """The marks that nodes have reported, by node. A heartbeat that was overtaken by a later one tells nothing."""

    def __init__(self) -> None:
        self._reported: dict[str, tuple[str, int, LedgerMark | None]] = {}

    def reported(self, node: str) -> LedgerMark | None:
        """Return the mark that the node has reported last."""
        return self._reported[node][2] if node in self._reported else None

    def tell(self, node: str, incarnation: str, mark: LedgerMark | None, seq: int = 0) -> None:
        """Take what a join, or the heartbeat `seq`, of that incarnation tells. One process's ledger gets no older: a
        lower height is of a message that was overtaken by a result.
        """
        before = self._reported.get(node)
        if before is None or before[0] != incarnation:
            self._reported[node] = (incarnation, seq, mark)
        elif seq >= before[1] or seq == 0:
            self._reported[node] = (incarnation, seq, _later(before[2], mark))

    def tell_height(self, node: str, incarnation: str, mark: LedgerMark) -> None:
        """Take what results of that incarnation tell."""
        before = self._reported.get(node)
        if before is not None and before[0] == incarnation:
            self._reported[node] = (incarnation, before[1], _later(before[2], mark))

    def refuses(self, node: StoredNode) -> str:
        """Return why the node's present ledger is refused; empty when it is accepted.

        A lower height of the process that the known one is of is no older ledger: another master has heard of it since.
        """
        incarnation, _, mark = self._reported.get(node.name, ("", 0, None))
        if mark is not None and incarnation == node.ledger_incarnation and mark.generation == node.ledger_generation:
            return ""
        return refusal(node.name, node.ledger, mark)

    def judge(self, node: StoredNode) -> tuple[StoredNode, str]:
        """Return the node with the present ledger as the known one, and why it is refused, if it is."""
        incarnation, _, mark = self._reported.get(node.name, ("", 0, None))
        if why := self.refuses(node):
            return node, why
        return known_as(node, _later(node.ledger, mark), incarnation), ""
