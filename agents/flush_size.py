"""How much a flush takes: as many events and timers as change about so many entities, or so many bytes of state.

What a flush holds in memory (records read, changed, logged and emitted) follows the entities that it changes and the
state that they have, not its events. How many an event changes, and how large one is, depends on the stream and on the
view: the last flush tells.

Timers wait where events do not: a million values that fall on the hour are late by as long as they take, but an event
that comes meanwhile shall not wait for them. So a worker that keeps up takes only so many timers into a flush that the
flush takes `seconds`; one that is behind takes what its size allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LEAST = 500
"""Timers that a flush may always take."""
USUAL, EACH = 20_000, 5_000
"""Entities of a flush; of many views so many each, since each takes some milliseconds a flush, whatever changed."""


def entities_of(views: int) -> int:
    """How many entities, counted once for each view, a flush of so many views aims at."""
    return max(USUAL, EACH * views)


@dataclass
class FlushSize:
    """Aims at `entities` a flush, counted once for each view, fewer where these have more than `state` bytes of records
    read and written; takes at most `most` events.

    Half of it may be timers. Until a flush was seen, every event may change an entity of its own.
    """

    entities: int
    most: int
    seconds: float
    state: int
    events: int = field(init=False)
    _fit: int = field(init=False)
    _last: tuple[int, float] = field(init=False, default=(1, 0.0))

    def __post_init__(self) -> None:
        self._fit = self.entities
        self.events = min(self.entities, self.most)

    def due(self, *, behind: bool) -> int:
        """How many timers a flush may take in all; `behind`: it is cut by its size, not by time.

        With a flush's time linear in its entities, repeating this ends where a flush takes `seconds`.
        """
        half = max(self._fit // 2, 1)
        entities, seconds = self._last
        if behind or entities * self.seconds >= half * seconds:
            return half
        return min(max(int(entities * self.seconds / seconds), LEAST), half)

    def interval(self, longest: float) -> float:
        """Seconds from one cut to the next: half of `longest` while a flush is computed and written in less than that,
        for an event waits for the cut more than for anything else."""
        return longest / 2 if self._last[1] < longest else longest

    def seen(self, events: int, entities: int, timers: int, state: int) -> None:
        """A flush took so many events and timers, and changed so many entities with so many bytes of state."""
        if state:
            self._fit = min(self.entities, max(self.state * entities // state, min(LEAST, self.entities)))
        if events:
            of_events = max(entities - timers, 1)
            self.events = max(min(self._fit * events // of_events, self.most), self._fit // 8, 1)

    def took(self, entities: int, seconds: float) -> None:
        """A flush of so many entities was computed and written in `seconds`."""
        self._last = (max(entities, 1), seconds)
