"""The parts of the demo that live in its own process: generator, probe and observer, and the events they share."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import redis

from app.demo.checking import PATIENCE
from app.demo.flights import flights
from app.demo.freshness import Probe
from app.demo.observing import Observer, kept
from app.demo.pace import Pace
from app.demo.replay import Replay
from app.demo.sending import Generator
from app.demo.shown import HORIZON, shown
from app.demo.stage import Stage
from headrace.definitions import StreamSource
from headrace.errors import UnavailableError
from headrace.online.keys import KeySpace
from headrace.plan import ViewPlan

ENTITIES = 3  # of each view
VIEWS = 3


class Play:
    """What sends, measures and looks, on a stage. With `keep`, every event is kept for a comparison."""

    def __init__(
        self,
        stage: Stage,
        source: StreamSource,
        plans: Sequence[ViewPlan],
        *,
        events: int | None,
        rate: float,
        seed: int,
        keep: bool,
    ) -> None:
        self.stage = stage
        settings = stage.settings
        self.spaces = [
            (p, KeySpace(settings.project, p.view.name, p.view.version, settings.redis.hash_tag))
            for p in plans
        ]
        year = flights()
        replay = Replay(year, seed)
        coming = replay.coming(min(HORIZON, events or HORIZON)).tolist()
        self.views = [shown(p, space, year, coming, ENTITIES) for p, space in self.spaces[:VIEWS]]
        self.probe = Probe(settings.redis.url, self.views)
        self.generator = Generator(
            source,
            settings,
            replay,
            Pace(rate, seed),
            limit=events,
            keep=keep,
            sent=self.probe.sent,
        )
        self.observer = Observer(
            redis_url=settings.redis.url,
            metrics_port=stage.metrics_port,
            topic=source.topics[0],
            history=stage.table,
            generator=self.generator,
            probe=self.probe,
            views=self.views,
        )
        self.client = redis.Redis.from_url(settings.redis.url, decode_responses=True)

    def start(self) -> None:
        self.probe.start()
        self.generator.start()

    def close(self) -> None:
        self.generator.stop()
        self.probe.stop()
        self.observer.close()
        self.client.close()

    def wait_for_features(self, interrupted: threading.Event) -> None:
        """Return when the first events were seen in Redis; from then on events flow, and count for freshness."""
        while self.probe.measured == 0 and not interrupted.wait(0.02):
            self.check()
        self.probe.begin()
        self.generator.go()

    def wait_for_history(self, events: int) -> None:
        """Return when history has so many events, or after `PATIENCE` seconds: what is missing is then missing."""
        end = time.monotonic() + PATIENCE
        while kept(self.stage.table)[0] < events and time.monotonic() < end:
            self.check()
            time.sleep(0.1)

    def check(self) -> None:
        """UnavailableError if a process ended or Kafka refused an event."""
        self.stage.check()
        if self.generator.ledger.failed is not None:
            raise UnavailableError(f"the generator: {self.generator.ledger.failed}")
