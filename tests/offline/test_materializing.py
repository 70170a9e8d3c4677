"""Ranges of instants that are computed at once give what one range gives, in the same commits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

import headrace as hr
from headrace.history.upkeep import compact
from headrace.offline import materializing
from headrace.offline.jobs import JobFolder, Running
from headrace.offline.materializing import materialize, ranges, replace
from headrace.offline.sources import FrameEvents
from tests.integration.shop import FEATURES, T0, configured, events

MICROS = 1_000_000
FIRST = int(T0.timestamp()) * MICROS
HOURS = [FIRST + h * 3600 * MICROS for h in range(1, 60, 5)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[hr.FeatureStore]:
    with hr.FeatureStore(configured(tmp_path, FEATURES)) as opened:
        yield opened


def job(tmp_path: Path) -> Running:
    folder = JobFolder(tmp_path / "jobs")
    record = folder.submit("materialize", {})
    return Running(folder, folder.change(record.id, lambda r: type(r)(r.id, r.kind, r.arguments, "running")))


def written(store: hr.FeatureStore, home: Path, threads: int) -> tuple[pl.DataFrame, list[Any]]:
    """The view's table, and of each of its commits the instant."""
    home.mkdir()
    plan = store.project.plan("spend")
    frame = FrameEvents(plan.source.source, events(0, 80).lazy())
    materialize(plan, frame, str(home / "t"), HOURS, job(home), threads=threads)
    commits = [c.get("headrace.as_of") for c in DeltaTable(home / "t").history()]
    return pl.read_delta(str(home / "t")).sort("_as_of", "user"), commits


@pytest.mark.parametrize("threads", [2, 3])
def test_ranges_at_once_are_written_as_one_after_another(
    store: hr.FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    whole, commits = written(store, tmp_path / "one", 1)
    monkeypatch.setattr(materializing, "ROWS", 6 * (threads + 1))  # two instants of three entities
    assert [len(r) for r in ranges(HOURS, 3, threads)] == [2] * 6
    several, others = written(store, tmp_path / "several", threads)
    assert several.equals(whole)
    assert others == commits
    assert len(whole) == 3 * len(HOURS) - 1  # in the first hour nobody but u0 and u1


def test_rows_at_once_are_bounded_and_each_thread_has_some() -> None:
    assert ranges([1, 2, 3, 4, 5], 10, 2) == [[1, 2, 3], [4, 5]]
    assert ranges([1, 2, 3], materializing.ROWS, 2) == [[1], [2], [3]]
    assert ranges([1], 0, 2) == [[1]]


def test_an_instant_is_written_though_its_files_are_compacted_meanwhile(
    store: hr.FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, uri = store.project.plan("spend"), str(tmp_path / "t")
    day = [FIRST + h * 3600 * MICROS for h in (1, 2)]
    rows = pl.DataFrame({"user": ["u1"], "spent_7d": [1.0], "last": [1.0], "paid_ever": [1]})
    for t in day:
        replace(plan, uri, rows, t, None)
    original, left = materializing.write_deltalake, [True]

    def late(table: DeltaTable, *given: Any, **named: Any) -> None:
        if left:  # after the table was opened, and before it is written to
            left.pop()
            assert compact(uri)[0] == 2
        original(table, *given, **named)

    monkeypatch.setattr(materializing, "write_deltalake", late)
    replace(plan, uri, rows.with_columns(paid_ever=pl.lit(7)), day[1], None)
    kept = pl.read_delta(uri).sort("_as_of").select("_as_of", "paid_ever").rows()
    assert kept == [(T0 + timedelta(hours=1), 1), (T0 + timedelta(hours=2), 7)]
