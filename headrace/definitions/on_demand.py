"""`OnDemandView`: features computed when they are asked for, from views' values and the request's own."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.declaring import Definition, Mistakes, place_of
from headrace.definitions import rules
from headrace.definitions.batch_source import RequestSource
from headrace.definitions.feature_view import FeatureView
from headrace.errors import did_you_mean


@dataclass(frozen=True, init=False, eq=False, repr=False)
class OnDemandView(Definition):
    """Row expressions over the features of `inputs`, with one meaning at query time and in training sets."""

    inputs: tuple[FeatureView | RequestSource, ...]
    features: Mapping[str, str]

    def __init__(
        self,
        name: str,
        *,
        inputs: Sequence[FeatureView | RequestSource],
        features: Mapping[str, str],
        description: str = "",
        owner: str = "",
        tags: Mapping[str, str] = {},
    ) -> None:
        m = self._mistakes
        self._set(name=rules.name(name, m, what="a view's name"), inputs=_inputs(inputs, m))
        if not isinstance(features, Mapping) or not features:
            m.add("features is a mapping", field="features", expected="SQL by name", got=repr(features))
            features = {}
        rules.unique(features, m, field="features", what="features")
        for feature, text in features.items():
            rules.column_name(feature, m, field=f"features.{feature}", what="a feature's name")
            rules.expression(text, m, field=f"features.{feature}")
        self._set(features=dict(features), **rules.words(description, owner, tags, m))

    @property
    def views(self) -> tuple[FeatureView, ...]:
        """The feature views among the inputs."""
        return tuple(i for i in self.inputs if isinstance(i, FeatureView))

    def __getitem__(self, feature: str) -> OnDemandRef:
        """The feature of that name, for a service or a training set. DefinitionError if there is none."""
        if not self.broken and feature not in self.features:
            mistakes = Mistakes(f"OnDemandView {self.name}", place_of(sys._getframe(1)))
            mistakes.add(
                f"no feature `{feature}`",
                expected=f"one of {', '.join(self.features)}",
                hint=did_you_mean(str(feature), self.features),
            )
            mistakes.settle()
        return OnDemandRef(self, feature)

    __iter__ = None


@dataclass(frozen=True)
class OnDemandRef:
    """One feature of one on-demand view."""

    view: OnDemandView
    feature: str

    def __str__(self) -> str:
        return f"{self.view.name}:{self.feature}"


def _inputs(inputs: object, mistakes: Mistakes) -> tuple[FeatureView | RequestSource, ...]:
    if isinstance(inputs, str) or not isinstance(inputs, Sequence) or not inputs:
        mistakes.add(
            "inputs is a list",
            field="inputs",
            expected="views and at most one RequestSource, such as inputs=[spend, hr.RequestSource({...})]",
            got=repr(inputs),
        )
        return ()
    for given in inputs:
        if not isinstance(given, FeatureView | RequestSource):
            mistakes.add(
                "an input is of the wrong kind",
                field="inputs",
                expected="an hr.FeatureView or hr.RequestSource",
                got=repr(given),
                hint="Give the object itself, not its name." if isinstance(given, str) else None,
            )
    kept = tuple(i for i in inputs if isinstance(i, FeatureView | RequestSource))
    met: dict[str, str] = {}
    for given in kept:
        names = given.features if isinstance(given, FeatureView) else given.columns
        for name in names or ():
            other = met.setdefault(name.lower(), given.name)
            if other != given.name:
                mistakes.add(
                    f"two inputs have `{name}`",
                    field="inputs",
                    expected="names that differ, so that an expression means one of them",
                    got=f"`{other}` and `{given.name}`",
                )
    return kept
