"""What Prometheus reads of the jobs process: how far refreshes and materialised values are behind, through its port."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest

import headrace as hr
from app.jobs import Jobs
from app.metrics_server import serve
from headrace.offline.jobs import folder_of, run
from headrace.offline.submitting import refresh_record, work_of
from headrace.settings import MetricsSettings
from tests.integration.polling import until
from tests.integration.shop import PAY, T0, append, configured, table
from tests.stack.ports import free_port

HOUR = 3_600
FEATURES = f"""{PAY}
spend = hr.FeatureView("spend", entity=user, source=pay, online=False, materialize="1d", features={{"last": "amount"}})
rates = hr.BatchSource(
    "rates", path="../rates", timestamp="at", schema={{"user": hr.String, "at": hr.Timestamp, "rate": hr.Float64}}
)
rated = hr.FeatureView("rated", entity=user, source=rates, online=False, refresh="1h", features={{"rate": "rate"}})
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[hr.FeatureStore]:
    """A day's history by a clock that stands at the second day, and a file of rates."""
    clock = f'[engine]\nclock = "{(T0 + timedelta(days=2)).isoformat()}"\n'
    with hr.FeatureStore(configured(tmp_path, FEATURES, more=clock)) as opened:
        append(table(opened, f"{tmp_path}/lake/shop/sources/pay"), 0, 60)
        (tmp_path / "rates").mkdir()
        rates = pl.DataFrame({"user": ["ann"], "at": [T0], "rate": [1.5]})
        rates.write_parquet(tmp_path / "rates" / "a.parquet")
        yield opened


@contextmanager
def port(store: hr.FeatureStore) -> Iterator[Callable[[str], float]]:
    """What the port of a process that has nothing more to do says of a metric's view."""
    settings = MetricsSettings(port=free_port())
    jobs = Jobs(store, limit=None, verify_every=HOUR, sample=80)

    def read(name: str) -> float:
        text = httpx.get(f"http://{settings.host}:{settings.port}/metrics").text
        found = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        return float(found[name])

    with serve(jobs.metrics, settings):
        jobs.start()
        try:
            until("jobs that are done", lambda: jobs.idle)
            yield read
        finally:
            assert jobs.stop(30)


def test_how_far_materialised_values_are_behind_is_on_the_port(store: hr.FeatureStore) -> None:
    with port(store) as says:
        lag = (datetime.now(UTC) - (T0 + timedelta(days=2))).total_seconds()
        assert lag - 60 < says('headrace_materialize_lag_seconds{view="spend@1"}') <= lag


def test_how_far_a_refresh_is_behind_its_target_is_on_the_port(
    store: hr.FeatureStore, tmp_path: Path
) -> None:
    hours_ago = time.time_ns() // 1000 - 3 * HOUR * 1_000_000
    record = refresh_record(store.project, store.settings, store.project.view("rated"), hours_ago)
    run(folder_of(store.settings), record.id, work_of(store.project, store.settings, record))
    (tmp_path / "rates" / "a.parquet").rename(tmp_path / "a.parquet")  # the refresh that is due fails
    lag = 'headrace_refresh_lag_seconds{view="rated@1"}'
    with port(store) as says:
        assert says('headrace_refresh_target_seconds{view="rated@1"}') == HOUR
        assert 3 * HOUR <= says(lag) < 4 * HOUR
    (tmp_path / "a.parquet").rename(tmp_path / "rates" / "a.parquet")
    with port(store) as says:
        until("a view that is fresh", lambda: says(lag) < HOUR)
