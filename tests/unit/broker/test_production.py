"""The files for production say what a real server accepts, and agree with each other."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def _settings(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def test_the_server_accepts_its_configuration(nats_server: str) -> None:
    said = subprocess.run(
        [nats_server, "-t", "-c", str(ROOT / "nats.conf")], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert "is valid" in said.stdout + said.stderr


def test_the_configuration_keeps_what_the_design_promises() -> None:
    settings = _settings((ROOT / "nats.conf").read_text(encoding="utf-8"))
    for line in ("sync_interval: always", "max_payload: 1MB", "max_pending: 512MB", "default_max_consumers: -1"):
        assert line in settings
    assert 'http: "127.0.0.1:8222"' in settings


def test_every_setting_is_explained() -> None:
    lines = (ROOT / "nats.conf").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if re.match(r"\s*\w+: ", line) and lines[number - 1].strip() != "":
            above = lines[number - 1].strip()
            assert above.startswith(("#", "ping_interval")), line


def test_the_containers_use_the_files_that_are_there() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    samples = {path.name for path in (ROOT / "child/fleetfold/demo/data").glob("*.jsonl")}
    assert set(re.findall(r"demo/data/(\w+\.jsonl)", compose)) <= samples
    for module in re.findall(r"--actions=([\w.]+):ACTIONS", compose):
        assert (ROOT / "child" / Path(*module.split("."))).with_suffix(".py").exists()
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored
