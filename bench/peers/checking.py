"""The windows of one user, computed in plain Python, and how an engine's answers differ from them."""

from __future__ import annotations

from bench.events import Columns
from bench.peers.engine import Task, Window, Windows

TOLERANCE = 1e-9  # of the sum of absolute values: engines add in different orders


def expected(events: Columns, user: int, task: Task) -> dict[int, Window]:
    """Every window that has an event of the user, by its start in ms."""
    size, step = 1000 * task.size, 1000 * task.step
    found: dict[int, Window] = {}
    mine = events.users == user
    for at, amount in zip(events.at[mine].tolist(), events.amounts[mine].tolist(), strict=True):
        last = at // step * step
        for start in range(last - size + step, last + step, step):
            w = found.get(start)
            if w is None:
                found[start] = Window(1, amount, amount, amount)
            else:
                found[start] = Window(w.events + 1, w.sum + amount, min(w.min, amount), max(w.max, amount))
    return found


def differences(found: Windows, wanted: Windows) -> list[str]:
    """A sentence for each window that is missing, too many or wrong; none if the answers are right."""
    out = [
        f"window {start}: expected {wanted[start]}, got none"
        for start in sorted(wanted.keys() - found.keys())
    ]
    out += [
        f"window {start}: expected none, got {found[start]}" for start in sorted(found.keys() - wanted.keys())
    ]
    for start in sorted(wanted.keys() & found.keys()):
        f, w = found[start], wanted[start]
        if (f.events, f.min, f.max) != (w.events, w.min, w.max) or abs(f.sum - w.sum) > TOLERANCE * max(
            w.sum, 1.0
        ):
            out.append(f"window {start}: expected {w}, got {f}")
    return out
