"""History: every event exactly once, whenever its process is killed, readable without a line of ours."""

from __future__ import annotations

import signal
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tests.integration import views
from tests.integration.deployment import Deployment, on_s3
from tests.integration.history import places_of, stored
from tests.integration.producing import Sender
from tests.integration.recomputation import Event
from tests.stack.components import Components, RealComponents

pytestmark = pytest.mark.integration


def columns_of(events: list[Event]) -> pl.DataFrame:
    """The events as history must hold them: their columns, sorted."""
    frame = pl.DataFrame(events, schema_overrides={"paid_at": pl.Datetime("us", "UTC")})
    return frame.sort(frame.columns)


def test_every_event_is_kept_once_and_any_reader_finds_it(components: Components, tmp_path: Path) -> None:
    with Deployment(tmp_path, components, "payments", {"payments": 3}) as deployment:
        sender = Sender(components.kafka)
        topic = deployment.topics["payments"]
        for part in (views.payments(1_000, seed=6), views.payments(500, seed=7)):
            sender.send_all(topic, views.SCHEMA, "user_id", part)
            sender.send(topic, b"1", b"\xff\xff")  # poison is the worker's to bury
            sender.flush()
            deployment.run("history")

        uri = f"{deployment.folder}/history/{deployment.project}/sources/payments"
        rows = stored(uri)
        assert places_of(rows) == sorted(s.order for s in sender.sent)
        events = [dict(s.event) for s in sender.sent]
        names = list(events[0])
        assert rows.select(names).sort(names).equals(columns_of(events))
        assert places_of(pl.scan_delta(uri).collect()) == places_of(rows)
        with duckdb.connect() as connection:
            counted = connection.execute(
                "select count(*), count(distinct (_partition, _offset)), count(distinct _date) "
                f"from read_parquet('{uri}/**/*.parquet', hive_partitioning = true)"
            )
            (found,) = counted.fetchall()
        days = {event["paid_at"].date() for event in events}
        assert found == (1_500, 1_500, len(days))


def test_history_killed_before_and_after_a_commit(real: RealComponents, tmp_path: Path) -> None:
    uri = real.history_uri("payments")
    settings = {**on_s3(uri, real.s3_url), "HEADRACE_HISTORY__EVENTS": "300", "HEADRACE_KAFKA__INSTANCE": "h"}
    with Deployment(tmp_path, real, "payments", {"payments": 3}, settings) as deployment:
        sender = Sender(real.kafka)
        steps = ["before_commit:1", "after_commit:1", "before_commit:2", "after_commit:2", None]
        for number, step in enumerate(steps):
            events = views.payments(900, seed=10 + number)
            sender.send_all(deployment.topics["payments"], views.SCHEMA, "user_id", events)
            process = deployment.start("history", "--until-idle", "3s", failpoint=step)
            assert process.ended() == (-signal.SIGKILL if step else 0), process.log_tail()
        rows = stored(f"{uri}/{deployment.project}/sources/payments", real.storage_options)
        assert places_of(rows) == sorted(s.order for s in sender.sent)
        assert set(deployment.lag("history").values()) == {0}


def test_history_on_sigterm_keeps_what_it_has_fetched(real: RealComponents, tmp_path: Path) -> None:
    with Deployment(
        tmp_path, real, "payments", {"payments": 3}, {"HEADRACE_HISTORY__EVERY": "1h"}
    ) as deployment:
        sender = Sender(real.kafka)
        events = views.payments(600, seed=9)
        sender.send_all(deployment.topics["payments"], views.SCHEMA, "user_id", events)
        process = deployment.start("history", "--until-idle", "3s")  # ends by a SIGTERM to itself
        process.ended_well()
        rows = stored(f"{deployment.folder}/history/{deployment.project}/sources/payments")
        assert places_of(rows) == sorted(s.order for s in sender.sent)
