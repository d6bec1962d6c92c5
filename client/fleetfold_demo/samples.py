"""The sample documents of the demo: Fernhill Outfitters, an outdoor shop with its blog and its CRM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

__all__ = ["Sample", "records", "source"]

Sample = Literal["products", "posts", "customers", "tickets", "orders"]


def source(name: Sample) -> Path:
    """The JSONL file of one sample collection; it can be given to a child as it is."""
    return Path(__file__).with_name("data") / f"{name}.jsonl"


def records(name: Sample) -> list[dict[str, Any]]:
    """All records of one sample collection, in the file's order."""
    with source(name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
