"""What we rely on inside aiokafka, pinned: an upgrade that changes it fails here first."""

from __future__ import annotations

import inspect
from importlib.metadata import version

import aiokafka.consumer.fetcher as fetcher_module
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.record.memory_records import MemoryRecords

from headrace.wire import Record, batch_bytes
from tables.kafka.raw import RawRecords, install


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("aiokafka").startswith("0.14.")


def test_the_fetcher_looks_its_records_up_in_its_module() -> None:
    install()
    assert fetcher_module.MemoryRecords is RawRecords
    assert "MemoryRecords(" in inspect.getsource(Fetcher._proc_fetch_request)


def test_the_fetcher_has_the_attributes_that_are_used() -> None:
    source = inspect.getsource(Fetcher)
    for name in ("_records", "_notify(", "_wait_consume_future", "_create_fetch_waiter", "_subscriptions"):
        assert name in source, name
    assert "_partition_records" in inspect.getsource(FetchResult.__init__)
    assert callable(FetchResult.check_assignment)
    assert callable(FetchResult._update_position)
    made = inspect.getsource(PartitionRecords.__init__)
    for name in ("_records", "_aborted_transactions", "next_fetch_offset"):
        assert f"self.{name} =" in made, name


def test_other_consumers_do_not_notice() -> None:
    data = batch_bytes([Record(b"a"), Record(b"b")], base=5)
    raw, stock = RawRecords(data), MemoryRecords(data)
    assert raw.data is data
    assert raw.size_in_bytes() == stock.size_in_bytes()
    assert raw.has_next()
    found = [(record.offset, record.value) for record in raw.next_batch()]
    assert found == [(r.offset, r.value) for r in stock.next_batch()] == [(5, b"a"), (6, b"b")]
    assert not raw.has_next()
