"""`headrace sources compact | vacuum`: files change, rows and training sets do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

import headrace as hr
from headrace.cli.verbs import app
from tests.integration.shop import FEATURES, append, table


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config" / "features").mkdir(parents=True)
    (tmp_path / "config" / "features" / "spend.py").write_text(FEATURES)
    (tmp_path / "config" / "headrace.toml").write_text('project = "shop"\n[history]\nuri = "lake"\n')
    return tmp_path / "config"


@pytest.fixture
def history(config: Path, tmp_path: Path) -> Iterator[str]:
    with hr.FeatureStore(config) as store:
        made = table(store, f"{tmp_path}/lake/shop/sources/pay")
        for first in range(0, 60, 10):
            append(made, first, 10)
        yield made.uri


def told(config: Path, *arguments: str) -> list[dict[str, object]]:
    answer = CliRunner().invoke(app, ["sources", *arguments, "--json", "--config", str(config)])
    assert answer.exit_code == 0, answer.output
    found: list[dict[str, object]] = json.loads(answer.stdout)
    return found


def test_small_files_are_joined_and_older_versions_stay_until_they_are_old(
    config: Path, history: str
) -> None:
    before = DeltaTable(history)
    days = len(before.partitions())
    files, version = len(before.file_uris()), before.version()
    assert files > days
    (one,) = told(config, "compact", "pay")
    assert one["source"] == "pay"
    assert len(DeltaTable(history).file_uris()) == days
    assert told(config, "vacuum") == [{"source": "pay", "deleted": 0}]
    assert len(DeltaTable(history, version=version).file_uris()) == files
    now, then = (DeltaTable(history, version=v).to_pyarrow_table().num_rows for v in (None, version))
    assert now == then == 60


def test_a_source_without_history_is_told(config: Path) -> None:
    assert told(config, "compact") == []
    answer = CliRunner().invoke(app, ["sources", "compact", "pay", "--config", str(config)])
    assert answer.exit_code == 1
    assert "source `pay` has no history at" in answer.output


def test_a_retention_below_a_week_is_refused(config: Path, history: str) -> None:
    answer = CliRunner().invoke(app, ["sources", "vacuum", "--keep-hours", "24", "--config", str(config)])
    assert answer.exit_code == 2
