"""The bench over folders of real data: what it reads, and when it says that something is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from bench.folders import Question, read_folders
from bench.reference import OneIndex
from bench.retrieval import verdicts
from bench.selecting import measure_split
from bench.splits import by_topic, random_split

DOCS = [{"id": "a", "text": "a red tent"}, {"id": "b", "text": "an unpaid invoice"}]


def write(place: Path, documents: Sequence[dict[str, str]] = DOCS, qrels: str | None = "q1\ta\t1\n") -> None:
    place.mkdir()
    (place / "docs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in documents))
    queries = [{"id": f"q{number}", "text": "red tent"} for number in range(1, 9)]
    (place / "queries.jsonl").write_text("".join(json.dumps(one) + "\n" for one in queries))
    if qrels is not None:
        (place / "qrels.tsv").write_text("query\tdocument\tgrade\n" + qrels)


def test_what_is_no_collection_gets_one_line_and_the_others_are_read(tmp_path: Path) -> None:
    write(tmp_path / "Good_One")
    write(tmp_path / "empty", documents=[])
    write(tmp_path / "unjudged", qrels=None)
    write(tmp_path / "irrelevant", qrels="q1\ta\t0\n")
    folders, refused = read_folders(tmp_path, None, 0)
    assert [folder.name for folder in folders] == ["good-one"]
    assert [line.partition(":")[0] for line in refused] == [
        "SKIPPED empty", "SKIPPED irrelevant", "SKIPPED unjudged",
    ]  # fmt: skip


def test_a_sample_of_the_judged_queries_depends_on_the_seed_alone(tmp_path: Path) -> None:
    write(tmp_path / "docs", qrels="".join(f"q{number}\ta\t1\n" for number in range(1, 8)))

    def drawn(seed: int) -> list[str]:
        return [one.id for one in read_folders(tmp_path, 3, seed)[0][0].questions]

    assert len(drawn(0)) == 3
    assert drawn(0) == drawn(0)
    assert len({tuple(drawn(seed)) for seed in range(8)}) > 1


def test_a_random_split_is_even_and_a_split_by_topic_is_not_torn() -> None:
    assert sorted(np.bincount(random_split(17)).tolist()) == [2] * 7 + [3]
    vectors = np.repeat(np.eye(8, dtype=np.float32), 5, axis=0)
    topics = by_topic(vectors)
    assert all(len(set(topics[start : start + 5].tolist())) == 1 for start in range(0, 40, 5))


def measured(*, same: int = 100, kept: float = 1.0, asked: float = 0.3, nodes: int = 4) -> dict[str, object]:
    part = {"queries": 100, "same_top_ten": same}
    return {
        "alone": [part],
        "together": [part],
        "splits": [part],
        "auto": {"kept": kept, "asked": asked, "nodes": nodes},
    }


@pytest.mark.parametrize("wrong", [{"same": 99}, {"kept": 0.98}, {"asked": 0.6}])
def test_what_misses_its_target_is_named(wrong: dict[str, float]) -> None:
    assert verdicts(measured()) == []
    assert len(verdicts(measured(**wrong))) == 1  # type: ignore[arg-type] # of the fields above


def test_a_choice_among_one_node_is_none() -> None:
    assert verdicts(measured(asked=1.0, nodes=1)) == []


async def test_nodes_in_one_process_are_one_index() -> None:
    shares = {"shop": ("shop", DOCS[:1]), "crm": ("crm", DOCS[1:])}
    texts = {("shop", "a"): "a red tent", ("crm", "b"): "an unpaid invoice"}
    questions = [Question("shop", "q1", "red tent", {"a": 1}), Question("crm", "q2", "invoice", {"b": 1})]
    figures = await measure_split("both", shares, questions, OneIndex(texts))
    assert figures["same_top_ten"] == 2
    assert figures["all"] == {"ndcg_at_10": 1.0, "recall_at_10": 1.0}
    assert set(figures["kept"].values()) == {1.0}
    assert figures["auto"] == {"kept": 1.0, "asked": 0.5}
