"""How far a worker's restores have come, and what it says of itself to whoever asks for the status."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from agents.standby import Copy
from agents.task import Life, Task

log = logging.getLogger("headrace.worker")

WORTH_SAYING = 10_000
"""Changelog records below which a restore is not worth a line in the log."""


class Restores:
    """Restores under way: what -> (offsets read, offsets to read). In the log at every tenth."""

    def __init__(self) -> None:
        self.under_way: dict[str, tuple[int, int]] = {}
        self._said: dict[str, int] = {}

    def __call__(self, what: str, done: int, of: int) -> None:
        if done >= of:
            self.under_way.pop(what, None)
        else:
            self.under_way[what] = done, of
        tenth = 10 * done // of if of else 10
        if of > WORTH_SAYING and self._said.get(what) != tenth:
            self._said[what] = tenth
            log.info("restoring %s: %d of %d changelog records", what, done, of)


def report(tasks: Iterable[Task], restores: Restores, copies: Iterable[Copy]) -> dict[str, Any]:
    """``{"open", "opening", "views", "waiting", "sweeping", "restoring": [{"table", "done", "of"}], "standbys":
    [{"table", "partition", "lag"}]}``.

    `views` are those of open tasks, `waiting` those whose backfill is not complete, `sweeping` those of which not every
    entity is online yet.
    """
    held = sorted(tasks, key=lambda t: t.tp)
    return {
        "open": [t.name for t in held if t.life in (Life.OPEN, Life.PARKED)],
        "opening": [t.name for t in held if t.life is Life.OPENING],
        "views": sorted({view for t in held if t.life in (Life.OPEN, Life.PARKED) for view in t.tables}),
        "waiting": sorted({view for t in held for view in t.waiting}),
        "sweeping": sorted({view for t in held for view in t.sweeps}),
        "restoring": [
            {"table": what, "done": done, "of": of} for what, (done, of) in sorted(restores.under_way.items())
        ],
        "standbys": [{"table": c.table, "partition": c.partition, "lag": c.lag} for c in copies],
    }
