"""Runs of an earlier report go on counting only for the engine that they are of."""

from __future__ import annotations

from bench.compare import Entry
from bench.measuring import Rate
from bench.peers.kafka_streams import KafkaStreams
from bench.peers.python import Quix


def entry(version: str, *walls: float) -> Entry:
    found = Entry(KafkaStreams(), version=version, checked="2 windows")
    for wall in walls:
        found.rates.append(Rate(1_000, wall, 2.0, 1.0, 300.0))
        found.loads.append(0.5)
    return found


def test_runs_of_the_same_engine_and_version_are_put_before() -> None:
    now = entry("4.1.1", 3.0)
    now.earlier([entry("4.1.1", 1.0, 2.0).data()])
    assert [r.wall for r in now.rates] == [1.0, 2.0, 3.0]
    assert now.checked == "2 windows"
    assert now.loads == [0.5, 0.5, 0.5]
    assert len(now.data()["runs"]) == 3  # type: ignore[arg-type]


def test_runs_of_another_version_or_engine_do_not_count() -> None:
    now = entry("4.1.1", 3.0)
    now.checked = ""
    other = Entry(Quix(), version="4.1.1", rates=[Rate(1, 9.0, 9.0, 9.0, 9.0)], loads=[0.1])
    now.earlier([entry("4.1.0", 1.0).data(), other.data()])
    assert [r.wall for r in now.rates] == [3.0]
    assert now.checked == ""


def test_an_engine_of_an_earlier_report_is_what_it_was() -> None:
    found = entry("4.1.1", 1.0, 2.0)
    found.problem = "a run failed"
    assert Entry.of(found.data()).data() == found.data()
