"""`FeatureView`: a versioned group of features of one entity, from one source.

Owns what can be judged from the declaration alone: names, kinds of values, windows, the entity's keys. What
the expressions mean is judged by whoever asked to hear of declared views (`when_declared`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from headrace.aggregates.declare import Aggregate
from headrace.declaring import Definition, Mistakes, current_scope, place_of
from headrace.definitions import rules
from headrace.definitions.arguments import backfill_of, columns_of, features_of, transform_of
from headrace.definitions.batch_source import BatchSource
from headrace.definitions.entity import Entity
from headrace.definitions.functions import Function, known_functions
from headrace.definitions.stream_source import StreamSource
from headrace.definitions.transforms import Transform
from headrace.durations import SECOND, format_duration
from headrace.errors import did_you_mean
from headrace.types import INTEGERS, DataType
from headrace.windows import step_of


@dataclass(frozen=True)
class FeatureRef:
    """One feature of one view, as services and training sets name it."""

    view: FeatureView
    feature: str

    def __str__(self) -> str:
        return f"{self.view.id}:{self.feature}"


@dataclass(frozen=True, init=False, eq=False, repr=False)
class FeatureView(Definition):
    """A versioned group of features. Durations are microseconds; `features` holds aggregates alone.

    `functions` are the Python functions that its expressions may call: those that were known when it was
    declared, or all of the folder that was loaded.
    """

    version: str
    entity: Entity
    source: Source
    where: str | None
    columns: Mapping[str, str]
    transform: Transform | None
    granularity: int | None
    features: Mapping[str, Aggregate]
    ttl: int | None
    online: bool
    offline: bool
    publish: bool
    refresh: int | None
    materialize: int | None
    backfill: str | None
    max_age: int | None
    functions: Mapping[str, Function]

    def __init__(
        self,
        name: str,
        *,
        entity: Entity,
        source: Source,
        features: Mapping[str, str | Aggregate],
        version: str | int = 1,
        where: str | None = None,
        columns: Mapping[str, str] = {},
        transform: Transform | None = None,
        granularity: str | timedelta | None = None,
        ttl: str | timedelta | None = None,
        online: bool = True,
        offline: bool = True,
        publish: bool = False,
        refresh: str | timedelta | None = None,
        materialize: str | timedelta | None = None,
        backfill: str | None = None,
        max_age: str | timedelta | None = None,
        description: str = "",
        owner: str = "",
        tags: Mapping[str, str] = {},
    ) -> None:
        m = self._mistakes
        self._set(name=rules.name(name, m, what="a view's name"), version=rules.label(version, m))
        self._set(entity=_a(entity, (Entity,), "entity", "an hr.Entity", m))
        kinds = (StreamSource, BatchSource, FeatureView)
        self._set(
            source=_a(source, kinds, "source", "an hr.StreamSource, hr.BatchSource or hr.FeatureView", m)
        )
        self._set(where=None if where is None else rules.expression(where, m, field="where"))
        self._set(columns=columns_of(columns, m), transform=transform_of(transform, m))
        for field, given in (
            ("granularity", granularity),
            ("ttl", ttl),
            ("refresh", refresh),
            ("materialize", materialize),
            ("max_age", max_age),
        ):
            self._set(**{field: rules.optional_duration(given, m, field=field)})
        for field, switch in (("online", online), ("offline", offline), ("publish", publish)):
            self._set(**{field: rules.flag(switch, m, field=field)})
        if refresh is not None and isinstance(source, StreamSource | FeatureView):
            m.add(
                "refresh is for views on a batch source",
                field="refresh",
                expected="None, since a stream keeps its views fresh by itself",
                got=repr(refresh),
            )
        _check_materialize(self, m)
        if isinstance(source, BatchSource):
            _check_batch(self, backfill, m)
        if backfill is not None and isinstance(source, FeatureView):
            m.add(
                "a derived view has no history to be filled from",
                field="backfill",
                expected="None, since history keeps events, not the updates of views",
                got=repr(backfill),
                hint="It begins with the oldest update that its topic has.",
            )
        self._set(functions=known_functions())
        self._set(backfill=backfill_of(backfill, m), features=features_of(features, m))
        self._set(**rules.words(description, owner, tags, m))
        _check_windows(self, m)
        _check_chain(self, m)
        check_keys(self, m)
        if not m.found and not m.known and current_scope() is None:
            for check in _listeners:
                check(self, m)

    @property
    def id(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    def __getitem__(self, feature: str) -> FeatureRef:
        """The feature of that name, for a service or a training set. DefinitionError if there is none."""
        if not self.broken and feature not in self.features:
            mistakes = Mistakes(f"FeatureView {self.name}", place_of(sys._getframe(1)))
            mistakes.add(
                f"no feature `{feature}`",
                expected=f"one of {', '.join(self.features)}",
                hint=did_you_mean(str(feature), self.features),
            )
            mistakes.settle()
        return FeatureRef(self, feature)

    def __iter__(self) -> None:  # __getitem__ alone would make it look iterable
        raise TypeError("a FeatureView is not iterable; its features are in .features")

    def __repr__(self) -> str:
        return f"FeatureView({self.id!r})"


Source: TypeAlias = StreamSource | BatchSource | FeatureView

_listeners: list[Callable[[FeatureView, Mistakes], object]] = []


def when_declared(check: Callable[[FeatureView, Mistakes], object]) -> None:
    """Have every view that is declared outside a load judged by `check`, which adds to its mistakes."""
    if check not in _listeners:
        _listeners.append(check)


def _a(value: object, kinds: tuple[type, ...], field: str, expected: str, mistakes: Mistakes) -> object:
    if not isinstance(value, kinds):
        hint = "Give the object itself, not its name." if isinstance(value, str) else None
        if isinstance(value, FeatureRef):
            hint = f"Give the whole view; its features are columns, `{value.feature}` among them."
        got = f"the feature {value}" if isinstance(value, FeatureRef) else repr(value)
        mistakes.add(f"{field} is of the wrong kind", field=field, expected=expected, got=got, hint=hint)
        return None
    return value


def _check_windows(view: FeatureView, mistakes: Mistakes) -> None:
    """Every window has a step that divides it, and a view's granularity fits its rolling windows."""
    for name, aggregate in view.features.items():
        for part in aggregate.parts or (aggregate,):
            if part.over is None or part.over.kind in ("lifetime", "session"):
                continue
            try:
                step_of(part.over, view.granularity)
            except ValueError as error:
                place = aggregate.place if aggregate.place.file else None
                mistakes.wrong(error, field=f"features.{name}", place=place)


def _check_batch(view: FeatureView, backfill: object, mistakes: Mistakes) -> None:
    """A view on files is refreshed whole: it has no past to be filled with, and no updates to tell."""
    if backfill is not None:
        mistakes.add(
            "a view on a batch source needs no backfill",
            field="backfill",
            expected="None, since each refresh reads all of its files",
            got=repr(backfill),
        )
    if view.publish is True:
        mistakes.add(
            "a view on a batch source publishes no updates",
            field="publish",
            expected="False, since a refresh writes every entity and not what changed",
            got="True",
        )
    if view.refresh is not None and view.refresh < SECOND:
        mistakes.add(
            "refresh is too short",
            field="refresh",
            expected="at least 1s, and longer than reading the files takes",
            got=format_duration(view.refresh),
        )


def _check_materialize(view: FeatureView, mistakes: Mistakes) -> None:
    """What is written at each step is the offline values of a view that history can compute."""
    if view.materialize is None:
        return
    given = format_duration(view.materialize)
    if not isinstance(view.source, StreamSource):
        batch = isinstance(view.source, BatchSource)
        expected = (
            "None, since each refresh= writes them"
            if batch
            else "None, since history keeps events, not the updates of views"
        )
        mistakes.add(
            "materialize is for views on a stream", field="materialize", expected=expected, got=given
        )
    elif not view.offline:
        mistakes.add(
            "materialize writes the offline store",
            field="materialize",
            expected="offline=True",
            got="offline=False",
        )
    elif 0 < view.materialize < SECOND:
        mistakes.add("materialize is too short", field="materialize", expected="at least 1s", got=given)


def chain_of(view: FeatureView) -> tuple[FeatureView, ...]:
    """The views that a derived view stands on, from its own source down; none for a view on a source."""
    found = []
    source = view.source
    while isinstance(source, FeatureView):
        found.append(source)
        source = source.source
    return tuple(found)


def _check_chain(view: FeatureView, mistakes: Mistakes) -> None:
    """A derived view stands on online views of other names, and at last on a stream."""
    chain = chain_of(view)
    told = " on ".join(v.id for v in (view, *chain))
    for below in chain:
        if below.name.lower() == view.name.lower():
            mistakes.add(
                f"a cycle: {view.name} would read its own updates",
                field="source",
                expected="views of other names all the way down",
                got=told,
                hint="All versions of a view publish on one topic: give this view a name of its own.",
            )
            return
    if not chain or chain[0].broken or chain[-1].broken:
        return
    if isinstance(chain[-1].source, BatchSource):
        mistakes.add(
            "a view on files publishes no updates",
            field="source",
            expected="a view on a stream",
            got=f"{told} on the batch source {chain[-1].source.name}",
        )
    elif not chain[0].online:
        mistakes.add(
            f"{chain[0].name} is not kept online, so it publishes no updates",
            field="source",
            expected="a view with online=True",
            got=f"{chain[0].id} with online=False",
        )


def check_keys(view: FeatureView, mistakes: Mistakes) -> None:
    """The entity's keys are columns of the rows, with types that fit; no feature takes a key's name."""
    entity, source = view.entity, view.source
    if entity is None or entity.broken or source is None or source.broken:
        return
    keys = {k.lower(): k for k in entity.keys}
    for name in view.features:
        if name.lower() in keys:
            mistakes.add(
                f"a feature has the name of {entity.name}'s key",
                field=f"features.{name}",
                hint="Training sets hold both: choose another name for the feature.",
            )
    known = row_columns(source)
    if known is None:
        return
    made = {**dict.fromkeys(view.columns), **(view.transform.adds if view.transform else {})}
    drops = view.transform.drops if view.transform else ()
    there = {**known, **made}
    for column in drops:
        if column not in there:
            mistakes.add(
                f"transform drops `{column}`, which is not there",
                field="transform.drops",
                expected=f"some of {', '.join(there)}",
                hint=did_you_mean(column, there),
            )
    for key, wanted in entity.keys.items():
        if key in drops:
            mistakes.add(
                f"transform drops `{key}`, a key of {entity.name}",
                field="transform.drops",
                expected="the keys to be left in the frame",
                got=f"`{key}`",
            )
        elif key not in there:
            mistakes.add(
                f"{entity.name}'s key `{key}` is no column of {source.name}",
                field="entity",
                expected=f"one of {', '.join(there)}",
                hint=did_you_mean(key, there) or f"Make it with columns={{'{key}': '...'}}.",
            )
        elif key not in made and key in always_null(source):
            mistakes.add(
                f"{entity.name}'s key `{key}` is always null by the schema of {source.name}",
                field="entity",
                expected=f"a column with values of type {wanted}",
                got="null",
                hint=f"No event would have an entity: make the key with columns={{'{key}': '...'}}, or choose another.",
            )
        elif (got := there[key]) is not None and not fits(got, wanted):
            mistakes.add(
                f"{entity.name}'s key `{key}` has another type in {source.name}",
                field="entity",
                expected=str(wanted),
                got=str(got),
            )


def always_null(source: Source) -> frozenset[str]:
    """The columns of a stream that its schema allows nothing but null."""
    resolved = source.resolved if isinstance(source, StreamSource) else None
    return frozenset() if resolved is None else resolved.always_null


def fits(got: DataType, wanted: DataType) -> bool:
    """Whether values of type `got` are keys of type `wanted` without loss."""
    return got == wanted or (
        got in INTEGERS and wanted in INTEGERS and INTEGERS.index(got) <= INTEGERS.index(wanted)
    )


def row_columns(source: Source) -> Mapping[str, DataType] | None:
    """The columns of a source's rows, or None where only a registry or another view's plan knows them."""
    if isinstance(source, FeatureView) or (isinstance(source, StreamSource) and not source.is_resolved):
        return None
    return source.columns
