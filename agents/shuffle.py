"""Repartition records: some of a flush's rows for one target partition, in columns, with what they cover.

A record stands for the coverage ``[start, end)`` of one source partition's offsets: the rows in it are all
rows of that coverage whose keys belong to the target. Layout of the value: 4 bytes length (big-endian), that much
JSON (`Coverage`), then an Arrow IPC stream of the projected rows (absent when there are none).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import orjson
import polars as pl

from headrace.errors import PositionError

_LENGTH = struct.Struct(">I")
OFFSET_BITS = 41
_OFFSET = (1 << OFFSET_BITS) - 1


@dataclass(frozen=True)
class Coverage:
    """Which source offsets a record stands for, and the largest event time accepted there so far (us)."""

    source: str
    start: int
    end: int
    clock: int | None


def target_of(key: str, partitions: int) -> int:
    """The target partition of an entity key: CRC-32 of its UTF-8 text, as in Kafka's `consistent` partitioner."""
    return zlib.crc32(key.encode()) % partitions


def split(rows: pl.DataFrame, partitions: int) -> dict[int, pl.DataFrame]:
    """Rows by target partition, order kept. The hash is computed once per distinct key."""
    if rows.is_empty():
        return {}
    keys = rows["_key"].unique()
    targets = pl.DataFrame(
        {
            "_key": keys,
            "_target": pl.Series([target_of(k, partitions) for k in keys.to_list()], dtype=pl.Int32),
        }
    )
    placed = rows.join(targets, on="_key", how="left", maintain_order="left")
    return {
        int(target[0]): part.drop("_target")
        for target, part in placed.partition_by("_target", as_dict=True, maintain_order=True).items()
    }


def encode(rows: pl.DataFrame | None, coverage: Coverage) -> bytes:
    """The value of a repartition record."""
    head = orjson.dumps(asdict(coverage))
    body = b""
    if rows is not None and not rows.is_empty():
        out = io.BytesIO()
        rows.write_ipc_stream(out, compression="lz4")
        body = out.getvalue()
    return _LENGTH.pack(len(head)) + head + body


def decode(value: bytes) -> tuple[Coverage, pl.DataFrame | None]:
    """The inverse of `encode`."""
    (n,) = _LENGTH.unpack_from(value)
    coverage = Coverage(**orjson.loads(value[4 : 4 + n]))
    body = value[4 + n :]
    return coverage, pl.read_ipc_stream(io.BytesIO(body)) if body else None


def receive(
    values: Sequence[bytes], positions: Mapping[str, int], where: str
) -> tuple[list[pl.DataFrame], dict[str, int], int | None]:
    """Rows of repartition records that `positions` have not seen, the positions after them, the newest clock.

    Rows at or below what was seen are dropped, whatever the boundaries of a resend. Raises PositionError for
    a record that begins beyond what was seen: rows would be missing.
    """
    after = dict(positions)
    frames: list[pl.DataFrame] = []
    clock: int | None = None
    for value in values:
        coverage, rows = decode(value)
        if coverage.clock is not None:
            clock = coverage.clock if clock is None else max(clock, coverage.clock)
        seen = after.get(coverage.source)
        if seen is not None and coverage.start > seen:
            raise PositionError(
                f"{where}: rows of {coverage.source} from offset {seen} to {coverage.start} are missing"
            )
        if seen is not None and coverage.end <= seen:
            continue
        if rows is not None:
            if seen is not None and coverage.start < seen:
                rows = rows.filter((pl.col("_order") & _OFFSET) >= seen)
            frames.append(rows)
        after[coverage.source] = coverage.end
    return frames, after, clock
