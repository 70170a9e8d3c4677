"""How much a flush takes: as many events and timers as change about so many entities.

What a flush holds in memory (records read, changed, logged and emitted) follows the entities that it changes, not its
events. How many an event changes depends on the stream: the last flush tells.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FlushSize:
    """Aims at `entities` a flush, counted once for each view, and takes at most `most` events.

    Half of it may be timers: `due` is how many a flush may take in all. Until a flush was seen, every event may
    change an entity of its own.
    """

    entities: int
    most: int
    events: int = field(init=False)

    def __post_init__(self) -> None:
        self.events = min(self.entities, self.most)

    @property
    def due(self) -> int:
        return max(self.entities // 2, 1)

    def seen(self, events: int, entities: int, timers: int) -> None:
        """A flush took so many events and timers, and changed so many entities."""
        if events:
            of_events = max(entities - timers, 1)
            self.events = max(min(self.entities * events // of_events, self.most), self.entities // 8, 1)
