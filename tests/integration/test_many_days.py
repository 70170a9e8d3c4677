"""Ten years of daily partitions on S3: what is asked of the store, counted, not timed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction, RemoveAction

import headrace as hr
from headrace.history.access import options_of
from headrace.history.account import events_name
from headrace.history.files import lost
from headrace.settings import Settings, load_settings
from tests.integration.deployment import on_s3
from tests.integration.shop import FEATURES, SPINE, T0, append, configured, table
from tests.online.proxy import Proxy
from tests.stack.s3 import S3

DAYS = 3_650


class Asked:
    """The requests on a line: ``GET /lake/...``."""

    def __init__(self, line: Proxy) -> None:
        self.all: list[str] = []
        line.before = self._see

    def _see(self, data: bytes) -> bytes:
        self.all += re.findall(r"^(?:GET|HEAD|PUT|POST|DELETE) /\S*", data.decode("latin-1"), re.M)
        return data

    @property
    def listings(self) -> list[str]:
        return [r for r in self.all if "list-type=2" in r and "_delta_log" not in r]

    @property
    def dates(self) -> set[str]:
        return {date for r in self.all for date in re.findall(r"_date(?:=|%3D)(\d{4}-\d\d-\d\d)/", r)}


def uri(settings: Settings) -> str:
    return f"{settings.history.uri}/shop/sources/pay"


def kept(s3: S3, settings: Settings) -> Path:
    """Where the server has the table's files."""
    return s3.folder / "data" / uri(settings).removeprefix("s3://")


@pytest.fixture
def line(s3: S3) -> Iterator[Proxy]:
    """A way to S3 on which requests are counted."""
    with Proxy(s3.port) as between:
        yield between


@pytest.fixture
def far(tmp_path: Path, s3: S3, line: Proxy) -> Settings:
    """Twenty days of events, and before them ten years of days with a file of one event each (which nobody opens)."""
    config = configured(tmp_path, FEATURES)
    settings = load_settings(config, on_s3(f"s3://lake/{tmp_path.name}", f"http://127.0.0.1:{line.port}"))
    with hr.FeatureStore(config, settings=settings) as store:
        append(table(store, uri(settings), options_of(settings)), 0, 480)
    made = DeltaTable(uri(settings), storage_options=options_of(settings))
    adds: list[AddAction | RemoveAction] = []
    for day in (T0.date() - timedelta(days=d) for d in range(1, DAYS + 1)):
        file = f"_date={day}/a.parquet"
        at = kept(s3, settings) / file
        at.parent.mkdir()
        at.write_bytes(b"no Parquet")
        told = {
            "numRecords": 1,
            "minValues": {"_partition": 0},
            "maxValues": {"_partition": 0},
            "nullCount": {},
        }
        adds.append(AddAction(file, 10, {"_date": str(day)}, 0, True, json.dumps(told)))
    moves = [Transaction(events_name("headrace/shop/pay", ("pay", 0)), 480 + DAYS)]
    properties = CommitProperties(app_transactions=moves)
    made.create_write_transaction(
        adds, "append", made.schema().to_arrow(), ["_date"], commit_properties=properties
    )
    return settings


def test_a_training_set_asks_for_the_dates_that_it_needs_and_lists_no_files(
    tmp_path: Path, far: Settings, line: Proxy
) -> None:
    asked = Asked(line)
    spine = SPINE.filter(SPINE["timestamp"] == T0 + timedelta(days=20))
    with hr.FeatureStore(tmp_path / "config", settings=far) as store:
        got = store.training_set(spine, ["spend:spent_7d"])
    assert got["spent_7d"].is_not_null().all()
    assert asked.listings == []
    assert asked.dates == {str(T0.date() + timedelta(days=d)) for d in range(13, 20)}
    assert len(asked.all) < 100


def test_files_that_the_store_lost_are_found_by_a_listing_for_each_thousand(
    tmp_path: Path, s3: S3, far: Settings, line: Proxy
) -> None:
    options = options_of(far)
    made = DeltaTable(uri(far), storage_options=options)
    asked = Asked(line)
    assert lost(made, uri(far), options) == []
    files = len(made.file_uris())
    assert files > DAYS
    assert len(asked.all) == len(asked.listings) <= files // 1_000 + 2
    (kept(s3, far) / "_date=2020-02-29/a.parquet").unlink()
    assert lost(made, uri(far), options) == ["_date=2020-02-29/a.parquet"]
