"""`run`: views in memory. Push events, move the clock, read what Redis and training sets would give.

The same plans and panes as in a worker; no broker, no files, and no clock but `now`. One partition; each push is
one flush at `now`, which is also the Kafka timestamp of its records. What a flush changes of a view goes on at once,
as one flush more, to the views that are derived from it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import polars as pl

from headrace.definitions import FeatureRef, FeatureService, FeatureView, StreamSource, UpdateSource
from headrace.definitions.feature_view import chain_of
from headrace.durations import format_instant, parse_duration, parse_instant
from headrace.errors import UsageError, did_you_mean
from headrace.online.keys import parse_entity_key, python_entity_key
from headrace.panes import again
from headrace.plan import SourcePlan, plan_view
from headrace.plan.rows import Accepted, Dead
from headrace.publishing import updates
from headrace.testing.records import to_frame
from headrace.testing.spine import features_of, spine_frame
from headrace.testing.viewing import ViewRun

PARTITION = 0


class Run:
    """Views under test, with those that they are derived from; made by `run`."""

    def __init__(
        self, views: Sequence[FeatureView], now: int, project: str, clock: Literal["wall", "event"] | int
    ) -> None:
        self.now = now
        self.clock = clock
        self.dead_letters: list[dict[str, object]] = []
        self._asked = [view.id for view in views]
        plans = [plan_view(view, functions=view.functions) for view in _with_upstream(views)]
        self._views: dict[str, ViewRun] = {}
        for plan in plans:  # a second version under its id
            key = plan.id if plan.view.name in self._views else plan.view.name
            self._views[key] = ViewRun(plan, project, clock)
        streams = {plan.source.source.name: plan.source for plan in plans}
        self._sources = {n: s for n, s in streams.items() if not isinstance(s.source, UpdateSource)}
        self._offsets = dict.fromkeys(streams, 0)
        self._event_clock = dict.fromkeys(streams, -(2**63))

    def push(self, events: Iterable[Mapping[str, Any]], source: str | StreamSource | None = None) -> None:
        """Events in arrival order, as dicts of the source's columns: one flush.

        Timestamps are datetimes, ISO text or integer microseconds. What a worker would refuse is in
        `dead_letters`. `source` is needed where the views have several.
        """
        plan = self._source(source)
        name = plan.source.name
        given = [dict(event) for event in events]
        records = to_frame(given, plan.columns, plan.source.nullable)
        base = self._offsets[name]
        self._offsets[name] += len(given)
        topic = plan.source.topics[0] if isinstance(plan.source, StreamSource) else name
        frame = records.frame.with_columns(
            pl.lit(topic).alias("_topic"),
            pl.lit(PARTITION, dtype=pl.Int32).alias("_partition"),
            (pl.col("_row") + base).alias("_offset"),
            pl.lit(self.now, dtype=pl.Int64).alias("_timestamp"),
        )
        accepted = plan.accept(frame, clock=self.clock)
        self._seen(name, accepted)
        dead: dict[tuple[int, str], str] = {(row, "decode"): detail for row, detail in records.refused}
        dead |= {(row, reason): detail for row, reason, detail in accepted.dead}
        views = self._readers(name)
        null_keys = set(accepted.frame["_row"].to_list()) if views else set()
        for view in views:
            projected = view.plan.project(accepted.frame)
            dead |= {(row, reason): detail for row, reason, detail in projected.dead}
            null_keys &= set(projected.null_keys)
            view.keep(projected.rows)
            self._step(view, projected.rows)
        dead |= {(row, "null_key"): "every view's entity key is null" for row in null_keys}
        self._bury(
            [(row, reason, detail) for (row, reason), detail in dead.items()], given, name, topic, base
        )

    def advance(self, duration: str | timedelta) -> None:
        """Move `now` on; what falls or expires until then has fallen or expired."""
        self.now += parse_duration(duration)
        for view in self._views.values():
            self._fire(view)

    def republish(self) -> None:
        """Write every live entity to the online store again."""
        for view in self._views.values():
            view.step(None, {PARTITION: again(view.entities())}, {PARTITION: self._clock(view)}, self.now)

    def online(self, entity: Mapping[str, Any], view: str | FeatureView | None = None) -> dict[str, object]:
        """The features of an entity as Python values, None for null; over no events if it is not there."""
        chosen = self._view(view)
        keys = chosen.plan.view.entity.keys
        if set(entity) != set(keys):
            raise UsageError(
                f"the entity {chosen.plan.view.entity.name}: expected the keys {', '.join(keys)}, "
                f"got {', '.join(map(str, entity)) or 'none'}"
            )
        return chosen.store.read(python_entity_key([entity[k] for k in keys], list(keys.values())))

    def redis(self) -> dict[str, dict[str, str]]:
        """Every hash that Redis would hold, by its key: the exact text of each field."""
        out: dict[str, dict[str, str]] = {}
        for view in self._views.values():
            out |= view.store.redis()
        return out

    def offline(self, view: str | FeatureView | None = None) -> pl.DataFrame:
        """The features of every entity ever seen, as of now, recomputed from the events pushed.

        One row an entity, ordered by key: its keys, a typed column a feature, ``_as_of`` (microseconds).
        """
        chosen = self._view(view)
        keys = chosen.plan.view.entity.keys
        asked = chosen.seen(self.now, self._clock(chosen))
        values = chosen.point_in_time(asked)
        texts = [parse_entity_key(key, list(keys.values())) for key in asked["_key"].to_list()]
        columns = [
            pl.Series(name, [t[i] for t in texts], dtype=t.polars) for i, (name, t) in enumerate(keys.items())
        ]
        frame = pl.DataFrame([*columns, *values.get_columns(), asked["_at"].alias("_as_of")])
        return frame.sort(list(keys))

    def training_set(
        self,
        spine: Any,
        features: Sequence[str | FeatureRef | FeatureView | FeatureService] | FeatureService | None = None,
        *,
        timestamp: str = "timestamp",
        strict: bool = False,
    ) -> pl.DataFrame:
        """The spine with the features as of each row's own timestamp, in its order, by the events pushed.

        `spine` is a Polars, pandas or pyarrow frame or a list of dicts, with the entities' keys and a column
        `timestamp`. `features` are ``"view:feature"``, ``"view"``, views, features of them or services (None:
        all). A feature's column has its name, or ``view:feature`` where that is taken. `strict` leaves out
        events at the very instant.
        """
        frame = spine_frame(spine, timestamp)
        plans = {name: v.plan for name, v in self._views.items()}
        taken = set(frame.columns)
        out = frame
        for name, wanted in features_of(features, plans).items():
            view = self._views[name]
            values = view.point_in_time(view.asked(frame, timestamp), strict=strict)
            for feature in wanted:
                column = feature if feature not in taken else f"{name}:{feature}"
                taken.add(column)
                out = out.with_columns(values[feature].alias(column))
        return out

    def _clock(self, view: ViewRun) -> int:
        if isinstance(self.clock, int):
            return self.clock
        return self.now if self.clock == "wall" else self._event_clock[view.plan.source.source.name]

    def _step(self, view: ViewRun, rows: pl.DataFrame) -> None:
        clocks = {PARTITION: self._clock(view)}
        self._publish(view, view.step(rows, {}, clocks, self.now))
        self._fire(view)

    def _fire(self, view: ViewRun) -> None:
        while (due := view.due(self._clock(view))) is not None:
            clocks = {PARTITION: self._clock(view)}
            self._publish(view, view.step(None, {PARTITION: due}, clocks, self.now))

    def _publish(self, view: ViewRun, online: pl.DataFrame) -> None:
        """A flush's updates of a view, as the events of those that are derived from it."""
        name = view.plan.id
        readers = self._readers(name)
        if not readers or online.is_empty():
            return
        base = self._offsets[name]
        self._offsets[name] += len(online)
        frame = updates(view.plan, online, base).with_columns(
            pl.lit(PARTITION, dtype=pl.Int32).alias("_partition"),
            pl.lit(self.now, dtype=pl.Int64).alias("_timestamp"),
            pl.int_range(pl.len(), dtype=pl.Int64).alias("_row"),
            pl.int_range(base, base + pl.len(), dtype=pl.Int64).alias("_offset"),
        )
        accepted = readers[0].plan.source.accept(frame, clock=self.clock)
        self._seen(name, accepted)
        for reader in readers:
            rows = reader.plan.project(accepted.frame).rows
            reader.keep(rows)
            self._step(reader, rows)

    def _readers(self, source: str) -> list[ViewRun]:
        return [v for v in self._views.values() if v.plan.source.source.name == source]

    def _seen(self, source: str, accepted: Accepted) -> None:
        newest = accepted.max_event_time.get(PARTITION, -(2**63))
        self._event_clock[source] = max(self._event_clock[source], newest)

    def _bury(
        self, dead: list[Dead], given: list[dict[str, Any]], source: str, topic: str, base: int
    ) -> None:
        for row, reason, detail in sorted(dead):
            self.dead_letters.append(
                {
                    "reason": reason,
                    "detail": detail,
                    "value": given[row],
                    "source": source,
                    "topic": topic,
                    "partition": PARTITION,
                    "offset": base + row,
                    "at": format_instant(self.now),
                }
            )

    def _source(self, source: str | StreamSource | None) -> SourcePlan:
        name = source.name if isinstance(source, StreamSource) else source
        if name is None:
            if len(self._sources) > 1:
                raise UsageError(
                    f"the views have several sources: say source=, one of {', '.join(self._sources)}"
                )
            return next(iter(self._sources.values()))
        if name not in self._sources:
            hint = did_you_mean(name, self._sources) or f"There is {', '.join(self._sources)}."
            raise UsageError(f"no view under test reads the source `{name}`. {hint}")
        return self._sources[name]

    def _view(self, view: str | FeatureView | None) -> ViewRun:
        name = view.id if isinstance(view, FeatureView) else view
        if name is None:
            if len(self._asked) > 1:
                raise UsageError(f"there are several views: say view=, one of {', '.join(self._views)}")
            name = self._asked[0]
        found = self._views.get(name) or next((v for v in self._views.values() if v.plan.id == name), None)
        if found is None:
            hint = did_you_mean(name, self._views) or f"There is {', '.join(self._views)}."
            raise UsageError(f"no view `{name}` under test. {hint}")
        return found


def run(
    views: FeatureView | Sequence[FeatureView],
    *,
    now: str | datetime | None = None,
    project: str = "shop",
    clock: str | datetime = "wall",
) -> Run:
    """Run one view, or several, in memory.

    `now` is where the clock stands (the time of the call if not given; it moves by `advance` alone); `project`
    the first part of Redis keys; `clock` the setting ``engine.clock``: "wall" (that is `now`), "event", or a
    fixed instant. Raises DefinitionError for a view that cannot be planned.
    """
    several = [views] if isinstance(views, FeatureView) else list(views)
    if not several:
        raise UsageError("run() takes a view, or a list of views")
    at = time.time_ns() // 1000 if now is None else parse_instant(now)
    if clock == "wall" or clock == "event":
        return Run(several, at, project, "wall" if clock == "wall" else "event")
    return Run(several, at, project, parse_instant(clock))


def _with_upstream(views: Sequence[FeatureView]) -> list[FeatureView]:
    """The views and those that they are derived from, each once, upstream first."""
    found = {v.id: v for view in views for v in (view, *chain_of(view))}
    return sorted(found.values(), key=lambda v: len(chain_of(v)))
