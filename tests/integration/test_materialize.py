"""Materialised values: every entity at every step, done twice the same, taken up after an interruption."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

import headrace as hr
from app.cadence import Cadence
from headrace.cli.verbs import app
from headrace.durations import DAY
from headrace.errors import UsageError
from headrace.offline import materializing
from headrace.offline.jobs import folder_of
from tests.integration.jobs_process import run_jobs
from tests.integration.shop import FEATURES, T0, append, configured, table

DAYS = [T0 + timedelta(days=d) for d in range(1, 6)]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configured(tmp_path, FEATURES)


@pytest.fixture
def store(config: Path, tmp_path: Path) -> Iterator[hr.FeatureStore]:
    with hr.FeatureStore(config) as opened:
        made = table(opened, f"{tmp_path}/lake/shop/sources/pay")
        append(made, 0, 100)
        yield opened


def materialized(home: Path) -> pl.DataFrame:
    return pl.read_delta(str(home / "lake/shop/views/spend@1")).sort("_as_of", "user")


def expected(store: hr.FeatureStore) -> pl.DataFrame:
    spine = pl.DataFrame({"user": ["u0", "u1", "u2"]}).join(pl.DataFrame({"timestamp": DAYS}), how="cross")
    return store.training_set(spine, "spend").sort("timestamp", "user")


def test_every_entity_is_there_at_every_step(store: hr.FeatureStore, tmp_path: Path) -> None:
    job = store.materialize("spend", DAYS[0], DAYS[-1], "1d").wait(120)
    assert (job.state, job.progress) == ("done", (5, 5))
    got, wanted = materialized(tmp_path), expected(store)
    assert got.columns == ["user", "_as_of", "spent_7d", "last", "paid_ever", "_date"]
    for column in ("user", "spent_7d", "last", "paid_ever"):
        assert got[column].equals(wanted[column])
    assert got["_as_of"].to_list() == wanted["timestamp"].to_list()


def test_doing_it_twice_is_doing_it_once(store: hr.FeatureStore, tmp_path: Path) -> None:
    store.materialize("spend", DAYS[0], DAYS[-1], "1d").wait(120)
    once = materialized(tmp_path)
    store.materialize("spend", DAYS[0], DAYS[-1], timedelta(days=1)).wait(120)
    store.materialize("spend", DAYS[2].isoformat(), DAYS[3], "12h").wait(120)
    twice = materialized(tmp_path)
    assert twice.height == once.height + 3
    assert twice.filter(pl.col("_as_of").is_in(DAYS)).equals(once)


def test_an_entity_without_events_in_any_window_is_not_there(store: hr.FeatureStore, tmp_path: Path) -> None:
    store.materialize("spend", T0 - timedelta(days=1), T0 + timedelta(hours=1), "1h").wait(120)
    assert materialized(tmp_path).select("user", "paid_ever").rows() == [("u0", 1), ("u0", 1), ("u1", 1)]


def test_what_was_done_is_not_repeated(
    store: hr.FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(materializing, "ROWS", 3)
    written = []
    original = materializing.replace

    def away(plan: object, uri: str, rows: pl.DataFrame, t: int, options: object) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(t)
        original(plan, uri, rows, t, options)  # type: ignore[arg-type]

    monkeypatch.setattr(materializing, "replace", away)
    with pytest.raises(KeyboardInterrupt):
        store.materialize("spend", DAYS[0], DAYS[-1], "1d").wait(120)
    monkeypatch.setattr(materializing, "replace", original)
    versions = DeltaTable(tmp_path / "lake/shop/views/spend@1").version()
    job = store.materialize("spend", DAYS[0], DAYS[-1], "1d").wait(120)
    assert job.progress == (5, 5)
    assert DeltaTable(tmp_path / "lake/shop/views/spend@1").version() == versions + 3
    assert materialized(tmp_path)["paid_ever"].equals(expected(store)["paid_ever"])


def test_a_range_that_does_not_go_forward_is_refused(store: hr.FeatureStore) -> None:
    with pytest.raises(UsageError, match="a range goes forward in steps"):
        store.materialize("spend", DAYS[1], DAYS[0], "1d")
    with pytest.raises(UsageError, match="materialize: a duration is a number and a unit"):
        store.materialize("spend", DAYS[0], DAYS[1], "daily")
    with pytest.raises(UsageError, match="writes to the offline store"):
        store.materialize("spend", DAYS[0], DAYS[1], "1d", stores=("online",))


def test_the_jobs_process_takes_up_what_a_process_left_that_died(
    store: hr.FeatureStore, config: Path, tmp_path: Path
) -> None:
    job = store.materialize("spend", DAYS[0], DAYS[-1], "1d").wait(120)
    whole = materialized(tmp_path)
    commits = DeltaTable(str(tmp_path / "lake/shop/views/spend@1")).version()
    # As if it had been killed after two instants: it runs, says its record, and nobody holds its lock.
    job.folder.change(job.id, lambda r: replace(r, state="running", finished=r.finished[:2]))
    done = run_jobs(config)
    assert (done.exit_code, job.state, job.progress) == (0, "done", (5, 5))
    assert DeltaTable(str(tmp_path / "lake/shop/views/spend@1")).version() == commits + 3
    assert materialized(tmp_path).equals(whole)


def on_schedule(config: Path, now: datetime) -> None:
    """The view's values are written each day, and it is `now`."""
    features = FEATURES.replace("    source=pay,\n", '    source=pay,\n    materialize="1d",\n')
    (config / "features" / "spend.py").write_text(features)
    toml = f'project = "shop"\n[history]\nuri = "lake"\n[state]\ndir = "state"\n[engine]\nclock = "{now.isoformat()}"\n'
    (config / "headrace.toml").write_text(toml)


def instants_of(home: Path) -> list[datetime]:
    return materialized(home)["_as_of"].unique().sort().to_list()


def test_the_jobs_process_writes_the_values_of_each_step_as_it_comes_due(
    store: hr.FeatureStore, config: Path, tmp_path: Path
) -> None:
    on_schedule(config, DAYS[1] + timedelta(hours=5))
    assert run_jobs(config).exit_code == 0
    assert instants_of(tmp_path) == [DAYS[1]]  # what was before, `headrace backfill` writes
    assert run_jobs(config).exit_code == 0
    assert DeltaTable(str(tmp_path / "lake/shop/views/spend@1")).version() == 1
    on_schedule(config, DAYS[4])  # nothing ran for three days
    assert run_jobs(config).exit_code == 0
    assert instants_of(tmp_path) == DAYS[1:]
    wanted = expected(store).filter(pl.col("timestamp") > DAYS[0])
    for column in ("user", "spent_7d", "last", "paid_ever"):
        assert materialized(tmp_path)[column].equals(wanted[column])
    kinds = [(r.kind, r.state, r.parts) for r in folder_of(store.settings).list()]
    assert sorted(kinds) == [("materialize", "done", 1), ("materialize", "done", 3)]


def test_a_step_that_a_process_left_unfinished_is_gone_on_with(
    store: hr.FeatureStore, config: Path, tmp_path: Path
) -> None:
    on_schedule(config, DAYS[0])
    run_jobs(config)
    on_schedule(config, DAYS[4])
    run_jobs(config)
    folder, whole = folder_of(store.settings), materialized(tmp_path)
    (left,) = [r for r in folder.list() if r.parts == 4]
    folder.change(left.id, lambda r: replace(r, state="running", finished=r.finished[:3]))
    commits = DeltaTable(str(tmp_path / "lake/shop/views/spend@1")).version()
    assert run_jobs(config).exit_code == 0
    assert folder.get(left.id).state == "done"
    assert DeltaTable(str(tmp_path / "lake/shop/views/spend@1")).version() == commits + 1
    assert materialized(tmp_path).equals(whole)


def test_a_step_waits_until_history_has_its_events(
    store: hr.FeatureStore, config: Path, tmp_path: Path
) -> None:
    on_schedule(config, DAYS[0])
    toml = (config / "headrace.toml").read_text()
    (config / "headrace.toml").write_text(toml.partition("[engine]")[0])  # by the wall's clock
    today = int(datetime.now(UTC).timestamp()) // 86400 * 86_400_000_000
    with hr.FeatureStore(config) as again:
        view = again.project.view("spend")
        kept: list[int] = []
        assert Cadence(again, view, lambda source, t: t in kept).record() is None
        kept.append(today)
        record = Cadence(again, view, lambda source, t: t in kept).record()
        assert record is not None
        assert record.arguments["at"] == [today, today, 1]
        folder_of(again.settings).change(
            record.id,
            lambda r: replace(r, state="done", arguments={**r.arguments, "at": [0, today - 3 * DAY, 1]}),
        )
        kept[:] = [today - 2 * DAY, today - DAY]
        record = Cadence(again, view, lambda source, t: t in kept).record()
        assert record is not None
        assert record.arguments["at"] == [today - 2 * DAY, today - DAY, 2]


def test_a_job_whose_view_has_changed_since_is_not_taken_up(store: hr.FeatureStore, config: Path) -> None:
    job = store.materialize("spend", DAYS[0], DAYS[-1], "1d").wait(120)
    job.folder.change(job.id, lambda r: replace(r, state="running", finished=()))
    (config / "features" / "spend.py").write_text(FEATURES.replace('over="7d"', 'over="8d"'))
    done = run_jobs(config)
    assert (done.exit_code, job.state) == (1, "failed")
    assert "was defined otherwise when this materialize was asked for" in (job.folder.get(job.id).error or "")


def test_the_commands_backfill_and_tell_of_jobs(store: hr.FeatureStore, config: Path, tmp_path: Path) -> None:
    words = ["--from", "2026-01-02", "--to", "2026-01-06T00:00:00Z", "--step", "1d", "--config", str(config)]
    done = CliRunner().invoke(app, ["backfill", "spend", *words, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["state"], told["finished"], told["parts"]) == ("done", 5, 5)
    assert materialized(tmp_path).height == 15
    listed = CliRunner().invoke(app, ["jobs", "list", "--config", str(config), "--json"])
    assert [job["id"] for job in json.loads(listed.stdout)] == [told["id"]]
    waited = CliRunner().invoke(app, ["jobs", "wait", told["id"], "--config", str(config)])
    assert (waited.exit_code, waited.stdout) == (0, f"{told['id']}: done\n")
    cancelled = CliRunner().invoke(app, ["jobs", "cancel", told["id"], "--config", str(config)])
    assert cancelled.stdout == f"{told['id']}: done\n"
    assert CliRunner().invoke(app, ["jobs", "wait", "none", "--config", str(config)]).exit_code == 2
    assert datetime.now(UTC) > DAYS[0]
