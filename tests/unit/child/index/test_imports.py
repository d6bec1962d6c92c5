from __future__ import annotations

import subprocess
import sys


def test_the_search_room_imports_without_the_heavy_libraries() -> None:
    code = (
        "import sys, fleetfold_child.index, fleetfold_shared.text.embedding, fleetfold_shared.text.analysis; "
        "print([m for m in ('lancedb', 'pyarrow', 'wordllama', 'Stemmer', 'nats') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
