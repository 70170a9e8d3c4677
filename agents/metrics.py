"""What a worker counts: Prometheus metrics, one registry per process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary

from agents.flush import TaskFlush
from agents.standby import Copy


class WorkerMetrics:
    """Counters of the features flow. `registry` is served by the worker where a metrics port is set."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["topic", "partition"]
        self.events = Counter("headrace_events", "events counted", labels, registry=self.registry)
        self.dead = Counter("headrace_dead_letters", "dead letters", labels, registry=self.registry)
        self.counts = {
            name: Counter(f"headrace_{name}", what, ["topic"], registry=self.registry)
            for name, what in _COUNTS.items()
        }
        self.entities = Counter("headrace_entities_written", "online writes", labels, registry=self.registry)
        self.flushes = Counter("headrace_flushes", "flushes", registry=self.registry)
        self.position = Gauge("headrace_position", "next offset not counted", labels, registry=self.registry)
        self.lag = Gauge("headrace_lag", "events behind the log's end", labels, registry=self.registry)
        self.flush_seconds = Histogram(
            "headrace_flush_seconds", "from cut to written", registry=self.registry, buckets=_BUCKETS
        )
        self.stages = Summary(
            "headrace_stage_seconds", "wall time by stage", ["stage"], registry=self.registry
        )
        self.standby_lag = Gauge(
            "headrace_standby_lag",
            "changelog records behind, of warm copies",
            ["table", "partition"],
            registry=self.registry,
        )
        self.total = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage of a flush: compute, wait (for the last flush), changelog, rocksdb, online."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.stages.labels(name).observe(time.perf_counter() - begun)

    def standbys(self, copies: Sequence[Copy]) -> None:
        """The copies that are kept now; those that are not any more have no lag."""
        self.standby_lag.clear()
        for copy in copies:
            self.standby_lag.labels(copy.table, str(copy.partition)).set(copy.lag)

    def flushed(self, flushes: Sequence[TaskFlush], seconds: float) -> None:
        self.flushes.inc()
        self.flush_seconds.observe(seconds)
        for flush in flushes:
            at = (flush.task.tp.topic, str(flush.task.tp.partition))
            self.total += flush.events
            self.events.labels(*at).inc(flush.events)
            self.dead.labels(*at).inc(flush.dead)
            for name, count in flush.counts.items():
                self.counts[name].labels(flush.task.tp.topic).inc(count)
            self.entities.labels(*at).inc(flush.entities)
            self.position.labels(*at).set(flush.next_offset)
            self.lag.labels(*at).set(max(flush.task.end - flush.next_offset, 0))


_COUNTS = {
    "late_events": "events too late for every window of a view",
    "null_keys": "events that a view skipped for a null in its entity key",
    "tombstones": "records with a null value, which are no events",
    "capped": "values that did not fit their type",
    "copies": "events left out, since another of their event id came before",
    "after_clock": "events later than a fixed clock, for history alone",
}

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
