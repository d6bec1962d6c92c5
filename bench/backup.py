"""Seconds and bytes of backups: `python -m bench.backup`, 100,000 documents and 100,000 jobs unless told otherwise.

A master's database with the jobs, a node's ledger with a command of each, and a collection with the documents are made,
then backed up, backed up again after one document in a hundred has changed, verified, and restored to an empty place.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from bench.documents import CONTENT_WORDS, TITLE_WORDS, Library
from fleetfold.backup import create_backup, find_places, restore_backup, verify_backup
from fleetfold.backup.targets import DirectoryTarget
from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.interfaces import Entry
from fleetfold_child.index.lance_table import Table
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_master.store import Store
from fleetfold_shared.config import Config

T = TypeVar("T")

PARTS = ["master", "nodes/shop"]
BATCH = 5000
DIMENSIONS = 256
CHANGED = 100
"""One document in so many changes between the first backup and the second."""


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.backup", description=__doc__)
    options.add_argument("--documents", type=int, default=100_000)
    options.add_argument("--jobs", type=int, default=100_000)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleetfold-bench-") as folder:
        print(json.dumps(measure(Path(folder), given.documents, given.jobs), indent=2))


def measure(folder: Path, documents: int, jobs: int) -> dict[str, object]:
    """The figures; `load_before` says whether anything else was running."""
    state, target = folder / "state", DirectoryTarget(folder / "backups")
    asyncio.run(_make(state, documents, jobs))
    places, load = find_places(Config(), state), os.getloadavg()[0]
    first, first_s = _timed(lambda: create_backup(target, places, PARTS))
    asyncio.run(_change(state, range(0, documents, CHANGED)))
    second, second_s = _timed(lambda: create_backup(target, places, PARTS))
    checked, verify_s = _timed(lambda: verify_backup(target, second))
    restored, restore_s = _timed(lambda: restore_backup(target, second, find_places(Config(), folder / "restored")))
    assert checked.ok, checked
    return {
        "documents": documents, "jobs": jobs, "load_before": load,
        "create": {"seconds": first_s, "bytes": first.bytes, "new_bytes": first.new_bytes},
        "create_again": {"seconds": second_s, "bytes": second.bytes, "new_bytes": second.new_bytes},
        "verify": {"seconds": verify_s, "bytes": checked.bytes},
        "restore": {"seconds": restore_s, "bytes": restored.bytes},
    }  # fmt: skip


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.monotonic()
    done = work()
    return done, round(time.monotonic() - began, 2)


async def _make(state: Path, documents: int, jobs: int) -> None:
    await (await Store.open(f"sqlite:///{state / 'master' / 'master.db'}")).close()
    node = state / "children" / "shop"
    node.mkdir(parents=True)
    await (await Ledger.open(node / "node.db", incarnation="bench")).close()
    await _change(state, range(documents))
    with closing(sqlite3.connect(state / "master" / "master.db")) as master, master:
        master.executemany(
            "INSERT INTO job (id, digest, caller, action, params, sequential, timeout_s, state, created_at, ended_at)"
            " VALUES (?, ?, 'bench', 'post', ?, 0, 60, 'ok', 1, 2)",
            ((f"job-{number}", "d" * 64, _params(number)) for number in range(jobs)),
        )
        master.executemany(
            "INSERT INTO job_node (job, position, node, attempt, began_at, outcome, answered, result, ms)"
            " VALUES (?, 0, 'shop', 1, 1, 'ok', 1, ?, 3)",
            ((f"job-{number}", _params(number)) for number in range(jobs)),
        )
    with closing(sqlite3.connect(node / "node.db")) as ledger, ledger:
        ledger.executemany(
            "INSERT INTO fleetfold_command (id, action, kind, state, starts, incarnation, epoch, attempt, params,"
            " outcome, answer, published, admitted_at, finished_at)"
            " VALUES (?, 'post', 'idempotent', 'done', 1, '', 0, 1, ?, 'ok', ?, 1, 1, 2)",
            ((f"j.job-{number}.shop", _params(number), _params(number)) for number in range(jobs)),
        )


async def _change(state: Path, numbers: range) -> None:
    """Write the documents with these numbers, with new texts and vectors."""
    table = await Table.open(state / "children" / "shop", "things", DIMENSIONS, {"analyzer": "bench"})
    entries = _entries(numbers)
    while batch := list(islice(entries, BATCH)):
        await table.write(batch)
    await table.optimize()
    await table.close()


def _entries(numbers: range) -> Iterator[Entry]:
    library, rng = Library(len(numbers)), np.random.default_rng(len(numbers))
    for number in numbers:
        title, content = library.text(TITLE_WORDS), library.text(CONTENT_WORDS)
        vector = rng.standard_normal(DIMENSIONS, dtype=np.float32)
        yield Entry(Document(f"d{number}", title, content, {}), f"{title} {content}".split(), vector)


def _params(number: int) -> str:
    return json.dumps({"order": number, "reason": "a text of about a hundred characters, as parameters of jobs are"})


if __name__ == "__main__":
    main()
