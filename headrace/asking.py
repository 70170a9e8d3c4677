"""What a read of a store asks for, and what is told of it: names and keys as people have them.

Owns what an entity reads as that was never seen. Reads nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from headrace.definitions import FeatureView
from headrace.errors import UsageError, did_you_mean
from headrace.online.keys import python_entity_key
from headrace.online.read import OnlineRow
from headrace.project import Project
from headrace.types import DataType

Key = object
"""An entity: a mapping of its keys, a tuple or list in key order, or the value alone where it has one key."""


@dataclass(frozen=True)
class OnlineFeatures:
    """One entity's values as they are read now.

    `status` is ``"found"``, or ``"missing"`` for an entity that is not in the store: its values are then those
    over no events. Instants are microseconds: of the newest event applied, of the values, of the write; the offline
    store knows that of the values alone.
    """

    entity: Mapping[str, object]
    values: Mapping[str, object]
    status: Literal["found", "missing"]
    event_time: int | None = None
    as_of: int | None = None
    written_at: int | None = None


@dataclass(frozen=True)
class Asked:
    """What a read asks for, resolved."""

    view: FeatureView
    entities: list[dict[str, object]]
    texts: list[str]
    types: Mapping[str, DataType]

    def told(self, rows: Sequence[OnlineRow | None], project: Project) -> list[OnlineFeatures]:
        """What was found, in the order of the keys."""
        return [
            OnlineFeatures(entity, self._unseen(project), "missing")
            if row is None
            else OnlineFeatures(
                entity,
                {n: row.values[n] for n in self.types},
                "found",
                row.event_time,
                row.as_of,
                row.written_at,
            )
            for entity, row in zip(self.entities, rows, strict=True)
        ]

    def _unseen(self, project: Project) -> dict[str, object]:
        """The values over no events."""
        computed = {f.name: f for f in project.plan(self.view).computed}
        return {name: computed[name].over_no_events().to_list()[0] for name in self.types}


def asked(
    project: Project, view: str | FeatureView, keys: Sequence[Key], features: Sequence[str] | None, store: str
) -> Asked:
    """What a read asks for; a text is one feature. UsageError for a view, feature, key or store that is not there."""
    if isinstance(keys, str | bytes | Mapping):
        raise UsageError(f"keys are a list, one for each entity: write [{keys!r}]")
    if isinstance(features, str):
        features = [features]
    if store not in ("online", "offline"):
        raise UsageError(f"no store `{store}` to read from: use store='online' or store='offline'")
    found = project.view(view if isinstance(view, str) else view.id)
    if not getattr(found, store):
        raise UsageError(f"view `{found.id}` is not {store} ({store}=False)")
    types = project.plan(found).feature_types
    for name in features or ():
        if name not in types:
            hint = did_you_mean(name, types) or f"Its features are {', '.join(types)}."
            raise UsageError(f"view `{found.id}` has no feature `{name}`. {hint}")
    wanted = types if features is None else {name: types[name] for name in features}
    entities = [entity_of(found, key) for key in keys]
    key_types = list(found.entity.keys.values())
    texts = [python_entity_key(list(e.values()), key_types) for e in entities]
    return Asked(found, entities, texts, wanted)


def entity_of(view: FeatureView, key: Key) -> dict[str, object]:
    """The entity's keys by name, in key order. UsageError if they are not the view's."""
    names = list(view.entity.keys)
    if isinstance(key, Mapping):
        if set(key) != set(names):
            told = ", ".join(map(str, key)) or "none"
            raise UsageError(f"the entity `{view.entity.name}` has the keys {', '.join(names)}, got {told}")
        return {name: key[name] for name in names}
    values = list(key) if isinstance(key, tuple | list) else [key]
    if len(values) != len(names):
        raise UsageError(
            f"the entity `{view.entity.name}` has {len(names)} keys ({', '.join(names)}), got {len(values)}"
        )
    return dict(zip(names, values, strict=True))


def with_keys(row: OnlineFeatures) -> dict[str, object]:
    """One entity's keys, values and metadata in one mapping."""
    return {
        **row.entity,
        **row.values,
        "_status": row.status,
        "_event_time": row.event_time,
        "_as_of": row.as_of,
        "_written_at": row.written_at,
    }
