"""Materialisation on schedule: an instant is due once history has every event that belongs to it.

That is when history has passed the records of the instant and the source's lateness; on the embedded broker, which
lives in another process, some commits of history later. Owns this judgement alone; what is then done is a job like any
other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import partial

from deltalake import DeltaTable

from app.clock import now_us
from app.handing_over import at_most
from app.kafka import connect
from headrace.client import FeatureStore
from headrace.definitions import FeatureView, StreamSource
from headrace.durations import SECOND
from headrace.history.access import options_of
from headrace.history.account import position_name, writer_of
from headrace.history.storage import named_errors, table_uri
from headrace.history.upkeep import is_kept
from headrace.offline.jobs import Record, folder_of
from headrace.offline.opening import opening
from headrace.offline.refreshing import instant_of
from headrace.offline.scheduled import due, next_record, reached, scheduled
from headrace.settings import Settings
from tables.kafka.topics import Topics

GRACE = 10 * SECOND
"""How much later than its timestamp a record may get to the broker."""

LOOK = 10.0
"""Seconds between two looks at whether an instant is due."""


class Cadence:
    """One view's schedule, for the jobs process. `kept`: whether history has all records up to an instant."""

    def __init__(
        self, store: FeatureStore, view: FeatureView, kept: Callable[[StreamSource, int], bool] | None = None
    ) -> None:
        assert isinstance(view.source, StreamSource)
        assert view.materialize is not None
        self.view = view.id
        self.name = f"materialize {view.id}"
        self.every = min(view.materialize / 1e6, LOOK)
        self._store, self._view, self._source, self._step = store, view, view.source, view.materialize
        self._kept = kept or partial(is_complete, store.settings)

    def record(self) -> Record | None:
        """The job to be done now, if there is one: of an earlier process, or of instants that are due."""
        settings = self._store.settings
        uri = table_uri(settings.history.uri, settings.project, self._source.name)
        if not is_kept(uri, options_of(settings)):
            return None
        return next_record(self._store.project, settings, self._view, self._until())

    def lag(self, now: int) -> int | None:
        """How long ago the newest instant was that is done (microseconds)."""
        plan = self._store.project.plan(self._view)
        newest = reached(scheduled(folder_of(self._store.settings), plan))
        return None if newest is None else now - newest

    def _until(self) -> int | None:
        """The newest instant of the grid that is due and whose events are all there; None if there is none."""
        settings, lateness = self._store.settings, self._source.lateness
        plan = self._store.project.plan(self._view)
        if settings.clock != "wall":
            opened = partial(opening(self._store.project, settings, None, None), plan.source.source)
            return instant_of(plan, opened, settings.clock, now_us()) - lateness
        wait = 2 * settings.history.every if settings.kafka.embedded else GRACE
        known = scheduled(folder_of(settings), plan)
        first, newest = due(known, self._step, now_us() - lateness - wait)
        steps = range(first, newest + 1, self._step)
        done = bisect_left(steps, True, key=lambda t: not self._kept(self._source, t + lateness))
        return steps[done - 1] if done else None


def is_complete(settings: Settings, source: StreamSource, t: int) -> bool:
    """Whether history has every record of before `t` (microseconds, record time). UnavailableError."""
    if settings.kafka.embedded:
        return True
    topics = Topics(connect(settings.kafka).confluent(), embedded=False)
    known = topics.describe(source.topics)
    if len(known) < len(source.topics):
        return False
    places = {(name, p): None for name, info in known.items() for p in range(info.partitions)}
    wanted = at_most(places, topics, t)
    uri = table_uri(settings.history.uri, settings.project, source.name)
    with named_errors(uri):
        table = DeltaTable(uri, storage_options=options_of(settings))
        writer = writer_of(settings.project, source.name)
        stands = {place: table.transaction_version(position_name(writer, place)) for place in places}
    return all(wanted[place] <= (stands[place] or 0) for place in places)
