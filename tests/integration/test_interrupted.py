"""Offline work that is cut short, by a full disk or by Ctrl-C, is told, leaves nothing half done, and goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

import headrace as hr
from headrace.cli.verbs import app
from headrace.errors import UnavailableError
from headrace.offline.jobs import folder_of
from headrace.settings import load_settings
from tests.integration.shop import FEATURES, SPINE, T0, append, configured, events, table
from tests.offline.test_spill import no_file_beyond

DAYS = [T0 + timedelta(days=d) for d in range(1, 6)]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A shop with a history of twenty days on a folder."""
    made = configured(tmp_path, FEATURES)
    with hr.FeatureStore(made) as store:
        append(table(store, f"{tmp_path}/lake/shop/sources/pay"), 0, 480)
    return made


# -- a disk is full


def test_a_materialisation_goes_on_once_there_is_room(tmp_path: Path) -> None:
    config = configured(tmp_path, FEATURES)
    with hr.FeatureStore(config) as store:
        crowd = events(0, 4_000).with_columns(
            user=pl.format("u{}", pl.int_range(4_000).hash(seed=1)),
            at=pl.lit(DAYS[2]).cast(pl.Datetime("us", "UTC")),
        )
        made = table(store, f"{tmp_path}/lake/shop/sources/pay")
        append(made, 0, 20)
        made.append(crowd.with_columns(pl.col("_offset") + 20), {("pay", 0): (20, 4_020)})
        with no_file_beyond(30_000):
            job = store.materialize("spend", DAYS[0], DAYS[2], "1d")
            with pytest.raises(UnavailableError, match="has no room for what is written"):
                job.wait(120)
        assert (job.state, job.progress) == ("failed", (2, 3))
        assert store.materialize("spend", DAYS[0], DAYS[2], "1d").wait(120).progress == (3, 3)
        assert len(pl.read_delta(f"{tmp_path}/lake/shop/views/spend@1")) == 3 + 3 + 4_003


def test_a_training_set_that_finds_no_room_leaves_no_file(config: Path, tmp_path: Path) -> None:
    SPINE.write_csv(tmp_path / "spine.csv")
    (tmp_path / ".out.parquet.part").symlink_to("/dev/full")
    words = ["training-set", f"{tmp_path}/spine.csv", "-f", "spend", "-o", f"{tmp_path}/out.parquet"]
    done = CliRunner().invoke(app, [*words, "--config", str(config)], env={"COLUMNS": "1000"})
    assert done.exit_code == 1, done.output
    assert f"{tmp_path}/out.parquet cannot be written: " in done.stderr
    assert "No space left on device" in done.stderr
    assert not (tmp_path / "out.parquet").exists()
    assert not (tmp_path / ".out.parquet.part").is_symlink()
    assert CliRunner().invoke(app, [*words, "--config", str(config)]).exit_code == 0


# -- Ctrl-C


def run(script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which presses Ctrl-C where the script says."""
    command = [sys.executable, "-c", f"{SCRIPT}\n{script}\nmain()", *words]
    env = {**os.environ, "COLUMNS": "1000", **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


SCRIPT = """
import os, signal
from headrace.cli import main
from headrace.offline import materializing, spill, view_values

signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal: what runs in the background ignores it
press = lambda: os.kill(os.getpid(), signal.SIGINT)
"""
IN_THE_SECOND = """
written, original = [], materializing.replace

def replaced(*given):
    original(*given)
    written.append(given)
    if len(written) == 2:
        press()

materializing.replace = replaced
"""
WHILE_IT_COMPUTES = """
computed, kept = view_values.ViewValues._partition, view_values.Partitions

def pressed(*given):
    press()
    return computed(*given)

view_values.ViewValues._partition = pressed
view_values.Partitions = lambda n, folder: kept(n, folder, in_memory=0)
"""


def test_ctrl_c_ends_a_materialisation_between_two_instants_and_the_same_command_goes_on(
    config: Path, tmp_path: Path
) -> None:
    until = T0 + timedelta(days=60)
    words = ["backfill", "spend", "--from", T0.isoformat(), "--to", until.isoformat(), "--step", "1d"]
    words += ["--config", str(config)]
    stopped = run(IN_THE_SECOND, *words)
    assert stopped.returncode == 130, stopped.stderr
    assert "Traceback" not in stopped.stderr
    (job,) = folder_of(load_settings(config)).list()
    assert job.state == "cancelled"
    assert 2 <= len(job.finished) < 61, stopped.stderr
    where = DeltaTable(tmp_path / "lake/shop/views/spend@1")
    assert where.version() == len(job.finished)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert folder_of(load_settings(config)).get(job.id).state == "done"
    where.update_incremental()
    assert where.version() == 61


def test_ctrl_c_ends_a_training_set_and_leaves_nothing(config: Path, tmp_path: Path) -> None:
    SPINE.write_csv(tmp_path / "spine.csv")
    (tmp_path / "scratch").mkdir()
    words = ["training-set", f"{tmp_path}/spine.csv", "-f", "spend", "-o", f"{tmp_path}/out.parquet"]
    before = sorted(p.name for p in tmp_path.iterdir())
    stopped = run(WHILE_IT_COMPUTES, *words, "--config", str(config), TMPDIR=f"{tmp_path}/scratch")
    assert stopped.returncode == 130, stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert list((tmp_path / "scratch").iterdir()) == []


def test_history_that_is_told_of_a_full_disk_waits_for_room(tmp_path: Path) -> None:
    config = configured(tmp_path, FEATURES)
    with hr.FeatureStore(config) as store:
        made = table(store, f"{tmp_path}/lake/shop/sources/pay")
        given: Any = events(0, 4_000).with_columns(amount=pl.int_range(4_000).hash(seed=1).cast(pl.Float64))
        with no_file_beyond(20_000), pytest.raises(UnavailableError, match="has no room for what is written"):
            made.append(given, {("pay", 0): (0, 4_000)})
        assert made.position("pay", 0) is None
        made.append(given, {("pay", 0): (0, 4_000)})
        assert made.position("pay", 0) == 4_000
