"""`fleetfold cache` against a made-up fleet."""

from __future__ import annotations

from msgspec.structs import replace

from fleetfold_shared.messages import CacheStats, CacheWarmed, PopularQuery
from support.commandline import FakeFleet, run_command

STATS = CacheStats(
    since=1.0, hits=1200, shared=3, misses=800, hit_rate=0.6, saved_ms=4.25, entries=700, bytes=1_500_000,
    memory_entries=650, memory_bytes=900, kept_s=900.0,
)  # fmt: skip


def test_the_figures_are_told_in_words_and_in_json() -> None:
    fleet = FakeFleet(answer=STATS)
    told = run_command("cache", "stats", fleet=fleet).out
    for figure in ("1,200", "60.0%", "4.2 ms", "700 answers, 1.4 MB", "650 answers, 900 bytes", "900 s"):
        assert figure in told
    assert run_command("cache", "stats", "--json", fleet=fleet).json["hit_rate"] == 0.6


def test_figures_of_nothing() -> None:
    unused = replace(STATS, hits=0, shared=0, misses=0, hit_rate=None, saved_ms=None)
    assert "hit rate        -" in run_command("cache", "stats", fleet=FakeFleet(answer=unused)).out
    off = FakeFleet(answer=replace(STATS, kept_s=0.0))
    assert "search.cache_s is 0" in run_command("cache", "stats", fleet=off).out


def test_popular_questions_cannot_steer_the_terminal() -> None:
    fleet = FakeFleet(answer=[PopularQuery("tent\x1b[31m\n" + "x" * 200, 12, 1.0)])
    told = run_command("cache", "popular", "--limit", "5", fleet=fleet).out
    assert ("12" in told, "\x1b" in told, "x" * 100 in told) == (True, False, False)
    assert fleet.asked == [("popular", 5)]
    assert run_command("cache", "popular", "--json", fleet=fleet).json["queries"][0]["count"] == 12
    assert run_command("cache", "popular", fleet=FakeFleet(answer=[])).out == "nothing was asked yet\n"


def test_warming_that_falls_short_has_an_exit_code_of_its_own() -> None:
    whole = run_command("cache", "warm", fleet=FakeFleet(answer=CacheWarmed(asked=3, kept=3)))
    assert (whole.code, whole.out) == (0, "3 asked, 3 stored\n")
    part = run_command("cache", "warm", "--json", fleet=FakeFleet(answer=CacheWarmed(asked=3, kept=2)))
    assert (part.code, part.json["kept"]) == (3, 2)


def test_clearing_says_how_many_there_were() -> None:
    assert run_command("cache", "clear", fleet=FakeFleet(answer=8)).out == "8 forgotten\n"
    assert run_command("cache", "clear", "--json", fleet=FakeFleet(answer=8)).json == {"entries": 8}
