"""Dead letters: an event that could not be used, kept as it came, with the reason and the place."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.durations import format_instant
from headrace.wire import DeadRecord, Decoded
from tables.kafka.producer import Records, record


def record_of(dead: DeadRecord, source: str, at: int) -> Records:
    """The record for the dead-letter topic: original key, value and headers, then ours (spec, section 7)."""
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
    return record(dead.key, dead.value, headers)


def refused(decoded: Decoded, rows: Sequence[tuple[int, str, str]]) -> list[DeadRecord]:
    """Dead records of rows (`_row`, reason, detail) that decoded but were refused later; the first reason counts."""
    first = {row: (reason, detail) for row, reason, detail in reversed(rows)}
    return [decoded.dead_letter(row, reason, detail) for row, (reason, detail) in first.items()]
