"""The caller of a peer: so many threads, each with one piece of work in flight. Run by `bench.peers.measuring`.

`python -m bench.peers.client MODULE IN_FLIGHT COUNT` prints its pace, and its own CPU seconds.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
import time
from collections.abc import Callable

from bench.rounds import Pace

__all__: list[str] = []


def main() -> None:
    module, in_flight, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    ask: Callable[[int], int] = importlib.import_module(module).ask
    numbers, lock = iter(range(count)), threading.Lock()
    took_s: list[float] = []

    def keep_on() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            started = time.perf_counter()
            if ask(number) != number:
                raise RuntimeError("another answer")
            took_s.append(time.perf_counter() - started)

    ask(-1)  # the first one connects
    began, used = time.perf_counter(), time.process_time()
    threads = [threading.Thread(target=keep_on) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    measured = Pace.of(count / (time.perf_counter() - began), took_s)
    print(json.dumps({**measured._asdict(), "cpu_s": time.process_time() - used}))


if __name__ == "__main__":
    main()
