"""What a commit may follow: the rule that makes history exactly once, as a pure function.

A table keeps, for each Kafka partition, the next offset that it has not seen. A commit covers ``[start,
end)`` of some partitions and may be made only where the table stands at `start` in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headrace.errors import FencedError, PositionError, UsageError

Place = tuple[str, int]
"""A topic and a partition of it."""

Spans = Mapping[Place, tuple[int, int]]
"""The offsets [start, end) that a commit covers, by place."""


def is_done(spans: Spans, position: Callable[[Place], int | None]) -> bool:
    """Whether a commit of `spans` is in the table already; False if it may be made now.

    `position`: where the table stands; None for a partition it never saw, which may begin anywhere. Raises
    FencedError if another writer went on from one of the starts, PositionError if the table has not got to
    one of them: offsets would be left out.
    """
    ahead, behind, done, todo = [], [], [], []
    for place, (start, end) in spans.items():
        if not 0 <= start <= end:
            raise UsageError(f"offsets [{start}, {end}) of {_name(place)} are no span")
        at = position(place)
        if at == end and start < end:
            done.append(place)
        elif at is None or at == start:
            if start < end:
                todo.append(place)
        elif at > start:
            ahead.append(f"{_name(place)} at {at}, expected {start}")
        else:
            behind.append(f"{_name(place)} at {at}, expected {start}")
    if behind:
        raise PositionError(
            f"history lacks offsets before this commit: {'; '.join(behind)}. Read again from where it stands"
        )
    if ahead or (done and todo):
        moved = ahead or [f"{_name(p)} at {spans[p][1]}, expected {spans[p][0]}" for p in done]
        raise FencedError(
            f"another writer went on in history: {'; '.join(moved)}. Stop writing, and begin again from where it stands"
        )
    return not todo


def _name(place: Place) -> str:
    return f"{place[0]}/{place[1]}"
