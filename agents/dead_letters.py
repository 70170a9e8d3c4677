"""Dead letters: an event that could not be used, kept as it came, with the reason and the place."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.durations import format_instant
from headrace.wire import DeadRecord, Decoded
from tables.kafka.outputs import Records


def records_of(dead: Sequence[DeadRecord], source: str, at: int) -> Records:
    """Their records for the dead-letter topic: original key, value and headers, then ours (spec, section 7)."""
    named = ("source", source.encode())
    told = ("at", format_instant(at).encode())
    headers = [
        [
            *d.headers,
            ("reason", d.reason.encode()),
            ("detail", d.detail.encode()),
            named,
            ("topic", d.topic.encode()),
            ("partition", b"%d" % d.partition),
            ("offset", b"%d" % d.offset),
            told,
        ]
        for d in dead
    ]
    return Records([d.key for d in dead], [d.value for d in dead], each=headers)


def refused(decoded: Decoded, rows: Sequence[tuple[int, str, str]]) -> list[DeadRecord]:
    """Dead records of rows (`_row`, reason, detail) that decoded but were refused later; the first reason counts."""
    if not rows:
        return []
    first = {row: (reason, detail) for row, reason, detail in reversed(rows)}
    return decoded.dead_letters([(row, reason, detail) for row, (reason, detail) in first.items()])
