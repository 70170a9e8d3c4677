"""What is consumed, and what is made of it: a stage per source, and one per view that is shuffled.

Derived from the project's definitions alone; knows topics and plans, holds no state and no connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headrace.avro import AvroSchema
from headrace.definitions import FeatureView, StreamSource
from headrace.errors import UsageError
from headrace.panes import ViewCore
from headrace.panes.core import Clock
from headrace.plan import SourcePlan, ViewPlan
from headrace.plan.view import updates_of
from headrace.project import Project
from headrace.publishing import update_schema
from headrace.topics import changelog_topic, repartition_topic, update_topic
from headrace.wire import SourceDecoder

MAX_RECORD_BYTES = 8 << 20
"""A larger event is a dead letter (`too_large`): it would not fit the topics that carry it on."""

Resolve = Callable[[int], AvroSchema]


@dataclass(frozen=True)
class SourceStage:
    """A source's topics, its decoder, the views computed where they are read and those that are shuffled.

    The source of derived views is the published updates of the view that they are derived from.
    """

    source: StreamSource
    plan: SourcePlan
    decoder: SourceDecoder
    local: tuple[ViewStage, ...]
    shuffled: tuple[ViewStage, ...]

    @property
    def views(self) -> tuple[ViewStage, ...]:
        return self.local + self.shuffled


@dataclass(frozen=True)
class ViewStage:
    """A view, its core, and the names of its topics; `updates` is None for one that does not publish."""

    plan: ViewPlan
    core: ViewCore
    changelog: str
    repartition: str | None
    updates: str | None = None

    @property
    def id(self) -> str:
        return self.plan.id

    @property
    def view(self) -> FeatureView:
        return self.plan.view

    def sent(self, topic: str) -> str:
        """The changelog of the sending side: what of `topic` has gone to the repartition topic."""
        return f"{self.repartition}.sent.{topic}"


def source_stages(
    project: Project, name: str, *, clock: Clock, resolve: Resolve | None
) -> tuple[SourceStage, ...]:
    """One stage for each stream source that has at least one online view, in the sources' order, then one for each
    view that others are derived from, upstream first.

    `name` is the project's, in topics and keys; `resolve` gives a writer's schema by its registry id.
    """
    online = [p for p in project.plans.values() if p.view.online]
    published = project.published

    def stage(source: StreamSource, plans: list[ViewPlan]) -> SourceStage:
        made = [_view_stage(plan, name, clock, publishes=plan.id in published) for plan in plans]
        local = tuple(v for v in made if v.repartition is None)
        shuffled = tuple(v for v in made if v.repartition is not None)
        return SourceStage(source, SourcePlan(source), decoder_of(source, resolve), local, shuffled)

    stages = []
    for source in project.sources.values():
        plans = [p for p in online if p.view.source is source]
        if isinstance(source, StreamSource) and plans:
            stages.append(stage(source, plans))
    for plan in project.plans.values():
        derived = [
            p for p in online if isinstance(p.view.source, FeatureView) and p.view.source.id == plan.id
        ]
        if derived:
            updates = updates_of(
                plan,
                topic=update_topic(name, plan.view.name),
                avro=update_schema(plan, name),
                framing="none" if resolve is None else "registry",
            )
            stages.append(stage(updates, derived))
    return tuple(stages)


def stages_of(project: Project, name: str, view_id: str, *, clock: Clock) -> tuple[SourceStage, ViewStage]:
    """The stages of one view, for who looks at its state beside the workers and decodes nothing: of a writer's schema
    nothing is known here. UsageError if workers keep no state of it.
    """
    for stage in source_stages(project, name, clock=clock, resolve=_unknown):
        for view in stage.views:
            if view.id == view_id:
                return stage, view
    raise UsageError(f"`{view_id}` is not kept online by workers: it has no state")


def _unknown(schema_id: int) -> AvroSchema:
    raise UsageError(f"schema id {schema_id}: nothing is decoded here")


def _view_stage(plan: ViewPlan, name: str, clock: Clock, *, publishes: bool) -> ViewStage:
    return ViewStage(
        plan,
        ViewCore(plan, clock=clock),
        changelog_topic(name, plan.view.name, plan.view.version),
        repartition_topic(name, plan.view.name, plan.view.version) if plan.shuffled else None,
        update_topic(name, plan.view.name) if publishes else None,
    )


def decoder_of(source: StreamSource, resolve: Resolve | None) -> SourceDecoder:
    """The decoder of a source's topics, in its declared format and framing."""
    return SourceDecoder(
        source.columns if source.avro_schema is None else source.avro_schema,
        format="json" if source.format == "json" else "avro",
        framing="registry" if source.framing == "registry" else "none",
        resolve=resolve,
        max_record_bytes=MAX_RECORD_BYTES,
    )
