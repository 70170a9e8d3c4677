"""Offline work on S3 that goes away in the middle is told, goes on once it is back, and ends at Ctrl-C meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

import headrace as hr
from headrace.errors import PositionError, UnavailableError
from headrace.history.access import options_of
from headrace.history.storage import SILENT
from headrace.settings import Settings, load_settings
from tests.integration.deployment import on_s3
from tests.integration.shop import FEATURES, SPINE, T0, append, configured, table
from tests.online.proxy import Proxy
from tests.stack.s3 import S3

DAYS = [T0 + timedelta(days=d) for d in range(1, 6)]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A shop with a history of twenty days on a folder."""
    made = configured(tmp_path, FEATURES)
    with hr.FeatureStore(made) as store:
        append(table(store, f"{tmp_path}/lake/shop/sources/pay"), 0, 480)
    return made


@pytest.fixture
def line(s3: S3) -> Iterator[Proxy]:
    """A way to S3 that can be cut."""
    with Proxy(s3.port) as between:
        yield between


@pytest.fixture
def far(config: Path, line: Proxy, tmp_path: Path) -> Settings:
    """The same history on S3, by way of the line."""
    uri = f"s3://lake/{tmp_path.name}"
    settings = load_settings(config, on_s3(uri, f"http://127.0.0.1:{line.port}"))
    with hr.FeatureStore(config, settings=settings) as store:
        append(table(store, f"{uri}/shop/sources/pay", options_of(settings)), 0, 480)
    return settings


def test_a_materialisation_goes_on_once_s3_is_back(config: Path, far: Settings, line: Proxy) -> None:
    commits = 0

    def away_after_two(data: bytes) -> bytes | None:
        nonlocal commits
        commits += data.startswith(b"PUT ") and b"/views/" in data and b"/_delta_log/" in data
        return data if commits <= 3 else None  # one of them makes the table

    line.before = away_after_two
    with hr.FeatureStore(config, settings=far) as store:
        job = store.materialize("spend", DAYS[0], DAYS[-1], "1d")
        with pytest.raises(
            UnavailableError, match=r"history at s3://.* does not answer: .* begin again once it answers"
        ):
            job.wait(120)
        assert (job.state, job.progress) == ("failed", (2, 5))
        line.before = lambda data: data
        assert store.materialize("spend", DAYS[0], DAYS[-1], "1d").wait(120).progress == (5, 5)
        where = f"{far.history.uri}/shop/views/spend@1"
        made = DeltaTable(where, storage_options=options_of(far))
        assert made.version() == 5
        with hr.FeatureStore(config) as near:
            spine = pl.DataFrame({"user": ["u0", "u1", "u2"]}).join(
                pl.DataFrame({"timestamp": DAYS}), how="cross"
            )
            wanted = near.training_set(spine.sort("timestamp", "user"), "spend")
        kept = pl.DataFrame(made.to_pyarrow_table()).sort("_as_of", "user")
        for name in ("user", "spent_7d", "last", "paid_ever"):
            assert kept[name].equals(wanted[name])


def test_a_training_set_is_told_that_s3_went_away_and_made_once_it_is_back(
    config: Path, far: Settings, line: Proxy
) -> None:
    line.before = lambda data: None if data.startswith(b"GET ") and b".parquet" in data else data
    with hr.FeatureStore(config, settings=far) as store:
        with pytest.raises(UnavailableError, match=r"history at s3://.* does not answer"):
            store.training_set(SPINE, "spend")
        line.before = lambda data: data
        with hr.FeatureStore(config) as near:
            assert store.training_set(SPINE, "spend").equals(near.training_set(SPINE, "spend"))


def test_a_file_that_the_store_lost_is_named_by_who_reads_it(config: Path, far: Settings, s3: S3) -> None:
    table_folder = s3.folder / "data" / far.history.uri.removeprefix("s3://") / "shop/sources/pay"
    (gone,) = (table_folder / "_date=2026-01-15").glob("*.parquet")
    gone.unlink()
    early = SPINE.filter(SPINE["timestamp"] < T0 + timedelta(days=10))
    with hr.FeatureStore(config, settings=far) as store, hr.FeatureStore(config) as near:
        with pytest.raises(PositionError, match="pay/0 lacks 24 events at offsets 336 to 359"):
            store.training_set(SPINE, "spend")
        assert store.training_set(early, "spend").equals(near.training_set(early, "spend"))
        without = store.training_set(SPINE, "spend", allow_gaps=True)
    assert without["paid_ever"].to_list() == [40, 72, 152, 0]


COMMAND = """
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
from headrace.cli import main

main()
"""


@pytest.mark.parametrize("verb", ["training-set", "backfill"])
def test_ctrl_c_ends_a_command_that_waits_for_a_silent_s3(
    config: Path, far: Settings, line: Proxy, tmp_path: Path, verb: str
) -> None:
    SPINE.write_csv(tmp_path / "spine.csv")
    (tmp_path / "scratch").mkdir()
    words = {
        "training-set": [f"{tmp_path}/spine.csv", "-f", "spend", "-o", f"{tmp_path}/out.parquet"],
        "backfill": ["spend", "--from", DAYS[0].isoformat(), "--to", DAYS[-1].isoformat(), "--step", "1d"],
    }[verb]
    asked, over = threading.Event(), threading.Event()

    def silent(data: bytes) -> bytes | None:
        if b".parquet" in data:
            asked.set()
            over.wait()
        return data

    line.before = silent
    environment = on_s3(far.history.uri, f"http://127.0.0.1:{line.port}") | {"TMPDIR": f"{tmp_path}/scratch"}
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND, verb, *words, "--config", str(config)],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert asked.wait(120)
        command.send_signal(signal.SIGINT)
        if verb == "backfill":  # the first one lets what is being written be written
            assert command.stderr is not None
            assert "at a second Ctrl-C, at once" in command.stderr.readline()
            command.send_signal(signal.SIGINT)
        _, told = command.communicate(timeout=SILENT - 5)  # who waits for S3 is still there by then
    finally:
        over.set()
        command.kill()
    assert command.returncode == 130, told
    assert "Traceback" not in told
    assert list((tmp_path / "scratch").iterdir()) == []
    assert not (tmp_path / "out.parquet").exists()
