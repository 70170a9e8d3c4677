"""Training sets: the rows of a spine with features as of each row's own instant.

Owns the order: names resolved, each source read once for all of its views, each view computed, on-demand views last.
Refuses to know where events are: `open_events` does.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from headrace.aggregates.partials import Ints
from headrace.definitions import FeatureView, OnDemandView
from headrace.errors import UsageError
from headrace.heap import kept
from headrace.offline.among import any_of
from headrace.offline.metadata import TrainingSet, metadata_of
from headrace.offline.sources import Events, Source
from headrace.offline.spill import Scattered
from headrace.offline.spine import entity_keys, instants, spine_frame, timestamp_column
from headrace.offline.view_values import ViewValues, bounds
from headrace.offline.wanted import Column, Features, columns_of
from headrace.plan import ViewPlan
from headrace.plan.on_demand import OnDemandPlan, plan_on_demand
from headrace.project import Project

Known = Literal["happened", "ingested"]
Progress = Callable[[str, int, int], object]
"""What is being done, how much of it is done, and how much there is."""

PARTITION_ROWS = 1_000_000
"""Events of a partition: some 200 bytes each while it is computed. Half as many cost a tenth more, in calls."""


@dataclass(frozen=True)
class Options:
    """How a training set is made; see `headrace.client.FeatureStore.training_set`."""

    timestamp: str | None = None
    strict: bool = False
    known: Known = "happened"
    threads: int | None = None
    folder: Path | None = None
    partition_rows: int = PARTITION_ROWS
    progress: Progress = lambda what, done, of: None


def training_set(
    project: Project,
    spine: Any,
    features: Features,
    open_events: Callable[[Source], Events],
    options: Options = Options(),
) -> TrainingSet:
    """The spine, its columns and rows as they are, and a column for each feature; see the store's method."""
    if options.known not in ("happened", "ingested"):
        raise UsageError(f"known is 'happened' or 'ingested', not {options.known!r}")
    frame = spine_frame(spine)
    columns = columns_of(features, project, frame.columns)
    on_demand = _on_demand(project, columns)
    views = _needed(project, columns, on_demand.values())
    times = [project.plan(v).source.source.timestamp for v in views]
    timestamp = timestamp_column(frame, options.timestamp, times)
    at, notes = instants(frame, timestamp)

    by_source: dict[str, list[str]] = {}
    for view in views:
        by_source.setdefault(project.view(view).source.name, []).append(view)
    opened = {name: open_events(project.plan(ids[0]).source.source) for name, ids in by_source.items()}
    values: dict[str, pl.DataFrame] = {}
    for name, ids in by_source.items():
        with kept(), ExitStack() as stack:
            jobs = []
            for view in ids:
                plan = project.plan(view)
                keys = entity_keys(frame, plan.view.entity)
                job = ViewValues(
                    plan,
                    views[view],
                    keys,
                    at,
                    strict=options.strict,
                    known=options.known,
                    partition_rows=options.partition_rows,
                    expected=_expected(opened[name], plan, views[view], at),
                    folder=options.folder,
                )
                jobs.append(stack.enter_context(job))
            _gather(
                opened[name], jobs, 1 if _pythonic(project, jobs) else _threads(options), options.progress
            )
            for job in jobs:
                values[job.plan.id] = _computed(job, options)
    computed = _evaluated(on_demand, values, frame, project)
    made = [
        (values[c.view.id] if isinstance(c.view, FeatureView) else computed[c.view.name])[c.feature].alias(
            c.name
        )
        for c in columns
    ]
    told = metadata_of(
        project, columns, views, opened, timestamp, options.strict, options.known, notes, len(frame)
    )
    return TrainingSet.of(frame.with_columns(made), told)


def _on_demand(project: Project, columns: Iterable[Column]) -> dict[str, OnDemandPlan]:
    types = {v.id: project.plan(v).feature_types for v in project.views.values()}
    found: dict[str, OnDemandPlan] = {}
    for column in columns:
        view = column.view
        if isinstance(view, OnDemandView) and view.name not in found:
            found[view.name] = plan_on_demand(view, types, project.functions)
    return found


def _needed(
    project: Project, columns: Sequence[Column], plans: Iterable[OnDemandPlan]
) -> dict[str, list[str]]:
    """The features of each view that have to be computed, by the view's id."""
    needed: dict[str, list[str]] = {}
    for column in columns:
        if isinstance(column.view, FeatureView):
            needed.setdefault(column.view.id, []).append(column.feature)
    for plan in plans:
        for view in plan.view.views:
            wanted = [f for f in project.plan(view.id).feature_types if f in plan.needs]
            if wanted:
                needed.setdefault(view.id, []).extend(wanted)
    return needed


def _expected(events: Events, plan: ViewPlan, features: list[str], at: Ints) -> int:
    return events.expected(*bounds(plan, [f for f in plan.computed if f.name in set(features)], at))


def _gather(events: Events, jobs: list[ViewValues], threads: int, progress: Progress) -> None:
    """One pass over a source's events for all of its views: `threads` batches at once, taken in in their order."""
    first, last = min(j.first for j in jobs), max(j.last for j in jobs)
    source = jobs[0].plan.source
    needs = {n for job in jobs for n in job.needs}
    total, done = events.expected(first, last), 0
    among = any_of([job.among for job in jobs])
    recorded, ordered = any(job.recorded for job in jobs), any(job.ordered for job in jobs)
    waiting: deque[tuple[int, Future[list[Scattered]]]] = deque()

    def scattered(batch: pl.DataFrame) -> list[Scattered]:
        accepted = source.kept(batch, ordered=ordered)
        return [job.scattered(accepted) for job in jobs]

    def take() -> None:
        nonlocal done
        n, made = waiting.popleft()
        for job, part in zip(jobs, made.result(), strict=True):
            job.keep(part)
        done += n
        progress(f"reading {source.source.name}", done, max(total, done))

    with ThreadPoolExecutor(threads) as pool:
        for batch in events.batches(needs, first, last, among, recorded=recorded, ordered=ordered):
            if len(waiting) > threads:
                take()
            waiting.append((len(batch), pool.submit(scattered, batch)))
        while waiting:
            take()


def _pythonic(project: Project, jobs: Iterable[ViewValues]) -> bool:
    """Whether rows go through functions of the project's own, which were never asked to bear several threads."""
    return bool(project.functions) or any(job.plan.view.transform is not None for job in jobs)


def _threads(options: Options) -> int:
    return options.threads or os.cpu_count() or 1


def _computed(job: ViewValues, options: Options) -> pl.DataFrame:
    done = 0
    total = job.partitions

    def tick() -> None:
        nonlocal done
        done += 1
        options.progress(f"computing {job.plan.id}", done, total)

    return job.values(_threads(options), tick)


def _evaluated(
    plans: Mapping[str, OnDemandPlan],
    values: Mapping[str, pl.DataFrame],
    frame: pl.DataFrame,
    project: Project,
) -> dict[str, pl.DataFrame]:
    """The on-demand views' features, of the computed features, the entities' keys and the spine's own columns."""
    out = {}
    for name, plan in plans.items():
        given: list[pl.Series] = []
        for view in plan.view.views:
            if view.id in values:
                given += [values[view.id][f] for f in values[view.id].columns if f in plan.needs]
            if set(view.entity.keys) & plan.needs:
                given += [s for s in entity_keys(frame, view.entity) if s.name not in {g.name for g in given}]
        request = [n for n in plan.request if n in plan.needs]
        missing = [n for n in request if n not in frame.columns]
        if missing:
            raise UsageError(
                f"the spine has no column `{missing[0]}`, which a request brings to the on-demand view {name}: add it"
            )
        given += [frame[n].cast(plan.request[n].polars) for n in request]
        out[name] = plan.evaluate(pl.DataFrame(given) if given else frame.select([]).with_row_index("_n"))
    return out
