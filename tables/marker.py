"""The marker: what a flush says of itself, in the changelog's transaction and in RocksDB's WriteBatch.

State owns its position. A marker carries, for one table partition, the next offset of each source partition
that the state has not seen; whoever reads the marker of a flush has, or will have, all of that flush.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import orjson

KEY = b"\x00marker"
"""Key of the marker record in a changelog; state keys never begin with a zero byte."""


@dataclass(frozen=True)
class Marker:
    """Position of one (table, partition).

    `epoch` grows by one with every opening (and so with every owner); `sequence` with every flush.
    `positions`: source "topic:partition" -> next offset not seen. `clock`: the largest event time accepted
    on the partition (us), or None. `topic_id`: Kafka's id of the source topic, so that one deleted and made
    again is noticed. `sweep`: every entity is being written online again, from the start if interrupted; at most
    `pace` of them a second (None: as fast as flushes go).
    `flush` numbers the flushes of a task, all of its tables together; `shown` is the one that was wholly in the
    online store when this marker was logged (None: there was none): whoever comes later must find it there.
    `flush_start`, `changelog`: changelog offsets where the last flush begins and ends; they are known only
    once it is acknowledged, so they are in RocksDB alone.
    """

    fingerprint: str
    epoch: int = 0
    sequence: int = 0
    positions: Mapping[str, int] = field(default_factory=dict)
    clock: int | None = None
    topic_id: str | None = None
    sweep: bool = False
    pace: int | None = None
    flush: int = 0
    shown: int | None = None
    flush_start: int = 0
    changelog: int = 0

    def encode(self) -> bytes:
        """JSON; keys in a fixed order. Without a pace, as before there was one."""
        return orjson.dumps(
            {
                **({} if self.pace is None else {"pace": self.pace}),
                "v": 1,
                "fingerprint": self.fingerprint,
                "epoch": self.epoch,
                "sequence": self.sequence,
                "positions": dict(sorted(self.positions.items())),
                "clock": self.clock,
                "topic_id": self.topic_id,
                "sweep": self.sweep,
                "flush": self.flush,
                "shown": self.shown,
                "flush_start": self.flush_start,
                "changelog": self.changelog,
            }
        )

    @staticmethod
    def decode(raw: bytes) -> Marker:
        d = orjson.loads(raw)
        d.pop("v")
        return Marker(**d)

    def logged(self, start: int, end: int) -> Marker:
        """This marker once its flush is known to lie at changelog offsets `start` up to `end`."""
        return replace(self, flush_start=start, changelog=end)


def source(topic: str, partition: int) -> str:
    """How a source partition is named in `Marker.positions`."""
    return f"{topic}:{partition}"
