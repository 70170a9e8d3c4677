"""How much a flush takes: as many events and timers as change about so many entities.

What a flush holds in memory (records read, changed, logged and emitted) follows the entities that it changes, not its
events. How many an event changes depends on the stream: the last flush tells.

Timers wait where events do not: a million values that fall on the hour are late by as long as they take, but an event
that comes meanwhile shall not wait for them. So a worker that keeps up takes only so many timers into a flush that the
flush takes `seconds`; one that is behind takes what its size allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LEAST = 500
"""Timers that a flush may always take."""


@dataclass
class FlushSize:
    """Aims at `entities` a flush, counted once for each view, and takes at most `most` events.

    Half of it may be timers. Until a flush was seen, every event may change an entity of its own.
    """

    entities: int
    most: int
    seconds: float
    events: int = field(init=False)
    _last: tuple[int, float] = field(init=False, default=(1, 0.0))

    def __post_init__(self) -> None:
        self.events = min(self.entities, self.most)

    def due(self, *, behind: bool) -> int:
        """How many timers a flush may take in all; `behind`: it is cut by its size, not by time.

        With a flush's time linear in its entities, repeating this ends where a flush takes `seconds`.
        """
        half = max(self.entities // 2, 1)
        entities, seconds = self._last
        if behind or entities * self.seconds >= half * seconds:
            return half
        return min(max(int(entities * self.seconds / seconds), LEAST), half)

    def interval(self, longest: float) -> float:
        """Seconds from one cut to the next: half of `longest` while a flush is computed and written in less than that,
        for an event waits for the cut more than for anything else."""
        return longest / 2 if self._last[1] < longest else longest

    def seen(self, events: int, entities: int, timers: int) -> None:
        """A flush took so many events and timers, and changed so many entities."""
        if events:
            of_events = max(entities - timers, 1)
            self.events = max(min(self.entities * events // of_events, self.most), self.entities // 8, 1)

    def took(self, entities: int, seconds: float) -> None:
        """A flush of so many entities was computed and written in `seconds`."""
        self._last = (max(entities, 1), seconds)
