"""Rows for Redis and the commands made of them, small enough to read."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from headrace.online.keys import KeySpace
from headrace.online.resp import Chunk, encode
from headrace.types import DataType, Int64

SPACE = KeySpace("shop", "spend", "3")
T0 = 1_763_710_800_123_456
T0_TEXT = "2025-11-21T07:40:00.123456Z"


def rows(
    keys: list[str],
    features: Mapping[str, tuple[DataType, list[object]]],
    *,
    event_time: list[int | None] | int = T0,
    ttl: list[int | None] | None = None,
    remove: list[bool] | None = None,
) -> pl.DataFrame:
    n = len(keys)
    return pl.DataFrame(
        {
            "_key": pl.Series(keys, dtype=pl.String),
            **{name: pl.Series(values, dtype=t.polars) for name, (t, values) in features.items()},
            "_event_time": pl.Series(event_time if isinstance(event_time, list) else [event_time] * n),
            "_as_of": pl.Series([T0] * n, dtype=pl.Int64),
            "_written_at": pl.Series([T0] * n, dtype=pl.Int64),
            "_ttl": pl.Series(ttl or [None] * n, dtype=pl.Int64),
            "_remove": pl.Series(remove or [False] * n, dtype=pl.Boolean),
        }
    )


def chunks(
    keys: list[str], features: Mapping[str, tuple[DataType, list[object]]], **options: object
) -> list[Chunk]:
    types = {name: t for name, (t, _) in features.items()}
    chunk_keys = options.pop("chunk_keys", 150)
    return encode(rows(keys, features, **options), SPACE, types, chunk_keys=chunk_keys)  # type: ignore[arg-type]


def counted(keys: list[str], n: int, **options: object) -> list[Chunk]:
    """Chunks that set feature `n` of every key to one number."""
    return chunks(keys, {"n": (Int64, [n] * len(keys))}, **options)


def commands(payload: bytes | memoryview) -> list[tuple[str, ...]]:
    """The commands in RESP bytes; fails if the lengths in them are not exact."""
    data, at, found = bytes(payload), 0, []

    def line() -> bytes:
        nonlocal at
        end = data.index(b"\r\n", at)
        text, at = data[at:end], end + 2
        return text

    while at < len(data):
        head = line()
        assert head[:1] == b"*", head
        arguments = []
        for _ in range(int(head[1:])):
            size = line()
            assert size[:1] == b"$", size
            arguments.append(data[at : at + int(size[1:])].decode())
            at += int(size[1:])
            assert line() == b"", data[at - 20 : at + 20]
        found.append(tuple(arguments))
    return found
