"""History under care: training sets read fewer files and stay the same, and retention is told to who recomputes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

import headrace as hr
from headrace.definitions import StreamSource
from headrace.errors import StateError
from headrace.offline.caring import Cared, care_for_values, first_kept, in_order, key_of
from headrace.offline.sources import DeltaEvents, require_since
from tests.integration.jobs_process import run_jobs
from tests.integration.shop import FEATURES, T0, append, configured, table

NOW = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
USERS = [f"u{i:04d}" for i in range(2_000)]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configured(tmp_path, FEATURES)


@pytest.fixture
def store(config: Path) -> Iterator[hr.FeatureStore]:
    with hr.FeatureStore(config) as opened:
        yield opened


@pytest.fixture
def uri(store: hr.FeatureStore, tmp_path: Path) -> str:
    """Each user pays three times on each of three days; a commit for each third of a day."""
    made = table(store, f"{tmp_path}/lake/shop/sources/pay")
    for i in range(9):
        at = NOW - timedelta(days=3 - i // 3, hours=-8 * (i % 3) - 1)
        n = len(USERS)
        instant = pl.repeat(at, n, dtype=pl.Datetime("us", "UTC"), eager=True)
        rows = pl.DataFrame(
            {
                "user": USERS,
                "amount": [float(i + len(u)) for u in USERS],
                "at": instant,
                "_topic": ["pay"] * n,
            }
        ).sample(fraction=1, shuffle=True, seed=i)
        placed = rows.with_columns(
            _partition=pl.lit(0, dtype=pl.Int32),
            _offset=pl.int_range(n * i, n * (i + 1), dtype=pl.Int64),
            _timestamp=instant,
            _ingested_at=instant,
        )
        made.append(placed, {("pay", 0): (n * i, n * (i + 1))})
    return made.uri


def files(uri: str) -> pl.DataFrame:
    return pl.DataFrame(DeltaTable(uri).get_add_actions(flatten=True))


def pay(store: hr.FeatureStore) -> StreamSource:
    source = store.project.source("pay")
    assert isinstance(source, StreamSource)
    return source


def test_a_training_set_of_some_entities_opens_the_files_that_have_them(
    store: hr.FeatureStore, uri: str
) -> None:
    some = pl.DataFrame({"user": ["u0007", "u1990"], "timestamp": [NOW, NOW]})
    everybody = pl.DataFrame({"user": USERS, "timestamp": [NOW] * len(USERS)})
    few, all_ = store.training_set(some, "spend"), store.training_set(everybody, "spend")
    assert key_of(store.project, pay(store)) == "user"
    in_order(store.project, pay(store), uri, {}, target_size=12_000)
    found = files(uri)
    holding = [pl.col("min.user").le(u) & pl.col("max.user").ge(u) for u in some["user"]]
    needed = found.filter(pl.any_horizontal(holding))
    assert len(needed) <= 6 < len(found)  # of each day, one file an entity
    assert store.training_set(everybody, "spend").equals(all_)
    for path in set(found["path"]) - set(needed["path"]):
        file = Path(uri) / path
        file.write_bytes(bytes(file.stat().st_size))  # no Parquet any more
    assert store.training_set(some, "spend").equals(few)
    with pytest.raises(pl.exceptions.ComputeError):
        store.training_set(everybody, "spend")


def test_the_jobs_process_lets_go_what_is_too_old_and_puts_the_rest_in_order(
    store: hr.FeatureStore, config: Path, uri: str
) -> None:
    before = store.training_set([{"user": "u0001", "timestamp": NOW}], "spend")
    kept_for = FEATURES.replace('    key="user",\n', '    key="user",\n    retention="1d",\n')
    (config / "features" / "spend.py").write_text(kept_for)
    done = run_jobs(config)
    assert done.exit_code == 0, done.stderr
    assert "history of pay: {'name': 'pay', 'retired': 12000," in done.stderr
    assert len(files(uri)) == 1
    with hr.FeatureStore(config) as short:
        after = short.training_set([{"user": "u0001", "timestamp": NOW}], "spend")
        assert (before["paid_ever"].item(), after["paid_ever"].item()) == (9, 3)
        assert after.metadata["sources"]["pay"]["since"] == f"{NOW - timedelta(days=1):%Y-%m-%d}"
        assert short.training_set(before[:, :2], "spend", at_version=before).equals(before)
        events = DeltaEvents.open(pay(short), uri, project="shop")
        first = int((NOW - timedelta(days=2)).timestamp() * 1e6)
        with pytest.raises(StateError, match="what is older than its retention= is gone"):
            require_since(events, first, allow_gaps=False)
        require_since(events, first, allow_gaps=True)
        require_since(events, first + 86_400_000_000, allow_gaps=False)
    assert run_jobs(config).exit_code == 0


def test_a_date_is_kept_until_all_of_it_is_too_old() -> None:
    noon = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp() * 1e6)
    assert str(first_kept(86_400_000_000, noon)) == "2026-03-09"


def test_the_jobs_process_joins_the_files_of_a_views_values(
    store: hr.FeatureStore, config: Path, tmp_path: Path
) -> None:
    append(table(store, f"{tmp_path}/lake/shop/sources/pay"), 0, 60)
    store.materialize("spend", T0, T0 + timedelta(hours=30), "3h").wait(120)
    where = f"{tmp_path}/lake/shop/views/spend@1"
    before = pl.read_delta(where).sort("_as_of", "user")
    assert len(files(where)) == 11
    done = run_jobs(config)
    assert done.exit_code == 0, done.stderr
    assert (
        "values of spend@1: {'name': 'spend@1', 'retired': 0, 'files_before': 11, 'files_after': 2"
        in done.stderr
    )
    assert files(where)["partition._date"].sort().to_list() == [T0.date(), T0.date() + timedelta(days=1)]
    assert pl.read_delta(where).sort("_as_of", "user").equals(before)
    again = T0 + timedelta(hours=3)
    store.materialize("spend", again, again, "3h").wait(120)
    assert pl.read_delta(where).sort("_as_of", "user").equals(before)
    (row,) = store.read("spend", ["u1"], store="offline")
    assert row["_as_of"] == int((T0 + timedelta(hours=30)).timestamp() * 1e6)


def test_files_of_a_date_that_is_not_over_are_left_alone(store: hr.FeatureStore, tmp_path: Path) -> None:
    append(table(store, f"{tmp_path}/lake/shop/sources/pay"), 0, 60)
    store.materialize("spend", T0, T0 + timedelta(hours=30), "3h").wait(120)
    cared = care_for_values(
        store.settings, store.project.view("spend"), int(T0.timestamp() * 1e6) + 30 * 3_600_000_000
    )
    assert cared == Cared("spend@1", 0, 8, 1, 0)
    assert care_for_values(store.settings, store.project.view("rated"), 0) is None
