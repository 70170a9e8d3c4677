"""An engine's answers count only if they are those of a plain recomputation."""

from __future__ import annotations

import numpy as np

from bench.events import Columns, partitions
from bench.peers.checking import differences, expected
from bench.peers.engine import Task, Window
from bench.peers.flink import printed
from bench.peers.headrace import expected as newest_windows
from bench.peers.lines import last_count, last_windows

MINUTE = 60_000
TUMBLING = Task("w1", 60, 60)
HOPPING = Task("w2", 180, 60)


def events(*rows: tuple[int, float, int]) -> Columns:
    """(user, amount, event time in ms) each."""
    users, amounts, at = zip(*rows, strict=True)
    return Columns(np.array(users), np.zeros(len(rows), np.int64), np.array(amounts), np.array(at))


def test_each_minute_is_a_window_of_its_own_events() -> None:
    given = events((0, 1.0, 10), (1, 9.0, 20), (0, 3.0, MINUTE - 1), (0, 2.0, MINUTE))
    assert expected(given, 0, TUMBLING) == {0: Window(2, 4.0, 1.0, 3.0), MINUTE: Window(1, 2.0, 2.0, 2.0)}


def test_an_event_is_in_every_hopping_window_that_holds_it() -> None:
    found = expected(events((0, 5.0, 3 * MINUTE)), 0, HOPPING)
    assert found == {start: Window(1, 5.0, 5.0, 5.0) for start in (MINUTE, 2 * MINUTE, 3 * MINUTE)}


def test_right_answers_have_no_differences() -> None:
    wanted = {0: Window(2, 0.3, 0.1, 0.2)}
    assert differences({0: Window(2, 0.1 + 0.2, 0.1, 0.2)}, wanted) == []


def test_a_window_that_is_missing_or_too_many_or_wrong_is_said() -> None:
    wanted = {0: Window(1, 1.0, 1.0, 1.0), 1: Window(1, 2.0, 2.0, 2.0)}
    found = {1: Window(1, 2.5, 2.0, 2.0), 2: Window(1, 1.0, 1.0, 1.0)}
    assert [d.split(":")[0] for d in differences(found, wanted)] == ["window 0", "window 2", "window 1"]


def test_a_count_that_is_off_by_one_is_wrong() -> None:
    assert differences({0: Window(2, 1.0, 1.0, 1.0)}, {0: Window(1, 1.0, 1.0, 1.0)})


def test_the_last_whole_line_counts() -> None:
    lines = [
        "log",
        "EVENTS 1.5 100 7",
        "WINDOW 60000 1 2.0 2.0 2.0",
        "EVENTS 2.0 200 9",
        "WINDOW 60000 2 5.0 2.0 3.0",
    ]
    count = last_count([*lines, "EVENTS 2.5 30"])
    assert count is not None
    assert (count.wall, count.events, count.emitted) == (2.0, 200, 9)
    assert last_windows([*lines, "WINDOW 60000 3"]) == {MINUTE: Window(2, 5.0, 2.0, 3.0)}
    assert last_count(["log"]) is None


def test_what_flink_prints_is_read_as_windows() -> None:
    lines = [
        "+I[1970-01-01T00:01, u00000000, 1, 2.5, 2.5, 2.5]",
        "+I[1970-01-01T00:00, u00000000, 1, 2.0, 2.0, 2.0]",
        "-U[1970-01-01T00:00, u00000000, 1, 2.0, 2.0, 2.0]",
        "+U[1970-01-01T00:00, u00000000, 2, 5.0, 2.0, 3.0]",
    ]
    assert printed(lines) == {0: Window(2, 5.0, 2.0, 3.0), MINUTE: Window(1, 2.5, 2.5, 2.5)}


def test_redis_holds_the_newest_window_as_of_the_partitions_newest_event() -> None:
    places = partitions(20)
    other = next(i for i in range(1, 20) if places[i] == places[0])
    apart = next(i for i in range(1, 20) if places[i] != places[0])
    given = events((0, 1.0, 10), (other, 2.0, MINUTE + 5), (apart, 3.0, 20), (other, 4.0, MINUTE))
    assert newest_windows(given, 20, TUMBLING) == {
        other: Window(2, 6.0, 2.0, 4.0),
        apart: Window(1, 3.0, 3.0, 3.0),
    }
