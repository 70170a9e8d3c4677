"""What the demo knows at a moment, as one value: gathered from outside, by Redis, metrics and the history table."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import redis
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from prometheus_client.parser import text_string_to_metric_families

from app.demo.freshness import Freshness, Probe
from app.demo.sending import Generator
from app.demo.shown import Shown

RATE_OVER = 2.0  # seconds


@dataclass(frozen=True)
class Entity:
    """An entity's hash as it is now, empty if there is none, and as it was at the last look."""

    key: str
    values: Mapping[str, str]
    before: Mapping[str, str]


@dataclass(frozen=True)
class Snapshot:
    """A moment of the demo. `elapsed` in seconds; `rate` in events a second; `lag` is how many acknowledged events
    are not counted yet, None while the worker has not said.
    """

    elapsed: float
    sent: int
    rate: float
    bursting: bool
    lag: int | None
    freshness: Freshness
    history_events: int
    history_commits: int
    views: Sequence[tuple[Shown, Sequence[Entity]]]


class Observer:
    """Looks at everything; call `look` from one thread."""

    def __init__(
        self,
        *,
        redis_url: str,
        metrics_port: int,
        topic: str,
        history: Path,
        generator: Generator,
        probe: Probe,
        views: Sequence[Shown],
    ) -> None:
        self._client = redis.Redis.from_url(redis_url, decode_responses=True)
        self._http = httpx.Client(trust_env=False, timeout=1.0)
        self._metrics = f"http://127.0.0.1:{metrics_port}/metrics"
        self._topic = topic
        self._history = history
        self._generator = generator
        self._probe = probe
        self._views = views
        self._began = time.perf_counter()
        self._sent: deque[tuple[float, int]] = deque()
        self._before: dict[str, Mapping[str, str]] = {}
        self._slow: tuple[float, int | None, int, int] = (-1e9, None, 0, 0)

    def close(self) -> None:
        self._client.close()
        self._http.close()

    def look(self) -> Snapshot:
        """The moment as it is; what costs more is asked once a second."""
        now = time.perf_counter()
        sent = self._generator.ledger.sent
        self._sent.append((now, sent))
        while len(self._sent) > 2 and now - self._sent[1][0] >= RATE_OVER:
            self._sent.popleft()
        since, then = self._sent[0]
        if now - self._slow[0] >= 1.0:
            self._slow = (now, self._lag(), *kept(self._history))
        return Snapshot(
            elapsed=now - self._began,
            sent=sent,
            rate=(sent - then) / (now - since) if now > since else 0.0,
            bursting=self._generator.bursting,
            lag=self._slow[1],
            freshness=self._probe.freshness(),
            history_events=self._slow[2],
            history_commits=self._slow[3],
            views=self._entities(),
        )

    def _entities(self) -> list[tuple[Shown, list[Entity]]]:
        names = [name for view in self._views for name in view.redis_keys]
        with self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(name)
            found: dict[str, dict[str, str]] = dict(zip(names, pipe.execute(), strict=True))
        out = [
            (
                view,
                [
                    Entity(key, found[name], self._before.get(name, {}))
                    for key, name in zip(view.keys, view.redis_keys, strict=True)
                ],
            )
            for view in self._views
        ]
        self._before = dict(found)
        return out

    def _lag(self) -> int | None:
        """Acknowledged events of the topic behind which the worker's position is."""
        try:
            text = self._http.get(self._metrics).text
        except httpx.HTTPError:
            return None
        positions = {
            int(s.labels["partition"]): int(s.value)
            for family in text_string_to_metric_families(text)
            for s in family.samples
            if s.name == "headrace_position" and s.labels["topic"] == self._topic
        }
        ends = dict(self._generator.ledger.ends)
        return sum(max(end - positions.get(partition, 0), 0) for partition, end in ends.items())


def kept(table: Path) -> tuple[int, int]:
    """(events, commits) of a history table; none where there is no table yet."""
    try:
        found = DeltaTable(str(table))
        counts: Any = found.get_add_actions(flatten=True).column("num_records")
    except (TableNotFoundError, OSError):
        return 0, 0
    return sum(n.as_py() or 0 for n in counts), found.version()
