"""From raw batches to columns and dead letters, as the engine sees it."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import polars as pl
import pytest

from headrace.avro import AvroSchema, encode, encode_framed, parse_schema
from headrace.avro.together import Together
from headrace.errors import UnavailableError, UsageError
from headrace.wire import Decoded, Record, RecordBatches, SourceDecoder, batch_bytes, record_batches

FIELDS: list[dict[str, Any]] = [
    {"name": "user", "type": "string"},
    {"name": "amount", "type": "double"},
    {"name": "note", "type": ["null", "string"]},
]
SCHEMA = parse_schema({"type": "record", "name": "Payment", "fields": FIELDS})
OLD = parse_schema({"type": "record", "name": "Payment", "fields": FIELDS[:2]})
NEW = parse_schema(
    {"type": "record", "name": "Payment", "fields": [*FIELDS[:2], FIELDS[2] | {"default": None}]}
)


def payment(i: int) -> dict[str, Any]:
    return {"user": f"u{i}", "amount": i / 2, "note": None if i % 3 else "grün"}


def datum(i: int) -> bytes:
    return encode(SCHEMA, payment(i))


def rows(decoded: Decoded) -> list[dict[str, Any]]:
    return decoded.frame.select(list(SCHEMA.columns)).to_dicts()


def test_events_become_columns_with_their_place_in_the_log() -> None:
    records = [Record(datum(i), f"k{i}".encode(), timestamp=1_000 + i) for i in range(4)]
    decoded = SourceDecoder(SCHEMA).decode([record_batches(records, partition=2, base=40, batch_size=3)])
    assert rows(decoded) == [payment(i) for i in range(4)]
    assert decoded.frame.schema == pl.Schema(
        {
            "user": pl.String,
            "amount": pl.Float64,
            "note": pl.String,
            "_partition": pl.Int32,
            "_offset": pl.Int64,
            "_timestamp": pl.Int64,
            "_row": pl.UInt32,
        }
    )
    assert decoded.frame["_partition"].to_list() == [2] * 4
    assert decoded.frame["_offset"].to_list() == [40, 41, 42, 43]
    assert decoded.frame["_timestamp"].to_list() == [1_000_000, 1_001_000, 1_002_000, 1_003_000]
    assert decoded.key_column().to_list() == [b"k0", b"k1", b"k2", b"k3"]


def test_no_events_are_an_empty_frame_of_the_same_columns() -> None:
    decoder = SourceDecoder(SCHEMA)
    empty = decoder.decode([])
    assert empty.frame.height == 0
    assert empty.frame.schema == decoder.decode([record_batches([Record(datum(1))])]).frame.schema
    assert empty.key_column().to_list() == []


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_gives_the_same_columns(codec: str) -> None:
    batches = record_batches([Record(datum(i)) for i in range(100)], codec=codec, batch_size=30)
    assert rows(SourceDecoder(SCHEMA).decode([batches])) == [payment(i) for i in range(100)]


def test_offsets_below_the_start_are_trimmed_in_each_partition() -> None:
    records = [Record(datum(i)) for i in range(6)]
    one = record_batches(records, partition=0, base=0, start=4)
    two = record_batches(records, partition=1, base=10, start=0)
    decoded = SourceDecoder(SCHEMA).decode([two, one])
    assert list(zip(decoded.frame["_partition"], decoded.frame["_offset"], strict=True)) == [
        *((1, 10 + i) for i in range(6)),
        (0, 4),
        (0, 5),
    ]


def test_a_trimmed_record_is_neither_dead_nor_a_tombstone() -> None:
    batches = record_batches([Record(b"\xff"), Record(None), Record(datum(2))], start=2)
    decoded = SourceDecoder(SCHEMA).decode([batches])
    assert (decoded.dead, decoded.tombstones, rows(decoded)) == ([], 0, [payment(2)])


def test_tombstones_are_counted_and_are_no_events() -> None:
    decoded = SourceDecoder(SCHEMA).decode(
        [record_batches([Record(None, b"k"), Record(datum(1)), Record(None)])]
    )
    assert (decoded.tombstones, decoded.dead, rows(decoded)) == (2, [], [payment(1)])


@pytest.mark.parametrize("n", [3, 3_000], ids=["few", "many"])
@pytest.mark.parametrize(
    ("poison", "words"),
    [
        (b"", "ends too early"),
        (datum(1)[:-1], "ends too early"),
        (datum(1) + b"\0", "left over"),
        (b"\xff" * 30, "`user`"),
        (b"\x02\xff" + bytes(8) + b"\0", "`user`: the text is not UTF-8"),
        (b"\x01", "`user`: a length below zero"),
        (b"\x02u" + bytes(8) + b"\x06", "`note`: a union of 2 branches has no such index"),
    ],
)
def test_a_bad_record_is_a_dead_letter_and_its_neighbours_go_on(n: int, poison: bytes, words: str) -> None:
    records = [Record(datum(i)) for i in range(n)]
    records[1] = Record(poison, b"key", 7, [("trace", b"42")])
    decoded = SourceDecoder(SCHEMA).decode([record_batches(records, topic="payments", partition=5, base=100)])
    assert rows(decoded) == [payment(i) for i in range(n) if i != 1]
    (dead,) = decoded.dead
    assert (dead.topic, dead.partition, dead.offset, dead.timestamp) == ("payments", 5, 101, 7_000)
    assert (dead.key, dead.value, dead.headers) == (b"key", poison, [("trace", b"42")])
    assert dead.reason == "decode"
    assert words in dead.detail


def test_a_later_step_gets_the_untouched_bytes_of_a_row() -> None:
    records = [Record(b"\xff"), Record(datum(1), b"k1", 9, [("h", b"v"), ("h", b"")]), Record(datum(2))]
    decoded = SourceDecoder(SCHEMA).decode([record_batches(records, topic="t", base=50)])
    row = decoded.frame["_row"][0]
    assert decoded.original(row) == (b"k1", datum(1), [("h", b"v"), ("h", b"")])
    assert decoded.topic(row) == "t"
    dead = decoded.dead_letter(row, "timestamp_missing", "no ts")
    assert (dead.offset, dead.timestamp, dead.value, dead.reason) == (
        51,
        9_000,
        datum(1),
        "timestamp_missing",
    )


def test_many_dead_letters_are_what_each_would_be_alone() -> None:
    records = [
        Record(b"\xff", b"k0"),
        Record(datum(1), None, 9, [("h", b"v"), ("h", b"")]),
        Record(None, b"gone"),
        Record(datum(3), b"", 11),
        Record(datum(4), b"k4", 12),
    ]
    batches = [record_batches(records, topic="t", base=50), record_batches(records[3:], topic="u", base=7)]
    decoded = SourceDecoder(SCHEMA).decode(batches)
    rows = [(row, "timestamp_missing", f"no time {row}") for row in (6, 1, 4, 3)]
    assert decoded.dead_letters(rows) == [decoded.dead_letter(*row) for row in rows]
    assert [(d.topic, d.offset, d.key, d.headers) for d in decoded.dead_letters(rows)] == [
        ("u", 8, b"k4", []),
        ("t", 51, None, [("h", b"v"), ("h", b"")]),
        ("t", 54, b"k4", []),
        ("t", 53, b"", []),
    ]
    assert decoded.dead_letters([]) == []


def test_keys_are_aligned_with_the_good_rows_and_keep_their_nulls() -> None:
    records = [Record(datum(0), b"a"), Record(b"\xff", b"b"), Record(datum(2), None), Record(datum(3), b"")]
    decoded = SourceDecoder(SCHEMA).decode([record_batches(records)])
    assert decoded.key_column().to_list() == [b"a", None, b""]


def test_a_value_above_the_limit_is_too_large() -> None:
    big = encode(SCHEMA, payment(1) | {"user": "x" * 1_000_000})
    decoded = SourceDecoder(SCHEMA, max_record_bytes=1_000).decode(
        [record_batches([Record(big), Record(datum(2))])]
    )
    assert rows(decoded) == [payment(2)]
    assert [(d.reason, d.detail) for d in decoded.dead] == [
        ("too_large", f"expected a value of at most 1000 bytes, got {len(big)}")
    ]
    assert (
        SourceDecoder(SCHEMA).decode([record_batches([Record(big)])]).frame["user"].str.len_chars()[0]
        == 10**6
    )


class Registry:
    """Schemas by id; `asked` counts."""

    def __init__(self, schemas: dict[int, AvroSchema]) -> None:
        self.schemas = schemas
        self.asked: list[int] = []
        self.down = False

    def __call__(self, schema_id: int) -> AvroSchema:
        self.asked.append(schema_id)
        if self.down:
            raise UnavailableError("registry")
        return self.schemas[schema_id]


def framed(registry: Registry, reader: AvroSchema = NEW) -> SourceDecoder:
    return SourceDecoder(reader, framing="registry", resolve=registry)


def test_records_of_several_schemas_keep_their_order() -> None:
    registry = Registry({1: SCHEMA, 2: OLD})
    events = [payment(i) for i in range(50)]
    records = [
        Record(
            encode_framed(1, SCHEMA, e) if i % 3 else encode_framed(2, OLD, {k: e[k] for k in OLD.columns})
        )
        for i, e in enumerate(events)
    ]
    decoder = framed(registry)
    decoded = decoder.decode([record_batches(records)])
    assert rows(decoded) == [e if i % 3 else e | {"note": None} for i, e in enumerate(events)]
    assert decoded.frame["_offset"].to_list() == list(range(50))
    decoder.decode([record_batches(records)])
    assert registry.asked == [1, 2]


@pytest.mark.parametrize("n", [40, 4_000], ids=["few", "many"])
@pytest.mark.parametrize("one_pass", [True, False], ids=["together", "apart"])
def test_schemas_may_be_mixed_with_whatever_is_bad(
    n: int, one_pass: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    wider = parse_schema(
        {"type": "record", "name": "P", "fields": [*FIELDS, {"name": "pad", "type": "string"}]}
    )
    tags = {"name": "tags", "type": {"type": "array", "items": "int"}}
    listed = parse_schema({"type": "record", "name": "P", "fields": [*FIELDS[:2], tags]})
    other = parse_schema({"type": "record", "name": "P", "fields": [{"name": "user", "type": "int"}]})
    registry = Registry({1: SCHEMA, 2: wider, 3: OLD, 4: listed, 5: other})
    if not one_pass:
        monkeypatch.setattr(Together, "decode", lambda *_: None)
    records: list[Record] = []
    good: dict[int, dict[str, Any]] = {}
    bad: dict[int, tuple[str, str]] = {}
    for i in range(n):
        event = payment(i)
        kind = i % 8
        short = {k: event[k] for k in OLD.columns}
        if kind == 0:
            value = encode_framed(1, SCHEMA, event)
            good[i] = event
        elif kind in (1, 7):
            value = encode_framed(2, wider, event | {"pad": "x" * (i % 20)})
            good[i] = event
        elif kind == 2:
            value = encode_framed(3, OLD, short)
            good[i] = event | {"note": None}
        elif kind == 3:
            value = encode_framed(4, listed, short | {"tags": [i]})
            good[i] = event | {"note": None}
        elif kind == 4:
            value = encode_framed(5, other, {"user": i})
            detail = "schema id 5: field `user`: written as int, which cannot be read as string"
            bad[i] = ("schema_mismatch", detail)
        elif kind == 5:
            value = encode_framed(2, wider, event | {"pad": ""}) + b"!"
            bad[i] = ("decode", "bytes are left over behind the last field")
        else:
            value = encode_framed(9, SCHEMA, event)
            bad[i] = ("schema_unknown", "schema id 9 is not in the registry")
        records.append(Record(value))
    decoded = framed(registry).decode([record_batches(records, start=3)])
    assert dict(zip(decoded.frame["_offset"], rows(decoded), strict=True)) == {
        i: row for i, row in good.items() if i >= 3
    }
    assert decoded.frame["_offset"].is_sorted()
    assert decoded.frame["_row"].to_list() == decoded.frame["_offset"].to_list()
    assert [(d.offset, d.reason, d.detail) for d in decoded.dead] == [(i, *why) for i, why in bad.items()]


def test_an_id_that_the_registry_does_not_know_is_schema_unknown_until_it_does() -> None:
    registry = Registry({1: SCHEMA})
    batches = record_batches(
        [Record(encode_framed(9, SCHEMA, payment(1))), Record(encode_framed(1, SCHEMA, payment(2)))]
    )
    decoder = framed(registry)
    decoded = decoder.decode([batches])
    assert rows(decoded) == [payment(2)]
    assert [(d.reason, d.detail) for d in decoded.dead] == [
        ("schema_unknown", "schema id 9 is not in the registry")
    ]
    registry.schemas[9] = SCHEMA
    assert rows(decoder.decode([batches])) == [payment(1), payment(2)]


def test_an_incompatible_schema_makes_all_its_records_dead_letters() -> None:
    other = parse_schema({"type": "record", "name": "P", "fields": [{"name": "user", "type": "int"}]})
    registry = Registry({1: SCHEMA, 2: other})
    decoder = framed(registry)
    batches = record_batches(
        [Record(encode_framed(2, other, {"user": 5})), Record(encode_framed(1, SCHEMA, payment(1)))] * 2
    )
    decoded = decoder.decode([batches])
    assert rows(decoded) == [payment(1)] * 2
    assert [d.reason for d in decoded.dead] == ["schema_mismatch"] * 2
    assert (
        decoded.dead[0].detail == "schema id 2: field `user`: written as int, which cannot be read as string"
    )


def test_an_unreachable_registry_is_raised_and_nothing_is_lost() -> None:
    registry = Registry({1: SCHEMA})
    registry.down = True
    decoder = framed(registry)
    batches = record_batches([Record(encode_framed(1, SCHEMA, payment(1)))])
    with pytest.raises(UnavailableError):
        decoder.decode([batches])
    registry.down = False
    assert rows(decoder.decode([batches])) == [payment(1)]


@pytest.mark.parametrize(
    ("value", "got"), [(b"", "0 bytes"), (b"\0\0\0\1", "4 bytes"), (b"\x05hello", "0x05 first")]
)
def test_a_value_without_the_registrys_header_says_so(value: bytes, got: str) -> None:
    decoded = framed(Registry({})).decode([record_batches([Record(value)])])
    (dead,) = decoded.dead
    assert dead.reason == "decode"
    assert got in dead.detail
    assert "framing='none'" in dead.detail


def test_a_framed_datum_that_is_damaged_is_its_own_dead_letter() -> None:
    good = encode_framed(1, SCHEMA, payment(1))
    decoded = framed(Registry({1: SCHEMA})).decode(
        [record_batches([Record(good), Record(good[:5]), Record(good)])]
    )
    assert rows(decoded) == [payment(1)] * 2
    assert [(d.offset, d.reason) for d in decoded.dead] == [(1, "decode")]


def test_dead_letters_of_every_kind_are_in_the_order_of_the_log() -> None:
    registry = Registry({1: SCHEMA})
    good = encode_framed(1, SCHEMA, payment(1))
    values = [good[:-1], b"x", encode_framed(7, SCHEMA, payment(1)), good, good + b"!"]
    decoded = framed(registry).decode([record_batches([Record(v) for v in values])])
    assert [(d.offset, d.reason) for d in decoded.dead] == [
        (0, "decode"),
        (1, "decode"),
        (2, "schema_unknown"),
        (4, "decode"),
    ]


def test_registry_framing_without_a_registry_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match=r"registry\.url"):
        SourceDecoder(SCHEMA, framing="registry")
    with pytest.raises(UsageError, match="by an Avro schema"):
        SourceDecoder(SCHEMA.columns)


def test_arrays_in_sized_blocks_are_read_as_some_producers_write_them() -> None:
    schema = parse_schema(
        {"type": "record", "name": "E", "fields": [{"name": "xs", "type": {"type": "array", "items": "int"}}]}
    )
    # Two blocks: -2 items in 2 bytes (1, 2), then 1 item (3), then the end.
    sized = b"\x03\x04\x02\x04\x02\x06\x00"
    decoder = SourceDecoder(schema)
    for _ in range(3):
        decoded = decoder.decode([record_batches([Record(sized), Record(encode(schema, {"xs": [4]}))])])
        assert decoded.frame["xs"].to_list() == [[1, 2, 3], [4]]
        assert decoded.dead == []


def test_a_count_that_its_bytes_cannot_hold_allocates_nothing() -> None:
    for items in ("int", "null"):
        schema = parse_schema(
            {
                "type": "record",
                "name": "E",
                "fields": [{"name": "xs", "type": {"type": "array", "items": items}}],
            }
        )
        bomb = b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\x00"
        decoded = SourceDecoder(schema).decode([record_batches([Record(bomb)])])
        assert [d.reason for d in decoded.dead] == ["decode"]


def test_a_decoded_flush_needs_no_garbage_collector_to_go() -> None:
    decoder = SourceDecoder(SCHEMA)
    batches = record_batches([Record(datum(i) if i % 7 else b"x") for i in range(3_000)])
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        decoder.decode([batches])
        gc.collect()
        assert [x for x in gc.garbage if isinstance(x, pl.Series | np.ndarray | memoryview)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_logappend_and_create_time_both_reach_the_frame_in_microseconds() -> None:
    data = batch_bytes([Record(datum(0), timestamp=5)], append_timestamp=9)
    decoded = SourceDecoder(SCHEMA).decode([RecordBatches.parse("t", 0, 0, data)])
    assert decoded.frame["_timestamp"].to_list() == [9_000]
