"""`python -m bench`: run every benchmark, print the figures and write them to `bench/results`.

`python -m bench --against REV` runs the same figures of another revision and of this one in turns, and says how much
dearer each has become; exit code 1 when one is worse by more than 3% in every round.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog
import uvloop

from bench import against, backlog, commands, fanout, footprint, hung, identity, node, search
from bench.peers import measuring as peers

RESULTS = Path(__file__).parent / "results"
ROUNDS = 3
BENCHMARKS: dict[str, Callable[[int], Coroutine[Any, Any, dict[str, Any]]]] = {
    "fanout": fanout.measure,
    "commands": commands.measure,
    "search": search.measure,
    "identity": identity.measure,
    "hung": hung.measure,
    "node": node.measure,
    "peers": peers.measure,
    "backlog": backlog.measure,
    "footprint": footprint.measure,
}


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench", description="the figures of a fleet on this machine")
    options.add_argument("names", nargs="*", metavar="NAME", help=f"only these of: {', '.join(BENCHMARKS)}")
    options.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is measured; {ROUNDS}")
    options.add_argument("--against", metavar="REV", help="compare with a revision, in the scenarios below")
    options.add_argument("--place", type=Path, metavar="DIR", help="with --against: keep REV's environment here")
    options.epilog = f"scenarios of --against: {', '.join(against.SCENARIOS)}"
    given = options.parse_args()
    known = against.SCENARIOS if given.against else tuple(BENCHMARKS)
    if unknown := set(given.names) - set(known):
        options.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if given.against:
        sys.exit(_compare(given.against, given.place, given.rounds, given.names or known))
    structlog.configure(  # connections that break and nodes that are refused are what some are about
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    for name in given.names or BENCHMARKS:
        figures = {"benchmark": name, **_machine(), "rounds": given.rounds}
        figures |= {"figures": uvloop.run(BENCHMARKS[name](given.rounds)), "load_after": os.getloadavg()[0]}
        print(json.dumps(figures, indent=2), flush=True)
        _write(name, figures)


def _compare(revision: str, place: Path | None, rounds: int, scenarios: Sequence[str]) -> int:
    this = against.Checkout.this()
    try:
        with against.other_revision(revision, place) as other:
            told = {"benchmark": "against", "old": other.name, "new": this.name, **_machine(), "rounds": rounds}
            ratios = uvloop.run(against.compare(other, this, rounds, scenarios))
    except ValueError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    told |= {"figures": {name: ratio.as_json() for name, ratio in ratios.items()}, "load_after": os.getloadavg()[0]}
    _write(f"against-{other.name}", told)
    print(against.table(ratios))
    return int(any(ratio.verdict == "worse" for ratio in ratios.values()))


def _write(name: str, figures: dict[str, Any]) -> None:
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
