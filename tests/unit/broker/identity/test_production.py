"""The files for production say what a real server accepts, and agree with each other."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.identity.server_accounts import identity_config

ROOT = Path(__file__).parents[4]
IDENTITY = "identity/fleet.conf"
"""What nats.conf includes."""


def _checked(nats_server: str, place: Path, identity: str | None) -> subprocess.CompletedProcess[str]:
    """What the server says of nats.conf in `place`, with `identity` where it includes that."""
    shutil.copy(ROOT / "nats.conf", place)
    if identity is not None:
        (place / IDENTITY).parent.mkdir()
        (place / IDENTITY).write_text(identity, encoding="utf-8")
    command = [nats_server, "-t", "-c", str(place / "nats.conf")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _settings(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def test_the_server_accepts_its_configuration_with_the_identity_part(nats_server: str, tmp_path: Path) -> None:
    said = _checked(nats_server, tmp_path, identity_config(BrokerKeys.generate().public))
    assert said.returncode == 0, said.stderr
    assert "is valid" in said.stdout + said.stderr


def test_without_the_identity_part_the_server_does_not_start(nats_server: str, tmp_path: Path) -> None:
    """Rather than being open to everybody."""
    said = _checked(nats_server, tmp_path, None)
    assert said.returncode != 0
    assert IDENTITY in said.stdout + said.stderr


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
    samples = {path.name for path in (ROOT / "client/fleetfold_demo/data").glob("*.jsonl")}
    assert set(re.findall(r"demo/data/(\w+\.jsonl)", compose)) <= samples
    for module in re.findall(r"--actions=([\w.]+):ACTIONS", compose):
        assert (ROOT / "client" / Path(*module.split("."))).with_suffix(".py").exists()
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_the_image_is_built_from_every_folder_of_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {
        package.partition("/")[0] for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    }
    docker = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert {name for name in folders if f"COPY {name} {name}\n" not in docker} == set()
