"""Publishing: a view's updates to its topic, in the transaction of the flush that made them.

The topic has the partitions of what the view is computed from, and an entity's updates keep to its own: so they are in
order, and a reader of committed records sees each flush's exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl

from agents.stages import ViewStage
from headrace.avro import AvroSchema
from headrace.errors import StateError
from headrace.panes import REPUBLISH
from headrace.plan import ViewPlan
from headrace.publishing import encoded_updates, update_schema
from tables.kafka.outputs import Records

Register = Callable[[str, AvroSchema], int]
"""(subject, schema) -> the schema's id."""


@dataclass(frozen=True)
class Publisher:
    """How one view's updates are written. `schema_id` is None where there is no registry: values are bare then."""

    plan: ViewPlan
    topic: str
    schema: AvroSchema
    schema_id: int | None

    def records(self, online: pl.DataFrame, version: int) -> Records:
        """The update of each emitted row, under its entity's text."""
        values = encoded_updates(self.plan, self.schema, online, version, self.schema_id)
        return Records(online["_key"].cast(pl.String).cast(pl.Binary).to_list(), values)


def changed(online: pl.DataFrame, keys: pl.Series, fired: pl.DataFrame | None) -> pl.DataFrame:
    """Of the emitted rows those of entities that had events (`keys`) or a timer (of `due`, `key`; None: nobody had):
    what is only written to the online store again is no update."""
    if fired is None or (fired["due"] != REPUBLISH).all():
        return online
    moved = fired.filter(pl.col("due") != REPUBLISH)["key"].cast(pl.String)
    return online.filter(pl.col("_key").is_in(pl.concat([keys.cast(pl.String), moved]).implode()))


def publishers(views: Iterable[ViewStage], project: str, register: Register | None) -> dict[str, Publisher]:
    """By view id, those of the views that publish; their schemas are registered under ``{topic}-value``.

    Raises StateError if two versions of a view would publish bare values: nobody could tell these apart.
    """
    out: dict[str, Publisher] = {}
    taken: dict[str, str] = {}
    for view in views:
        if view.updates is None:
            continue
        topic, schema = view.updates, update_schema(view.plan, project)
        other = taken.setdefault(topic, view.id)
        if other != view.id and register is None:
            raise StateError(
                f"{other} and {view.id} publish on one topic, `{topic}`, whose values cannot be told apart without "
                "a schema registry. Set registry.url, or publish=False on one of them"
            )
        id = None if register is None else register(f"{topic}-value", schema)
        out[view.id] = Publisher(view.plan, topic, schema, id)
    return out
