"""Dead letters: an event that could not be used, kept as it came, with the reason and the place."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from headrace.durations import format_instant
from headrace.wire import DeadRecord, Decoded
from tables.kafka.producer import Record


def record_of(dead: DeadRecord, source: str, at: int) -> Record:
    """The record for the dead-letter topic: original key, value and headers, and ours after them (spec, 7)."""
    ours = {
        "reason": dead.reason,
        "detail": dead.detail,
        "source": source,
        "topic": dead.topic,
        "partition": str(dead.partition),
        "offset": str(dead.offset),
        "at": format_instant(at),
    }
    headers = [*dead.headers, *((name, text.encode()) for name, text in ours.items())]
    return Record(dead.key, dead.value, headers)


def refused(decoded: Decoded, topic: str, rows: Sequence[tuple[int, str, str]]) -> list[DeadRecord]:
    """Dead records of rows (`_row`, reason, detail) that decoded but were refused later."""
    if not rows:
        return []
    why = pl.DataFrame(
        rows, schema={"_row": pl.UInt32, "_reason": pl.String, "_detail": pl.String}, orient="row"
    ).unique("_row", keep="first", maintain_order=True)
    found = decoded.frame.select("_row", "_partition", "_offset", "_timestamp").join(why, on="_row")
    out = []
    for row, partition, offset, timestamp, reason, detail in found.iter_rows():
        key, value, headers = decoded.original(row)
        out.append(DeadRecord(topic, partition, offset, timestamp, key, value, headers, reason, detail))
    return out
