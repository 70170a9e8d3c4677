"""What a restore makes of a fetch: the newest value of each key, the last flush, and the position behind it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import polars as pl
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from headrace.wire import RecordBatches
from tables.cache import RecordCache
from tables.kafka.changelog import Restored, apply
from tables.marker import KEY, Marker
from tables.store import StateStore
from tables.table import MANY, TablePartition

Record = tuple[bytes, bytes | None]


def fetched(base: int, records: Sequence[Record]) -> RecordBatches:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 24,
    )
    for i, (key, value) in enumerate(records):
        builder.append(i, timestamp=0, key=key, value=value, headers=[])
    data = bytearray(builder.build())
    data[:8] = base.to_bytes(8, "big")
    return RecordBatches.parse("log", 0, base, bytes(data))


def mark(epoch: int, sequence: int) -> Record:
    return KEY, Marker("f", epoch=epoch, sequence=sequence).encode()


@pytest.mark.parametrize("cuts", [[12], [3, 12], [1, 2, 5, 7, 9, 12], list(range(1, 13))])
def test_it_is_the_same_however_the_log_is_cut_into_fetches(tmp_path: Path, cuts: list[int]) -> None:
    log: list[Record] = [
        (b"b", b"1"),
        (b"a", b"1"),
        mark(1, 1),
        (b"b", b"2"),
        (b"c", b"2"),
        mark(1, 2),
        (b"a", b"3"),
        (b"c", None),
        mark(1, 3),
        mark(2, 4),  # two openings in a row: the last flush is still owed
        mark(3, 5),
        mark(4, 6),
    ]
    store = StateStore(tmp_path / "state", "shop")
    table = TablePartition(store, RecordCache(1 << 20), "spend@1", 0, "log", "f")
    restored = Restored(table.marker, 0)
    at = 0
    for cut in cuts:
        apply(table, fetched(at, log[at:cut]), lambda records: records.select("key", due=pl.lit(7)), restored)
        at = cut
    assert sorted(restored.last_flush) == [b"a", b"c"]
    assert restored.records == len(log)
    assert table.marker == Marker("f", epoch=4, sequence=6, flush_start=6, changelog=12)
    assert table.entities(10) == [(b"a", b"3"), (b"b", b"2")]
    store.close()


def test_a_large_fetch_leaves_the_newest_value_of_each_key(tmp_path: Path) -> None:
    """So large that it is a file of RocksDB's: values, tombstones, markers and timers, keys in no order."""
    random = Random(7)
    log: list[Record] = []
    for flush in range(8):
        keys = random.sample(range(9 * MANY), 4 * MANY)
        log += [
            (b"k%06d" % key, None if random.random() < 0.2 else b"%d of %d" % (flush, key)) for key in keys
        ]
        log.append(mark(1, flush + 1))
    store = StateStore(tmp_path / "state", "shop")
    table = TablePartition(store, RecordCache(1 << 20), "spend@1", 0, "log", "f")
    restored = Restored(table.marker, 0)
    at = 0
    with table.restoring():
        for cut in (len(log) // 2, len(log)):
            batches = fetched(at, log[at:cut])
            apply(table, batches, lambda records: records.select("key", due=pl.lit(7)), restored)
            at = cut
    newest = {key: value for key, value in log if key != KEY}
    state = {key: value for key, value in newest.items() if value is not None}
    assert dict(table.entities(len(log))) == state
    due = table.take_due(7, len(log))
    assert due is not None
    assert set(due.timers["key"].to_list()) >= state.keys()
    assert (restored.records, table.marker.sequence, table.marker.changelog) == (len(log), 8, len(log))
    assert restored.last_flush == [key for key, _ in log[-4 * MANY - 1 : -1]]
    store.close()
