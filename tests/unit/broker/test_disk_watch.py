"""Watch of a volume: what is said of it, and how often."""

from __future__ import annotations

from structlog.testing import capture_logs

from fleetfold_broker.disk_space import DiskSpace
from fleetfold_broker.disk_watch import DiskWatch

GIB = 1024**3
ENOUGH, LOW, FULL = DiskSpace(50 * GIB, 100 * GIB), DiskSpace(GIB // 2, 100 * GIB), DiskSpace(0, 100 * GIB)


def test_each_change_is_told_once_and_described() -> None:
    seen = [ENOUGH, LOW, LOW, FULL, FULL, ENOUGH]
    watch = DiskWatch("node", lambda: seen.pop(0), "nothing works")
    with capture_logs() as said:
        looked = [(watch.look(), watch.said) for _ in range(6)]
    low, full = "low: 512.0 MiB of 100.0 GiB free", "full: 0 B of 100.0 GiB free"
    assert looked == [(False, ""), (True, low), (False, low), (True, full), (False, full), (True, "")]
    assert [one["event"] for one in said] == ["node.disk_low", "node.disk_full", "node.disk_has_room"]


def test_a_volume_that_cannot_be_read_changes_nothing() -> None:
    def fails() -> DiskSpace:
        raise OSError(5, "Input/output error")

    watch = DiskWatch("node", fails, "nothing works")
    with capture_logs() as said:
        assert not watch.look()
    assert [one["event"] for one in said] == ["node.disk_unreadable"]
