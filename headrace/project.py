"""`Project`: everything that a config folder declares, by name, checked and planned."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from headrace.definitions import (
    BatchSource,
    Entity,
    FeatureService,
    FeatureView,
    OnDemandView,
    StreamSource,
)
from headrace.errors import UsageError, did_you_mean
from headrace.functions import Function

if TYPE_CHECKING:
    from headrace.plan import ViewPlan

T = TypeVar("T")


class Views(Mapping[str, FeatureView]):
    """Feature views by name, and by ``name@version``.

    A bare name is its newest version (numbers as numbers, labels as texts). Iteration gives each view once:
    the newest version of a name under the bare name, an older one as ``name@version``.
    """

    def __init__(self, views: list[FeatureView]) -> None:
        self._by_key: dict[str, FeatureView] = {}
        self._by_id = {v.id: v for v in views}
        newest: dict[str, FeatureView] = {}
        for view in sorted(views, key=lambda v: version_order(v.version)):
            newest[view.name] = view
        for view in views:
            self._by_key[view.name if newest[view.name] is view else view.id] = view

    def __getitem__(self, name: str) -> FeatureView:
        return self._by_id[name] if name in self._by_id else self._by_key[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_key)

    def __len__(self) -> int:
        return len(self._by_key)

    def versions(self, name: str) -> list[FeatureView]:
        """Every version of a name, oldest first."""
        found = [v for v in self._by_id.values() if v.name == name]
        return sorted(found, key=lambda v: version_order(v.version))

    def __repr__(self) -> str:
        return f"Views({list(self._by_id)})"


def version_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key of version labels: runs of digits as numbers, the rest as text without regard to case."""
    parts = re.findall(r"\d+|\D+", version.lower())
    return tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts)


@dataclass(frozen=True)
class Project:
    """A config folder's definitions, by name. `plans` holds the compiled view of every id (``name@version``)."""

    root: Path
    entities: Mapping[str, Entity] = field(default_factory=dict)
    sources: Mapping[str, StreamSource | BatchSource] = field(default_factory=dict)
    views: Views = field(default_factory=lambda: Views([]))
    services: Mapping[str, FeatureService] = field(default_factory=dict)
    on_demand: Mapping[str, OnDemandView] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)
    plans: Mapping[str, ViewPlan] = field(default_factory=dict, repr=False)

    def view(self, name: str, version: str | int | None = None) -> FeatureView:
        """A view by ``name``, ``name@version``, or name and version. UsageError, with the nearest, if none."""
        wanted = name if version is None else f"{name}@{version}"
        found = self.views.get(wanted)
        if found is not None:
            return found
        versions = self.views.versions(wanted.split("@")[0])
        if versions:
            told = ", ".join(v.version for v in versions)
            raise UsageError(
                f"view `{versions[0].name}` has no version `{wanted.split('@')[-1]}`, only {told}"
            )
        raise missing("view", wanted, self.views)

    @property
    def published(self) -> frozenset[str]:
        """The ids of views whose updates go to Kafka: those that say so, and those that an online view is derived
        from."""
        views = self.views.values()
        said = {v.id for v in views if v.publish}
        return frozenset(
            said | {v.source.id for v in views if v.online and isinstance(v.source, FeatureView)}
        )

    def plan(self, view: FeatureView | str) -> ViewPlan:
        """The compiled view."""
        return self.plans[(self.view(view) if isinstance(view, str) else view).id]

    def source(self, name: str) -> StreamSource | BatchSource:
        """A source by name. UsageError, with the nearest, if there is none."""
        return _of("source", name, self.sources)

    def entity(self, name: str) -> Entity:
        """An entity by name. UsageError, with the nearest, if there is none."""
        return _of("entity", name, self.entities)

    def service(self, name: str) -> FeatureService:
        """A service by name. UsageError, with the nearest, if there is none."""
        return _of("service", name, self.services)


def _of(kind: str, name: str, known: Mapping[str, T]) -> T:
    if name in known:
        return known[name]
    raise missing(kind, name, known)


def missing(kind: str, name: str, known: Mapping[str, object]) -> UsageError:
    """There is no such thing; the nearest name, or all of them."""
    plural = {"entity": "entities"}.get(kind, kind + "s")
    there = f"The {plural} are {', '.join(known)}." if known else f"There are no {plural} yet."
    return UsageError(f"no {kind} `{name}`. {did_you_mean(name, known) or there}")
