"""Records of raw batches as columns: those from the wanted offset on, and the values that are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from headrace.wire import RecordBatches
from headrace.wire.building import Record, record_batches
from tables.kafka.records import Keyed, key_values

RECORDS = [
    Record(b"1", b"a"),
    Record(None, b"b"),
    Record(b"", None),
    Record(b"4", b""),
    Record(None, b"a"),
    Record(b"6", b"c"),
]


def fetched(start: int) -> RecordBatches:
    return record_batches(RECORDS, base=10, start=start, batch_size=4)


@pytest.mark.parametrize("start", range(10, 16))
def test_records_below_the_wanted_offset_are_left_out(start: int) -> None:
    found, wanted = Keyed([fetched(start)]), RECORDS[start - 10 :]
    assert len(found) == len(wanted)
    assert found.offset.tolist() == list(range(start, 16))
    assert found.key.to_list() == [r.key for r in wanted]
    assert found.values(np.arange(len(wanted))).to_list() == [r.value for r in wanted]


def test_values_are_of_the_rows_that_are_asked_for() -> None:
    found = Keyed([fetched(11)])
    assert found.values(np.array([0, 2, 4])).to_list() == [None, b"4", b"6"]
    assert found.values(np.array([], np.int64)).to_list() == []


def test_several_fetches_follow_one_another_and_may_be_empty() -> None:
    nothing = RecordBatches.parse("topic", 0, 16, b"")
    assert key_values([nothing]).rows() == key_values([]).rows() == []
    assert key_values([fetched(14), nothing, fetched(15)]).rows() == [
        (14, b"a", None),
        (15, b"c", b"6"),
        (15, b"c", b"6"),
    ]
