"""Decoding in microseconds of CPU an event, for every shape of record batch.

    python bench/decode.py [EVENTS=50000]

The Txn event (10 fields, 58 bytes bare) as the peers' benchmark makes it, in batches of 3,000 records, everything in
one call as in a flush. Process time, all threads, median of 5 after two runs to warm up; RecordBatches.parse (CRC
included) is its own line. Needs no broker. Set MALLOC_TRIM_THRESHOLD_ and MALLOC_MMAP_THRESHOLD_ to 1000000000 to
keep the C library from giving memory back between calls: page faults are a third of the time on some machines.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from headrace.avro import encode_many, parse_schema
from headrace.wire import Record, RecordBatches, SourceDecoder, batch_bytes, warm

SCHEMA = parse_schema(
    {
        "type": "record",
        "name": "Txn",
        "namespace": "b",
        "fields": [
            {"name": "event_id", "type": "string"},
            {"name": "user_id", "type": "string"},
            {"name": "merchant_id", "type": "string"},
            {"name": "amount", "type": "double"},
            {"name": "currency", "type": "string"},
            {"name": "country", "type": "string"},
            {"name": "device", "type": ["null", "string"], "default": None},
            {"name": "ts", "type": "long"},
            {"name": "is_online", "type": "boolean"},
            {"name": "item_count", "type": "int"},
        ],
    }
)
TAGGED = parse_schema(
    {
        **SCHEMA.raw,
        "fields": [*SCHEMA.raw["fields"], {"name": "tags", "type": {"type": "array", "items": "string"}}],
    }
)
PADDED = parse_schema(
    {**SCHEMA.raw, "fields": [*SCHEMA.raw["fields"], {"name": "pad", "type": "string", "default": ""}]}
)
START = 1_699_999_980_000


def events(n: int) -> pl.DataFrame:
    """The peers' events: Zipf users, 1.2 ms apart."""
    r = np.random.default_rng(1)
    weights = 1 / np.arange(1, 100_001)
    i = np.arange(n)
    users = r.choice(100_000, size=n, p=weights / weights.sum())
    return pl.DataFrame(
        {
            "event_id": [f"e{k:012d}" for k in range(n)],
            "user_id": [f"u{u:08d}" for u in users],
            "merchant_id": [f"m{m:05d}" for m in r.integers(0, 5_000, n)],
            "amount": np.round(r.gamma(2, 30, n), 2),
            "currency": ["EUR"] * n,
            "country": ["DE"] * n,
            "device": [("ios" if k % 3 else None) for k in range(n)],
            "ts": START + 20 + (i * 1.2).astype(np.int64) + r.integers(-20, 21, n),
            "is_online": (i & 1).astype(bool),
            "item_count": (i % 7).astype(np.int32),
        }
    )


def fetched(records: Sequence[Record], codec: str = "none") -> bytes:
    """The records as the bytes of a fetch."""
    return b"".join(
        batch_bytes(records[i : i + 3_000], base=i, codec=codec) for i in range(0, len(records), 3_000)
    )


def cost(run: Callable[[], object], n: int) -> float:
    """Microseconds of process time an event: the median of five."""
    times = []
    for _ in range(7):
        before = time.process_time()
        run()
        times.append(time.process_time() - before)
    return statistics.median(times[2:]) / n * 1e6


def poisoned(values: list[bytes], every: int) -> list[bytes]:
    """Each `every`th value damaged, in turn cut, extended and flipped."""
    out = list(values)
    for k, i in enumerate(range(0, len(out), every)):
        v = out[i]
        out[i] = (v[:-3], v + b"\1", v[:5] + bytes([v[5] ^ 0x55]) + v[6:])[k % 3]
    return out


def main(n: int) -> None:
    """Print one line a shape."""
    frame = events(n)
    bare = encode_many(SCHEMA, frame)
    framed = [b"\0\0\0\0\1" + v for v in bare]
    two = [b"\0\0\0\0" + bytes([1 + i % 2]) + v for i, v in enumerate(bare)]
    wider = [b"\0\0\0\0\2" + v + b"\4ab" if i % 2 else framed[i] for i, v in enumerate(bare)]
    keys = [u.encode() for u in frame["user_id"]]
    stamps = frame["ts"].to_list()
    rows = frame.to_dicts()
    tagged = encode_many(
        TAGGED, frame.with_columns(tags=pl.Series([["a", "bb", "ccc"][: k % 4] for k in range(n)]))
    )
    headers = [(f"trace-{k}", b"0123456789abcdef") for k in range(2)]

    def records(values: Sequence[bytes | None], **more: object) -> list[Record]:
        return [
            Record(v, k, t, **more)
            for v, k, t in zip(values, keys, stamps, strict=True)  # type: ignore[arg-type]
        ]

    def nullkeys(values: Sequence[bytes]) -> list[Record]:
        return [Record(v, None, t) for v, t in zip(values, stamps, strict=True)]

    avro = SourceDecoder(SCHEMA)
    registry = SourceDecoder(SCHEMA, framing="registry", resolve=lambda _: SCHEMA)
    writers = SourceDecoder(SCHEMA, framing="registry", resolve=lambda i: PADDED if i == 2 else SCHEMA)
    shapes: list[tuple[str, SourceDecoder, list[Record], str]] = [
        ("plain", avro, records(bare), "none"),
        *((codec, avro, records(bare), codec) for codec in ("lz4", "zstd", "snappy", "gzip")),
        ("null keys", avro, nullkeys(bare), "none"),
        ("two headers", avro, records(bare, headers=headers), "none"),
        ("registry framing", registry, records(framed), "none"),
        ("two schema ids", registry, records(two), "none"),
        ("two writer schemas", writers, records(wider), "none"),
        ("two, 1% bad", writers, records(poisoned(wider, 100)), "none"),
        ("1% tombstones", avro, records([None if i % 100 == 0 else v for i, v in enumerate(bare)]), "none"),
        ("1 bad record", avro, records(poisoned(bare, n)), "none"),
        ("1% bad records", avro, records(poisoned(bare, 100)), "none"),
        ("with an array", SourceDecoder(TAGGED), records(tagged), "none"),
        ("with an array, 1% bad", SourceDecoder(TAGGED), records(poisoned(tagged, 100)), "none"),
        (
            "JSON",
            SourceDecoder(SCHEMA, format="json"),
            records([json.dumps(r).encode() for r in rows]),
            "none",
        ),
        (
            "JSON, 1% bad",
            SourceDecoder(SCHEMA, format="json"),
            records(poisoned([json.dumps(r).encode() for r in rows], 100)),
            "none",
        ),
    ]
    warm()
    print(f"{n} events, us of CPU an event")
    data = fetched(shapes[0][2])
    print(f"{'parse, with CRC':<24}{cost(lambda: RecordBatches.parse('t', 0, 0, data), n):8.3f}")
    for name, decoder, items, codec in shapes:
        batches = RecordBatches.parse("t", 0, 0, fetched(items, codec))
        print(f"{name:<24}{cost(lambda d=decoder, b=batches: d.decode([b]), n):8.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
