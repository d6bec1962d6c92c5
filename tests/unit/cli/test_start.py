"""A command that only asks must not wait for what only daemons need."""

from __future__ import annotations

import subprocess
import sys

HEAVY = "lancedb", "pyarrow", "sqlalchemy", "wordllama", "numpy", "Stemmer", "jsonschema_rs"
PROGRAM = """
import sys
from fleetfold_cli import main
main(["nodes", "list", "--url", "nats://127.0.0.1:1"])
print(*sorted(set(sys.modules) & set(sys.argv[1:])))
"""


def test_a_client_command_imports_nothing_heavy() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, *HEAVY], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
    assert ran.stderr.startswith("fleetfold: no broker answers at nats://127.0.0.1:1")
