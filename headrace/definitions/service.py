"""`FeatureService`: what one model reads, of several views in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from headrace.declaring import Definition, Mistakes
from headrace.definitions import rules
from headrace.definitions.feature_view import FeatureRef, FeatureView
from headrace.definitions.on_demand import OnDemandRef, OnDemandView

Wanted: TypeAlias = FeatureView | FeatureRef | OnDemandView | OnDemandRef


@dataclass(frozen=True, init=False, eq=False, repr=False)
class FeatureService(Definition):
    """Features of several views under one name, in order; a whole view stands for all of its features."""

    features: tuple[Wanted, ...]

    def __init__(
        self,
        name: str,
        features: Sequence[Wanted],
        *,
        description: str = "",
        owner: str = "",
        tags: Mapping[str, str] = {},
    ) -> None:
        m = self._mistakes
        self._set(name=rules.name(name, m, what="a service's name"), features=_features(features, m))
        self._set(**rules.words(description, owner, tags, m))

    @property
    def refs(self) -> tuple[FeatureRef | OnDemandRef, ...]:
        """Every single feature, views spelt out."""
        found: list[FeatureRef | OnDemandRef] = []
        for wanted in self.features:
            if isinstance(wanted, FeatureRef | OnDemandRef):
                found.append(wanted)
            else:
                found.extend(wanted[f] for f in wanted.features or ())
        return tuple(found)


def _features(features: object, mistakes: Mistakes) -> tuple[Wanted, ...]:
    if isinstance(features, str) or not isinstance(features, Sequence) or not features:
        mistakes.add(
            "features is a list",
            field="features",
            expected="views and features of views, such as features=[spend['spend_48h'], other]",
            got=repr(features),
        )
        return ()
    kept: list[Wanted] = []
    met: set[str] = set()
    for given in features:
        if not isinstance(given, FeatureView | FeatureRef | OnDemandView | OnDemandRef):
            mistakes.add(
                "a service is made of views and their features",
                field="features",
                expected="a view, or a feature such as spend['spend_48h']",
                got=repr(given),
                hint="Give the object itself, not its name." if isinstance(given, str) else None,
            )
            continue
        kept.append(given)
        view, names = (
            (given.view, (given.feature,))
            if isinstance(given, FeatureRef | OnDemandRef)
            else (given, tuple(given.features or ()))
        )
        for name in names:
            key = f"{view.name}:{name}"
            if key in met:
                mistakes.add(
                    "a feature is named twice", field="features", expected="each feature once", got=f"`{key}`"
                )
            met.add(key)
    return tuple(kept)
