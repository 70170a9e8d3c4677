"""What cannot be backfilled is said before anything is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import headrace as hr
from headrace.errors import StateError, UsageError
from headrace.offline.jobs import Record, folder_of
from headrace.offline.submitting import work_of
from tests.integration.shop import FEATURES, configured


@pytest.fixture
def store(tmp_path: Path) -> Iterator[hr.FeatureStore]:
    config = configured(tmp_path, FEATURES, more='[kafka]\nbootstrap = "embedded"\n')
    with hr.FeatureStore(config) as opened:
        yield opened


def test_a_view_that_declares_no_beginning_needs_one(store: hr.FeatureStore) -> None:
    with pytest.raises(UsageError, match=r"from when\? `spend@1` declares no backfill="):
        store.backfill("spend")


def test_an_instant_that_is_none_and_a_limit_of_nothing_are_refused(store: hr.FeatureStore) -> None:
    with pytest.raises(UsageError, match="an instant is ISO 8601"):
        store.backfill("spend", "yesterday")
    with pytest.raises(UsageError, match="a limit is a number of entities a second, not 0"):
        store.backfill("spend", "2026-01-01", limit=0)


def test_an_embedded_broker_has_no_changelog_to_write(store: hr.FeatureStore) -> None:
    job = store.backfill("spend", "2026-01-01")
    with pytest.raises(UsageError, match="backfill on a real Kafka"):
        job.wait(60)
    assert job.state == "failed"


def test_events_that_are_no_frame_and_no_file_are_refused(store: hr.FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no Parquet file `away\.parquet`"):
        store.backfill("spend", events="away.parquet")
    with pytest.raises(UsageError, match="or a Parquet file, not int"):
        store.backfill("spend", events=7)


def test_a_backfill_of_a_frame_is_not_taken_up_without_it_and_one_of_a_file_is(
    store: hr.FeatureStore, tmp_path: Path
) -> None:
    frame = pl.DataFrame({"user": ["u1"], "amount": [1.0], "_partition": [0], "_offset": [0]})
    frame.write_parquet(tmp_path / "past.parquet")
    given: tuple[tuple[object, str], ...] = (
        (frame, "a frame"),
        (tmp_path / "past.parquet", f"{tmp_path}/past.parquet"),
    )
    for events, told in given:
        job = store.backfill("spend", events=events)
        with pytest.raises(UsageError, match="backfill on a real Kafka"):
            job.wait(60)
        assert job.folder.get(job.id).arguments["events"] == told
    with pytest.raises(StateError, match="was given a frame, which went with its process: ask again"):
        work_of(store.project, store.settings, recorded(store, "a frame"))
    assert callable(work_of(store.project, store.settings, recorded(store, f"{tmp_path}/past.parquet")))


def recorded(store: hr.FeatureStore, events: str) -> Record:
    return next(r for r in folder_of(store.settings).list() if r.arguments.get("events") == events)
