"""What a library says at each of its tries is said with growing pauses."""

from __future__ import annotations

import logging

from app.repeats import Repeats


def shown(filter: Repeats, name: str, node: int) -> str | None:
    """The line of one record, None if it is passed over."""
    record = logging.LogRecord(name, logging.ERROR, "f.py", 1, "no connection to node %s", (node,), None)
    return record.getMessage() if filter.filter(record) else None


def test_a_line_comes_again_with_growing_pauses_and_says_how_many_there_were() -> None:
    now = [0.0]
    repeats = Repeats("aiokafka", clock=lambda: now[0])
    lines = []
    for tenth in range(80):  # ten tries a second, for eight seconds
        now[0] = tenth / 10
        if (line := shown(repeats, "aiokafka.conn", 1)) is not None:
            lines.append((now[0], line))
    assert lines == [
        (0.0, "no connection to node 1"),
        (1.0, "no connection to node 1 (9 more like it since the last)"),
        (3.0, "no connection to node 1 (19 more like it since the last)"),
        (7.0, "no connection to node 1 (39 more like it since the last)"),
    ]


def test_after_a_minute_of_silence_a_line_is_new() -> None:
    now = [0.0]
    repeats = Repeats("aiokafka", clock=lambda: now[0])
    assert [shown(repeats, "aiokafka", n) for n in (1, 2)] == ["no connection to node 1", None]
    now[0] = 61.0
    assert shown(repeats, "aiokafka", 3) == "no connection to node 3"


def test_no_line_of_ours_is_passed_over() -> None:
    repeats = Repeats("aiokafka", clock=lambda: 0.0)
    assert [shown(repeats, "headrace.engine", n) for n in (1, 1)] == ["no connection to node 1"] * 2
