"""A view's plan: everything that its definition says, resolved, type-checked and ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from headrace.avro import AvroSchema
from headrace.definitions import BatchSource, FeatureView, StreamSource
from headrace.definitions.feature_view import fits
from headrace.definitions.update_source import UpdateSource, update_source
from headrace.errors import ProjectError, did_you_mean
from headrace.functions import Function
from headrace.panes.duplicates import EVENT_ID
from headrace.panes.features import Feature
from headrace.panes.levels import Level
from headrace.panes.progress import RECORDED
from headrace.plan.compiling import Mistakes, compile_rows
from headrace.plan.features import compile_features
from headrace.plan.fingerprint import fingerprint_of
from headrace.plan.project import Projection
from headrace.plan.rows import Projected
from headrace.plan.source import SourcePlan
from headrace.types import DataType
from headrace.windows import Window


@dataclass(frozen=True)
class ViewPlan:
    """A compiled view.

    `feature_types` in the view's order; `inputs` are the columns of projected rows, with their types;
    `windows` are those of each feature (two for a ratio) with their steps; `levels` and `computed` are what
    its panes are made and read by. `shuffled`: rows must go to the partition of their entity before they
    are counted. `fingerprint` changes if and only if values may change.
    """

    view: FeatureView
    source: SourcePlan
    feature_types: dict[str, DataType]
    inputs: dict[str, DataType]
    windows: dict[str, tuple[Window, ...]]
    levels: tuple[Level, ...]
    computed: tuple[Feature, ...]
    projection: Projection
    shuffled: bool
    deterministic: bool
    fingerprint: str

    @property
    def id(self) -> str:
        """``name@version``."""
        return self.view.id

    @property
    def ttl(self) -> int | None:
        """Microseconds from an entity's newest event to its end, or None."""
        return self.view.ttl

    @property
    def lateness(self) -> int:
        """The source's allowed lateness, in microseconds."""
        return getattr(self.source.source, "lateness", 0)

    @property
    def dedup(self) -> int | None:
        """For how long after an event (microseconds of record timestamps) another of its id is a copy, or None."""
        return getattr(self.source.source, "dedup", None)

    def project(self, frame: pl.DataFrame) -> Projected:
        """The view's rows of its source's accepted frame: columns, where, transform, key and inputs."""
        return self.projection.run(frame)

    @property
    def over_no_events(self) -> pl.DataFrame:
        """What an entity never seen reads as: one row, a typed column a feature."""
        return pl.DataFrame([f.over_no_events() for f in self.computed])

    @property
    def row_schema(self) -> dict[str, pl.DataType]:
        """The Polars schema of projected rows."""
        meta = {
            "_partition": pl.Int32(),
            "_key": pl.String(),
            "_event_time": pl.Int64(),
            "_order": pl.Int64(),
        }
        if self.dedup is not None or any(level.gap for level in self.levels):
            meta[RECORDED] = pl.Int64()
        if self.dedup is not None:
            meta[EVENT_ID] = pl.String()
        return {**meta, **{k: t.polars for k, t in self.inputs.items()}}


def plan_view(view: FeatureView, *, functions: Mapping[str, Function] | None = None) -> ViewPlan:
    """Compile a view. `functions` are the Python functions that its expressions may call (None: those known
    when it was declared).

    Raises DefinitionError for a mistake, ProjectError for several: all mistakes of the view, each with its
    field.
    """
    mistakes = Mistakes(view)
    known = view.functions if functions is None else functions
    source = source_of(view)
    rows = compile_rows(view, source, known, mistakes)
    if not rows.source and mistakes.found:
        raise mistakes.found[0]
    lateness = getattr(source, "lateness", 0)
    features = compile_features(view, rows.schema, lateness, known, mistakes)
    for key, wanted in view.entity.keys.items():
        if key not in rows.schema:
            mistakes.add(
                f"{view.entity.name}'s key `{key}` is no column of {source.name}",
                "entity",
                expected=f"one of {', '.join(rows.schema)}",
                hint=did_you_mean(key, rows.schema) or f"Make it with columns={{'{key}': '...'}}.",
            )
        elif not fits(rows.schema[key], wanted):
            where = f"in {source.name}" if key in rows.source and key not in view.columns else "here"
            mistakes.add(
                f"{view.entity.name}'s key `{key}` has another type {where}",
                f"columns.{key}" if key in view.columns else "entity",
                expected=str(wanted),
                got=str(rows.schema[key]),
                hint=f"Cast it, or declare the key as {rows.schema[key]}.",
            )
    if mistakes.found:
        raise mistakes.found[0] if len(mistakes.found) == 1 else ProjectError(mistakes.found)
    projection = Projection(
        columns=rows.columns,
        where=rows.where,
        transform=view.transform,
        before=rows.before,
        schema=rows.schema,
        keys=view.entity.keys,
        inputs=features.exprs,
        recorded=any(level.gap for level in features.levels),
        event_id=_event_id(source),
    )
    expressions = [e for _, e in rows.columns] + ([rows.where] if rows.where else [])
    return ViewPlan(
        view=view,
        source=SourcePlan(source),
        feature_types={f.name: f.type for f in features.features},
        inputs=features.inputs,
        windows=features.windows,
        levels=features.levels,
        computed=tuple(features.features),
        projection=projection,
        shuffled=is_shuffled(view, source),
        deterministic=features.deterministic and all(e.deterministic for e in expressions),
        fingerprint=fingerprint_of(view),
    )


def source_of(view: FeatureView) -> StreamSource | BatchSource:
    """What the view reads: its source, or the updates of the view that it is derived from.

    Errors of `plan_view` if that view has mistakes.
    """
    if not isinstance(view.source, FeatureView):
        return view.source
    return updates_of(plan_view(view.source))


def updates_of(
    plan: ViewPlan, *, topic: str | None = None, avro: AvroSchema | None = None, framing: str = "none"
) -> UpdateSource:
    """The updates of a view as a source; `topic`, schema and framing where they are to be consumed.

    An update goes to the partition that computed it: the topic is keyed as the view's source is or, behind a
    shuffle, by the whole entity, which is a column if it has but one key.
    """
    view, source = plan.view, plan.source.source
    keys = list(view.entity.keys)
    alone = keys[0] if len(keys) == 1 else None
    return update_source(
        view,
        plan.feature_types,
        key=alone if plan.shuffled else getattr(source, "key", None),
        lateness=plan.lateness,
        topic=topic,
        avro=avro,
        framing=framing,
    )


def _event_id(source: StreamSource | BatchSource) -> tuple[str, DataType] | None:
    if not isinstance(source, StreamSource) or source.event_id is None:
        return None
    return source.event_id, source.columns[source.event_id]


def is_shuffled(view: FeatureView, source: StreamSource | BatchSource) -> bool:
    """Whether the view's entities are not where its events are read: its keys lack the topic's key column,
    which must reach them as it is, or the source has no key or several topics."""
    if not isinstance(source, StreamSource):
        return False
    if source.key is None or len(source.topics) > 1 or source.key not in view.entity.keys:
        return True
    return source.key in view.columns or (view.transform is not None and source.key in view.transform.adds)
