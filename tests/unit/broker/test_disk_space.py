"""Room on a volume."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetfold_broker.disk_space import DiskSpace, human_bytes

MIB, GIB = 1024**2, 1024**3


@pytest.mark.parametrize(
    ("free", "total", "room"),
    [
        (0, 100 * GIB, "full"),
        (4 * MIB - 1, 100 * GIB, "full"),
        (4 * MIB, 100 * GIB, "low"),
        (GIB - 1, 100 * GIB, "low"),  # at most 1 GiB, however large the volume
        (GIB, 100 * GIB, "enough"),
        (5 * MIB - 1, 100 * MIB, "low"),
        (5 * MIB, 100 * MIB, "enough"),
        (32 * MIB, 32 * MIB, "enough"),
    ],
)
def test_room(free: int, total: int, room: str) -> None:
    assert DiskSpace(free, total).room == room


def test_a_real_volume_is_read(tmp_path: Path) -> None:
    space = DiskSpace.of(tmp_path)
    assert 0 < space.free <= space.total


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 * GIB // 2, "1.5 GiB"), (2**51, "2048.0 TiB")],
)
def test_human_bytes(count: int, text: str) -> None:
    assert human_bytes(count) == text
