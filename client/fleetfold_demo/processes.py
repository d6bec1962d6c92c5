"""The demo's processes: each is the installed command, started for real, waited for, and killed for real."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from fleetfold_broker.server.parent_death_signal import die_with_parent
from fleetfold_shared.errors import DeadlineExceeded, Unavailable

__all__ = ["DaemonProcess", "start_daemon"]

READY_S = 90.0
STOP_S = 15.0
REFUSED = b'{"error"'
"""How a command with `--json` begins to say why it does not start."""


class DaemonProcess:
    """One `fleetfold ...` process. `ready` is the line it printed when it was up; its log goes to a file."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process, self._log = process, log
        self.ready = ""

    async def wait_ready(self) -> None:
        """Return when it has said that it is up; `Unavailable` with its last words when it ends instead."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_S):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise DeadlineExceeded(f"no sign of life within {READY_S:g} s; its log is {self._log}") from None
        if not line or line.startswith(REFUSED):
            await self._process.wait()
            raise Unavailable(f"it ended with code {self._process.returncode}: {self._last_words()}")
        self.ready = line.decode().strip()

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.returncode is not None

    async def kill(self) -> None:
        """SIGKILL: no goodbye, no clean-up."""
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that is not heard."""
        if self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"nothing in {self._log}"


async def start_daemon(
    name: str, words: list[str], data: Path, env: Mapping[str, str] | None = None, *, python: str = sys.executable
) -> DaemonProcess:
    """Run `fleetfold WORDS`, its log in `data/NAME.log`, in `env` or this process's; return when it is up.

    `python` has the fleetfold that is run.
    """
    log = data / f"{name}.log"
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            python, "-m", "fleetfold", *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=errors,
            env={**(os.environ if env is None else env), "PYTHONUNBUFFERED": "1"},
            start_new_session=True, preexec_fn=die_with_parent,
        )  # fmt: skip
    daemon = DaemonProcess(process, log)
    try:
        await daemon.wait_ready()
    except BaseException:
        await daemon.stop()
        raise
    return daemon
