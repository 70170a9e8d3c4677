"""Whether history has passed an instant: its positions against the log's offsets by time."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from confluent_kafka import Producer

import headrace as hr
from app.cadence import is_complete
from headrace.history.schema import HistorySchema
from headrace.history.table import HistoryTable
from headrace.settings import load_settings
from tests.stack.components import RealComponents

MINUTE = 60_000_000


@pytest.mark.integration
def test_history_is_complete_once_it_has_passed_every_record_of_before(
    real: RealComponents, tmp_path: Path
) -> None:
    topic = real.unique("pay")
    source = hr.StreamSource(
        "pay", topics=[topic], schema={"user": hr.String, "at": hr.Timestamp}, format="json", timestamp="at"
    )
    env = {"HEADRACE_KAFKA__BOOTSTRAP": real.kafka, "HEADRACE_HISTORY__URI": str(tmp_path / "lake")}
    settings = load_settings(tmp_path, {**env, "HEADRACE_PROJECT": "shop"})
    table = HistoryTable(
        f"{tmp_path}/lake/shop/sources/pay", HistorySchema(source.columns, "at"), writer="headrace/shop/pay"
    )
    table.open_or_create()
    assert not is_complete(settings, source, MINUTE)  # there is no topic yet
    real.create_topic(topic, 2)
    producer = Producer({"bootstrap.servers": real.kafka})
    for minute in (1, 2, 3):
        producer.produce(topic, b"{}", partition=0, timestamp=minute * 60_000)
    producer.flush(30)
    assert is_complete(settings, source, MINUTE)  # no record is of before
    assert not is_complete(settings, source, 2 * MINUTE)
    nothing = pl.DataFrame(schema={n: t.polars for n, t in table.schema.types.items()})
    table.append(nothing, {(topic, 0): (0, 2)})
    assert is_complete(settings, source, 3 * MINUTE)
    assert not is_complete(settings, source, 4 * MINUTE)
    table.append(nothing, {(topic, 0): (2, 3)})
    assert is_complete(settings, source, 4 * MINUTE)  # the other partition has no record at all
