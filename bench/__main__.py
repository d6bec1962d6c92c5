"""`python -m bench`: run every benchmark, print the figures and write them to `bench/results`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from bench import commands, fanout, search

RESULTS = Path(__file__).parent / "results"
ROUNDS = 3
BENCHMARKS: dict[str, Callable[[int], Coroutine[Any, Any, dict[str, Any]]]] = {
    "fanout": fanout.measure,
    "commands": commands.measure,
    "search": search.measure,
}


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench", description="the figures of a fleet on this machine")
    options.add_argument("names", nargs="*", metavar="NAME", help=f"only these of: {', '.join(BENCHMARKS)}")
    options.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is measured; {ROUNDS}")
    given = options.parse_args()
    if unknown := set(given.names) - BENCHMARKS.keys():
        options.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in given.names or BENCHMARKS:
        figures = {"benchmark": name, **_machine(), "rounds": given.rounds}
        figures |= {"figures": uvloop.run(BENCHMARKS[name](given.rounds)), "load_after": os.getloadavg()[0]}
        print(json.dumps(figures, indent=2), flush=True)
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")


def _machine() -> dict[str, Any]:
    """Where and when; `load_before` says whether anything else was running."""
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


if __name__ == "__main__":
    main()
