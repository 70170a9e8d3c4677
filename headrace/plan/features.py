"""Compiling a view's features: which inputs, slots, levels and results they need. Collects every mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from headrace.aggregates.declare import UNSET, Aggregate
from headrace.aggregates.extent import Extent
from headrace.aggregates.functions import compile_function
from headrace.definitions import FeatureView
from headrace.durations import format_duration
from headrace.expressions import can_cast, cast_expression
from headrace.functions import Function
from headrace.panes.features import Feature, Part
from headrace.panes.levels import Level, Slot, run_of
from headrace.plan.compiling import Mistakes, compiled, condition
from headrace.types import Bool, DataType, Float64, Int8, Int16, Int32, List, Null, Timestamp, is_numeric
from headrace.windows import Window, step_of

EXTENT = Extent(Timestamp)
"""The first slot of every session: from when to when it reaches."""


@dataclass
class _Level:
    slots: list[Slot] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)


@dataclass
class FeaturePlan:
    """What the features of a view came to.

    `inputs` are the columns of projected rows with their making; `levels` and `features` are what panes are
    made and read by; `windows` are each feature's, with their steps.
    """

    schema: Mapping[str, DataType]
    lateness: int
    inputs: dict[str, DataType] = field(default_factory=dict)
    exprs: dict[str, pl.Expr] = field(default_factory=dict)
    deterministic: bool = True
    features: list[Feature] = field(default_factory=list)
    windows: dict[str, tuple[Window, ...]] = field(default_factory=dict)
    _levels: dict[tuple[int, int, int], _Level] = field(default_factory=dict)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels, in the order that features first need them."""
        out = []
        for (step, offset, gap), level in self._levels.items():
            run = run_of(level.windows, step, self.lateness)
            slots, windows = tuple(level.slots), tuple(level.windows)
            out.append(Level(step, offset, slots, windows, self.lateness, run, gap))
        return tuple(out)

    def place(self, window: Window, slots: list[Slot]) -> tuple[int, int, tuple[int, ...]]:
        """The numbers of the window's level, of the window in it, and of the slots in it."""
        key = (step_of(window), window.offset, window.gap or 0)
        level = self._levels.setdefault(key, _Level([Slot(EXTENT, None)] if window.gap else []))
        for slot in slots:
            if slot not in level.slots:
                level.slots.append(slot)
        if window not in level.windows:
            level.windows.append(window)
        numbers = tuple(level.slots.index(s) for s in slots)
        return list(self._levels).index(key), level.windows.index(window), numbers


def compile_features(
    view: FeatureView,
    schema: Mapping[str, DataType],
    lateness: int,
    functions: Mapping[str, Function],
    mistakes: Mistakes,
) -> FeaturePlan:
    """The plan of the view's features over rows of `schema`, whose source allows that `lateness` (microseconds)."""
    plan = FeaturePlan(schema, lateness)
    for name, aggregate in view.features.items():
        where = f"features.{name}"
        before = len(mistakes.found)
        parts = [_part(view, plan, a, functions, where, mistakes) for a in aggregate.parts or (aggregate,)]
        if len(mistakes.found) > before or any(p is None for p in parts):
            continue
        made = tuple(p for p, _ in (x for x in parts if x is not None))
        plan.windows[name] = tuple(w for _, w in (x for x in parts if x is not None))
        feature = _feature(name, aggregate, made, where, mistakes)
        if feature is not None:
            plan.features.append(feature)
    return plan


def _part(
    view: FeatureView,
    plan: FeaturePlan,
    aggregate: Aggregate,
    functions: Mapping[str, Function],
    where: str,
    mistakes: Mistakes,
) -> tuple[Part, Window] | None:
    window = aggregate.over
    assert window is not None
    if window.size is not None:
        step = step_of(window, view.granularity)
        window = replace(window, step=step, offset=window.offset % step)
    made = _input(plan, aggregate, functions, where, mistakes)
    if made is None:
        return None
    column, type = made
    options = dict(aggregate.options)
    if aggregate.function == "decayed_sum":
        try:
            options["step"] = decay_step(int(str(options["half_life"])), view.granularity)
        except ValueError:
            mistakes.add(
                "decayed_sum() moves in the steps of a rolling window of 24 half-lives, and none fits",
                where,
                expected="a half-life such as '30s', '1h' or '7d'"
                if view.granularity is None
                else f"24 half-lives to be a multiple of the granularity {format_duration(view.granularity)}",
                got=format_duration(int(str(options["half_life"]))),
            )
            return None
    try:
        computed = compile_function(aggregate.function, type, options)
    except TypeError as error:
        expected, got = error.args
        message = f"{aggregate.function}() cannot take this expression"
        mistakes.add(message, where, expected=expected, got=f"{got} of `{aggregate.expr}`")
        return None
    except NotImplementedError:
        mistakes.add(f"{aggregate.function}() is not supported yet", where, got=str(aggregate))
        return None
    slots = [Slot(a, column) for a in computed.algebras]
    level, number, places = plan.place(window, slots)
    part = Part(
        level, number, places, computed, aggregate.function, tuple(options.items()), column, type, window
    )
    return part, window


def decay_step(half_life: int, granularity: int | None) -> int:
    """By how much the instant moves that a sum is decayed as of, in microseconds. ValueError for none."""
    return step_of(Window("rolling", 24 * half_life), granularity)


def _input(
    plan: FeaturePlan,
    aggregate: Aggregate,
    functions: Mapping[str, Function],
    where: str,
    mistakes: Mistakes,
) -> tuple[str | None, DataType] | None:
    """The name and type of the column that the aggregate is over (None: rows), added to the plan's inputs."""
    only = None
    if aggregate.where is not None:
        only = condition(aggregate.where, plan.schema, functions, where, mistakes)
        if only is None:
            return None
    if aggregate.expr is None:
        if aggregate.function != "count":
            mistakes.add(f"{aggregate.function}() needs an expression", where, expected="a SQL expression")
            return None
        if only is None:
            return None, Bool
        expr: pl.Expr = pl.when(only.polars).then(pl.lit(True))
        type: DataType = Bool
        text = "*"
    else:
        value = compiled(aggregate.expr, plan.schema, functions, where, mistakes)
        if value is None:
            return None
        if value.type == Null:
            hint = "Give it a type, such as `cast(null as int)`."
            mistakes.add("the expression is always null", where, got=f"`{aggregate.expr}`", hint=hint)
            return None
        plan.deterministic &= value.deterministic
        expr, type, text = value.polars, value.type, " ".join(aggregate.expr.split())
        if aggregate.function == "count_if":
            if type != Bool:
                return None, type  # refused by its function
            expr, text = pl.when(expr).then(pl.lit(True)), f"true: {text}"
        if only is not None:
            expr = pl.when(only.polars).then(expr)
    if only is not None:
        plan.deterministic &= only.deterministic
        text = f"{text} where {' '.join((aggregate.where or '').split())}"
    plan.inputs[text] = type
    plan.exprs[text] = expr.cast(type.polars)
    return text, type


def _feature(
    name: str, aggregate: Aggregate, parts: tuple[Part, ...], where: str, mistakes: Mistakes
) -> Feature | None:
    if aggregate.function == "ratio":
        for part, given in zip(parts, aggregate.parts, strict=True):
            if not is_numeric(part.compiled.type):
                mistakes.add(
                    "ratio() divides numbers",
                    where,
                    expected="numbers",
                    got=f"{part.compiled.type} of {given}",
                )
                return None
        inferred: DataType = Float64
    else:
        inferred = parts[0].compiled.type
    stated = aggregate.type or (Int32 if inferred in (Int8, Int16) else inferred)
    cast = None
    if stated != inferred:
        if not can_cast(inferred, stated):
            mistakes.add(
                "Spark does not cast one to the other", where, expected=str(stated), got=str(inferred)
            )
            return None
        cast = cast_expression(pl.col("v"), inferred, stated)
    default = None
    if aggregate.default is not UNSET and aggregate.default is not None:
        try:
            if isinstance(stated, List) and not isinstance(aggregate.default, list | tuple):
                raise TypeError("no list")  # Polars would make one of it
            default = pl.Series([aggregate.default], dtype=stated.polars, strict=True)
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
            mistakes.add(
                "the default is not of the feature's type",
                where,
                expected=str(stated),
                got=repr(aggregate.default),
                hint="Give a default of that type, or state another with type=.",
            )
            return None
    elif aggregate.default is None:
        default = pl.Series([None], dtype=stated.polars)
    return Feature(name, stated, inferred, parts, default, cast)
