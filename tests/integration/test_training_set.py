"""Training sets over history: local and S3, at a version, through growth and compaction, and their command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

import headrace as hr
from headrace.cli.verbs import app
from headrace.errors import PositionError, StateError, UsageError
from headrace.history.access import options_of
from headrace.history.table import HistoryTable
from headrace.history.upkeep import compact
from headrace.settings import load_settings
from tests.integration.deployment import on_s3
from tests.integration.shop import FEATURES, SPINE, T0, append, configured, events, table
from tests.stack.s3 import S3


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configured(tmp_path, FEATURES)


@pytest.fixture
def store(config: Path) -> Iterator[hr.FeatureStore]:
    with hr.FeatureStore(config) as opened:
        yield opened


@pytest.fixture
def history(store: hr.FeatureStore, tmp_path: Path) -> HistoryTable:
    made = table(store, f"{tmp_path}/lake/shop/sources/pay")
    for first in range(0, 480, 60):
        append(made, first, 60)
    return made


def test_history_gives_what_its_events_give(store: hr.FeatureStore, history: HistoryTable) -> None:
    got = store.training_set(SPINE, "spend")
    assert got.equals(store.training_set(SPINE, "spend", events={"pay": events(0, 480)}))
    assert got["paid_ever"].to_list() == [40, 72, 160, 0]
    assert got["last"].to_list() == pytest.approx([11.8 + 1e-7, 21.5 + 1e-7, 47.8 + 1e-7, None])


def test_a_version_repeats_a_training_set_bit_for_bit(
    store: hr.FeatureStore, history: HistoryTable, tmp_path: Path
) -> None:
    first = store.training_set(SPINE, "spend")
    first.write_parquet(tmp_path / "first.parquet")
    append(history, 480, 60)
    late = events(540, 1).with_columns(user=pl.lit("u1"), at=pl.lit(T0 + timedelta(hours=1)))
    history.append(late, {("pay", 0): (540, 541)})
    compact(history.uri)
    assert not store.training_set(SPINE, "spend").equals(first)
    version = first.metadata["sources"]["pay"]["version"]
    for at in (version, {"pay": version}, first, tmp_path / "first.parquet"):
        again = store.training_set(SPINE, "spend", at_version=at)
        assert again.equals(first)
        assert again.metadata == first.metadata


def test_a_training_set_of_other_definitions_cannot_be_repeated(
    store: hr.FeatureStore, history: HistoryTable, config: Path
) -> None:
    first = store.training_set(SPINE, "spend")
    (config / "features" / "spend.py").write_text(FEATURES.replace('over="7d"', 'over="8d"'))
    with (
        hr.FeatureStore(config) as changed,
        pytest.raises(UsageError, match="view spend@1 has changed since"),
    ):
        changed.training_set(SPINE, "spend", at_version=first)


def test_no_event_of_the_future_changes_a_value(store: hr.FeatureStore, history: HistoryTable) -> None:
    before = store.training_set(SPINE, "spend")
    latest = dict(SPINE.group_by("user").agg(pl.col("timestamp").max()).iter_rows())
    planted = pl.concat(
        [
            events(480 + i, 1).with_columns(
                user=pl.lit(user), at=pl.lit(at + timedelta(microseconds=1)), amount=pl.lit(1e6)
            )
            for i, (user, at) in enumerate(latest.items())
        ]
    )
    history.append(planted, {("pay", 0): (480, 480 + len(planted))})
    assert store.training_set(SPINE, "spend").equals(before)
    later = SPINE.with_columns(pl.col("timestamp") + timedelta(microseconds=1))
    changed = store.training_set(later, "spend")
    at_the_end = SPINE["timestamp"] == pl.Series([latest[u] for u in SPINE["user"]])
    for feature in ("spent_7d", "last", "paid_ever"):
        assert (
            (changed[feature] != before[feature]) | before[feature].is_null()
        ).to_list() == at_the_end.to_list()


@pytest.mark.parametrize(
    ("path", "rates"),
    [
        ("../rates", [0.1, None, 0.8, None]),
        ("../rates/*.parquet", [0.1, None, 0.8, None]),
        ("../rates/1.parquet", [0.1, None, 0.1, None]),
        ("../rates/[2-9].parquet", [None, None, 0.8, None]),
    ],
    ids=["folder", "glob", "file", "glob of some"],
)
def test_a_batch_source_is_read_where_its_files_are(
    config: Path, tmp_path: Path, path: str, rates: list[float | None]
) -> None:
    (tmp_path / "rates").mkdir()
    for day in (1, 8):
        frame = pl.DataFrame(
            {"user": ["u1"], "day": [T0.replace(tzinfo=None) + timedelta(days=day)], "rate": [day / 10]}
        )
        frame.write_parquet(tmp_path / "rates" / f"{day}.parquet")
    (config / "features" / "spend.py").write_text(FEATURES.replace('path="../rates"', f'path="{path}"'))
    with hr.FeatureStore(config) as store:
        assert store.training_set(SPINE, ["rated:rate"])["rate"].to_list() == rates


def test_a_source_without_history_is_told(store: hr.FeatureStore) -> None:
    with pytest.raises(
        StateError, match=r"source `pay` has no history at .*/lake/shop/sources/pay. Run `headrace history`"
    ):
        store.training_set(SPINE, "spend")
    with pytest.raises(StateError, match="there are no files at"):
        store.training_set(SPINE, "rated")


def test_the_command_writes_a_file_that_repeats_itself(
    config: Path, history: HistoryTable, tmp_path: Path
) -> None:
    SPINE.write_csv(tmp_path / "spine.csv")
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    command = [
        "training-set",
        str(tmp_path / "spine.csv"),
        "--features",
        "spend:last, spend:paid_ever",
        "--config",
        str(config),
    ]
    done = CliRunner().invoke(app, [*command, "-o", str(one), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["features"] == {"last": "spend@1:last", "paid_ever": "spend@1:paid_ever"}
    append(history, 480, 60)
    done = CliRunner().invoke(app, [*command, "-o", str(two), "--at-version", str(one)])
    assert done.exit_code == 0, done.output
    assert done.stdout == f"4 rows, 2 features: {two}\n"
    assert two.read_bytes() == one.read_bytes()
    assert pl.read_parquet(one)["paid_ever"].to_list() == [40, 72, 160, 0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--features", "spend:lost"], "Did you mean `last`?"),
        (["--features", "spend", "--known", "soon"], "--known is happened or ingested, not soon"),
        (["--features", "spend", "--at-version", "soon"], "soon is no version and no file"),
        (["--features", "spend", "--at-version", "pay=1", "--at-version", "2"], "such as payments=12"),
        (["--features", "spend", "--at-version", "paid=1"], "no source `paid`. The sources are pay, rates."),
    ],
)
def test_a_command_that_makes_no_sense_exits_with_2(
    config: Path, history: HistoryTable, tmp_path: Path, words: list[str], told: str
) -> None:
    SPINE.write_parquet(tmp_path / "spine.parquet")
    target = tmp_path / "out.parquet"
    command = [
        "training-set",
        str(tmp_path / "spine.parquet"),
        "-o",
        str(target),
        "--config",
        str(config),
        "--json",
        *words,
    ]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2, done.output
    assert told in json.loads(done.stdout)["detail"]
    assert not target.exists()


def test_history_on_s3_gives_the_same(
    store: hr.FeatureStore, history: HistoryTable, config: Path, s3: S3
) -> None:
    settings = load_settings(config, on_s3("s3://lake/raw", s3.url))
    remote = table(store, "s3://lake/raw/shop/sources/pay", options_of(settings))
    for first in (0, 240):
        append(remote, first, 240)
    with hr.FeatureStore(config, settings=settings) as far:
        assert far.training_set(SPINE, "spend").equals(store.training_set(SPINE, "spend"))


async def test_the_async_twin_gives_the_same(store: hr.FeatureStore, history: HistoryTable) -> None:
    assert (await store.atraining_set(SPINE, "spend")).equals(store.training_set(SPINE, "spend"))
    shutil.rmtree(history.uri)


def test_a_gap_in_history_is_named_and_refused_unless_it_is_allowed(
    store: hr.FeatureStore, config: Path, history: HistoryTable, tmp_path: Path
) -> None:
    whole = store.training_set(SPINE, "spend")
    DeltaTable(history.uri).delete("_offset >= 100 and _offset < 130")
    told = "the history of source `pay` at .* has a gap: pay/0 lacks 30 events at offsets 100 to 129"
    with pytest.raises(PositionError, match=told):
        store.training_set(SPINE, "spend")
    with pytest.raises(PositionError, match=told):
        store.materialize("spend", T0, T0, "1d")
    assert store.training_set(SPINE, "spend", at_version=whole).equals(whole)
    without = store.training_set(SPINE, "spend", allow_gaps=True)
    rest = pl.concat([events(0, 100), events(130, 350)])
    assert without.equals(store.training_set(SPINE, "spend", events={"pay": rest}))
    assert without.metadata["sources"]["pay"]["gaps"] == [
        {"topic": "pay", "partition": 0, "events": 30, "offsets": [[100, 130]]}
    ]
    SPINE.write_csv(tmp_path / "spine.csv")
    output = tmp_path / "out.parquet"
    command = [
        "training-set",
        f"{tmp_path}/spine.csv",
        "-f",
        "spend",
        "-o",
        str(output),
        "--config",
        str(config),
    ]
    refused = CliRunner().invoke(app, [*command, "--json"])
    assert refused.exit_code == 1
    assert "pay/0 lacks 30 events at offsets 100 to 129" in json.loads(refused.stdout)["detail"]
    assert not output.exists()
    assert CliRunner().invoke(app, [*command, "--allow-gaps"]).exit_code == 0
    assert pl.read_parquet(output).equals(pl.DataFrame(without))
