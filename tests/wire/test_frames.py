"""Framing: every shape of record gives its key, value, headers, offset and timestamp; damage is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import CorruptRecordError
from headrace.wire import Record, RecordBatches, batch_bytes, kernel
from headrace.wire.frames import TOMBSTONE, UNFRAMED, Frames, frame
from headrace.wire.kernel import WALK

both_ways = pytest.mark.parametrize("native", [True, False], ids=["machine code", "without numba"])

_RECORDS = st.lists(
    st.builds(
        Record,
        value=st.none() | st.binary(max_size=200),
        key=st.none() | st.binary(max_size=70),
        timestamp=st.integers(0, 2**42),
        headers=st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=3),
    ),
    min_size=1,
    max_size=5,
)
_CODEC = st.sampled_from(["none", "gzip", "snappy", "lz4", "zstd"])


def framed(monkeypatch: pytest.MonkeyPatch, native: bool, *sources: RecordBatches) -> Frames:
    WALK.warm()
    with monkeypatch.context() as patch:
        if not native:
            patch.setattr(kernel, "WALK", kernel.Native(kernel.walk, ""))
        return frame(sources)


@both_ways
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_shape_of_record_is_found(native: bool, data: st.DataObject) -> None:
    batches = data.draw(st.lists(st.tuples(_RECORDS, _CODEC), min_size=1, max_size=3))
    parts, base = [], 100
    for records, codec in batches:
        parts.append(batch_bytes(records, base=base, codec=codec, xerial=data.draw(st.booleans())))
        base += len(records)
    with pytest.MonkeyPatch.context() as patch:
        found = framed(patch, native, RecordBatches.parse("t", 0, 100, b"".join(parts)))
    records = [r for rs, _ in batches for r in rs]
    assert found.offset.tolist() == list(range(100, base))
    assert found.timestamp.tolist() == [r.timestamp for r in records]
    for i, r in enumerate(records):
        assert (found.key(i), found.value(i), found.record_headers(i)) == (r.key, r.value, list(r.headers))
    assert found.keys(np.arange(len(records))).to_list() == [r.key for r in records]


@both_ways
def test_sources_are_kept_apart_and_offsets_may_have_holes(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = RecordBatches.parse("t", 0, 0, batch_bytes([Record(b"a"), Record(b"b", offset_delta=5)], base=7))
    none = RecordBatches.parse("t", 1, 0, b"")
    two = RecordBatches.parse("t", 2, 0, batch_bytes([Record(b"c")], base=1))
    found = framed(monkeypatch, native, one, none, two)
    assert found.source.tolist() == [0, 0, 2]
    assert found.offset.tolist() == [7, 12, 1]


def test_a_broker_that_stamps_batches_gives_its_time_to_every_record() -> None:
    stamped = batch_bytes([Record(b"a", timestamp=5), Record(b"b", timestamp=9)], append_timestamp=77)
    own = batch_bytes([Record(b"c", timestamp=3)], base=2)
    assert frame([RecordBatches.parse("t", 0, 0, stamped + own)]).timestamp.tolist() == [77, 77, 3]


def test_nothing_is_framed_as_nothing() -> None:
    assert len(frame([])) == 0
    assert len(frame([RecordBatches.parse("t", 0, 0, b"")])) == 0


def test_schema_ids_are_read_where_the_header_is() -> None:
    values = [b"\0\0\0\1\2x", b"\0\xff\xff\xff\xff", None, b"", b"\0\0\0\1", b"\1\0\0\0\1x", b"\0\0\0\0\7"]
    found = frame([RecordBatches.parse("t", 0, 0, batch_bytes([Record(v) for v in values]))])
    ids = [258, 2**32 - 1, TOMBSTONE, UNFRAMED, UNFRAMED, UNFRAMED, 7]
    assert found.schema_ids().tolist() == ids
    for value, schema_id in zip(values, ids, strict=True):
        alone = frame([RecordBatches.parse("t", 0, 0, batch_bytes([Record(value)]))])
        assert alone.schema_ids().tolist() == [schema_id]


@both_ways
@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_a_batch_that_is_no_list_of_records_is_named(
    native: bool, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = batch_bytes([Record(b"a" * 30)], base=0)
    bad = bytearray(batch_bytes([Record(b"b" * 30), Record(b"c" * 30)], base=1))
    bad[61] = 0x70  # the first record's length
    source = RecordBatches.parse("payments", 3, 0, good + bytes(bad), check_crc=False)
    with pytest.raises(CorruptRecordError, match=r"payments\[3\] at offset 1: expected 2 records"):
        framed(monkeypatch, native, source)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_what_does_not_decompress_is_named(codec: str) -> None:
    data = bytearray(batch_bytes([Record(b"a" * 100)], base=9, codec=codec))
    data[61:] = b"\xff" * (len(data) - 61)
    source = RecordBatches.parse("t", 0, 0, bytes(data), check_crc=False)
    with pytest.raises(CorruptRecordError, match=rf"batch at offset 9: not {codec}"):
        frame([source])
