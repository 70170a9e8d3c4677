"""One formula: which events a window covers as of an instant."""

from datetime import timedelta

import numpy as np
import pytest

from headrace.durations import DAY, HOUR, MINUTE, SECOND, parse_instant
from headrace.windows import (
    BEGINNING,
    FOREVER,
    Window,
    as_window,
    end_of,
    hopping,
    lifetime,
    rolling,
    session,
    start_of,
    step_of,
    tumbling,
)

NOON = parse_instant("2026-01-01T12:00:00Z")


@pytest.mark.parametrize(
    ("size", "step"),
    [("5m", 10 * SECOND), ("1h", MINUTE), ("24h", HOUR), ("48h", HOUR), ("7d", 6 * HOUR), ("30d", DAY)],
)
def test_a_rolling_window_chooses_the_step_of_the_spec(size: str, step: int) -> None:
    assert step_of(rolling(size)) == step


def test_a_step_that_is_given_wins_then_the_granularity_then_the_choice() -> None:
    assert step_of(rolling("1h", "5m"), MINUTE) == 5 * MINUTE
    assert step_of(rolling("1h"), 10 * MINUTE) == 10 * MINUTE
    assert step_of(rolling("7s")) == SECOND
    assert step_of(tumbling("1h"), MINUTE) == HOUR


def test_a_rolling_window_includes_now_and_its_tail_moves_in_steps() -> None:
    window = rolling("1h")
    assert end_of(window, NOON) == NOON + MINUTE
    assert start_of(window, NOON) == NOON - 59 * MINUTE
    assert start_of(window, NOON + MINUTE - 1) == NOON - 59 * MINUTE
    assert start_of(window, NOON + MINUTE) == NOON - 58 * MINUTE


def test_a_closed_window_is_the_last_one_whose_lateness_is_over() -> None:
    window = tumbling("1h", closed=True)
    late = 5 * MINUTE
    assert (start_of(window, NOON + late - 1, late), end_of(window, NOON + late - 1, late)) == (
        NOON - 2 * HOUR,
        NOON - HOUR,
    )
    assert (start_of(window, NOON + late, late), end_of(window, NOON + late, late)) == (NOON - HOUR, NOON)


def test_a_hopping_window_ends_at_the_next_hop() -> None:
    window = hopping("1h", "15m")
    assert start_of(window, NOON + MINUTE) == NOON - 45 * MINUTE
    assert end_of(window, NOON + MINUTE) == NOON + 15 * MINUTE


def test_an_offset_shifts_the_floor() -> None:
    window = tumbling("1d", offset="6h")
    assert start_of(window, NOON) == NOON - 6 * HOUR
    assert start_of(window, NOON - 7 * HOUR) == NOON - 30 * HOUR


def test_instants_before_1970_are_like_any_other() -> None:
    assert start_of(tumbling("1m"), -1) == -MINUTE
    assert end_of(tumbling("1m"), -1) == 0
    assert start_of(tumbling("1m"), -MINUTE) == -MINUTE


def test_arrays_and_integers_give_the_same() -> None:
    instants = np.array([-HOUR - 1, -1, 0, 1, NOON], "i8")
    for window in (rolling("1h"), hopping("1h", "15m", closed=True), tumbling("7s", offset="3s"), lifetime()):
        assert end_of(window, instants, MINUTE).tolist() == [
            end_of(window, t, MINUTE) for t in instants.tolist()
        ]
        assert start_of(window, instants).tolist() == [start_of(window, t) for t in instants.tolist()]


def test_a_lifetime_has_no_ends() -> None:
    assert (start_of(lifetime(), NOON), end_of(lifetime(), NOON)) == (BEGINNING, FOREVER)
    assert step_of(lifetime()) == 0


def test_a_duration_is_short_for_rolling() -> None:
    assert as_window("48h") == rolling("48h") == as_window(timedelta(hours=48))
    assert as_window(session("30m")) == Window("session", gap=30 * MINUTE)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: hopping("1h", "7m"),
            "1h is not a multiple of its step; expected a step that divides 1h; got 7m. 1m would do.",
        ),
        (lambda: rolling("2d", "1m"), "2,880 steps, more than 1,440; expected a step of at least 2m; got 1m"),
        (
            lambda: step_of(rolling("100ms")),
            "divides this rolling window; expected a whole number of seconds; got 100ms",
        ),
        (
            lambda: step_of(rolling("1h"), 7 * MINUTE),
            "not a multiple of its step; expected a step that divides 1h; got 7m",
        ),
        (lambda: tumbling("0s"), "size is a duration above zero; expected such as '1h'; got '0s'"),
        (lambda: as_window(3), "a window is of the wrong kind; expected a duration such as '48h'"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_window_says_what_to_do(wrong: object, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        wrong()  # type: ignore[operator]
