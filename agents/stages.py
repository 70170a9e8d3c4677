"""What is consumed, and what is made of it: a stage per source, and one per view that is shuffled.

Derived from the project's definitions alone; knows topics and plans, holds no state and no connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.definitions import FeatureView, StreamSource
from headrace.loading import Project
from headrace.panes import ViewCore
from headrace.plan import SourcePlan, ViewPlan, plan_source, plan_view
from headrace.wire import SourceDecoder
from headrace.registry import SchemaRegistry


@dataclass(frozen=True)
class SourceStage:
    """A source's topics, its decoder, the views computed where they are read and those that are shuffled."""

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
    """A view, its core, and the names of its topics."""

    plan: ViewPlan
    core: ViewCore
    changelog: str
    repartition: str | None

    @property
    def id(self) -> str:
        return self.plan.id

    @property
    def view(self) -> FeatureView:
        return self.plan.view

    def sent(self, topic: str) -> str:
        """The changelog of the sending side: what of `topic` has gone to the repartition topic."""
        return f"{self.repartition}.sent.{topic}"


def changelog_topic(project: str, view: FeatureView) -> str:
    return f"headrace.{project}.changelog.{view.name}.{view.version}"


def repartition_topic(project: str, view: FeatureView) -> str:
    return f"headrace.{project}.repartition.{view.name}.{view.version}"


def dead_letter_topic(project: str) -> str:
    return f"headrace.{project}.dead-letters"


def source_stages(
    project: Project, name: str, *, clock: str | int, registry: SchemaRegistry | None
) -> tuple[SourceStage, ...]:
    """One stage for each stream source that has at least one online view, in the sources' order."""
    stages = []
    for source in project.sources.values():
        if not isinstance(source, StreamSource):
            continue
        views = [v for v in project.views.values() if v.source is source and v.online]
        if views:
            stages.append(_stage(source, views, name, clock, registry))
    return tuple(stages)


def _stage(
    source: StreamSource,
    views: Sequence[FeatureView],
    name: str,
    clock: str | int,
    registry: SchemaRegistry | None,
) -> SourceStage:
    made = [_view_stage(view, name, clock) for view in views]
    return SourceStage(
        source,
        plan_source(source),
        decoder_of(source, registry),
        tuple(v for v in made if v.repartition is None),
        tuple(v for v in made if v.repartition is not None),
    )


def _view_stage(view: FeatureView, name: str, clock: str | int) -> ViewStage:
    plan = plan_view(view)
    return ViewStage(
        plan,
        ViewCore(plan, clock=clock),
        changelog_topic(name, view),
        repartition_topic(name, view) if plan.shuffled else None,
    )


def decoder_of(source: StreamSource, registry: SchemaRegistry | None) -> SourceDecoder:
    """The decoder of a source's topics, in its declared format and framing."""
    return SourceDecoder(
        source.columns,
        format=source.format,
        framing=source.framing,
        schema=source.avro_schema if source.format == "avro" else source.columns,
        resolve=None if registry is None else registry.schema,
    )
