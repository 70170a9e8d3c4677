"""Arrays: building, searching, cutting, set operations. Nulls inside are elements; Spark's -1 for size(null)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from headrace.expressions.access import element
from headrace.expressions.coercion import Kind, implicit, tightest, wider
from headrace.expressions.columns import per_value
from headrace.expressions.operators.comparison import ordering
from headrace.expressions.ragged import map_lookup
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined
from headrace.types import FLOATS, Bool, DataType, Int32, Int64, List, Map, Null, String, Struct

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

GROUP = "collection"


def item_type(v: Value) -> DataType:
    assert isinstance(v.type, List)
    return v.type.item


def _item(args: Sequence[Value]) -> DataType:
    return item_type(args[0])


def same(args: Sequence[Value]) -> DataType:
    return args[0].type


def is_plain(t: DataType) -> bool:
    """Whether Polars' own equality and order of elements are Spark's."""
    return t not in FLOATS and not isinstance(t, (List, Struct, Map))


@operation("array", group=GROUP, params=(Kind.ANY,), arity=(0, None), raw=True, result="array")
def array(binder: Binder, *values: Value) -> Value:
    if not values:
        return combined(List(Null), pl.lit(pl.Series([[]], dtype=pl.List(pl.Null))).first(), ())
    t, found = binder.to_common(values, "the elements of `array`")
    return combined(List(t), pl.concat_list([v.expr for v in _wrapped(found)]), found)


def _wrapped(values: list[Value]) -> list[Value]:
    """Elements that are arrays themselves, each in an array of one, since concat_list would join them."""
    if not isinstance(values[0].type, (List, Map)):
        return values
    return [Value(List(v.type), _one(v), v.columns) for v in values]


def _one(v: Value) -> pl.Expr:
    return per_value(lambda x: [x], v.expr, returns=List(v.type), nulls=True)


@operation(
    "size", "cardinality", group=GROUP, params=((Kind.ARRAY, Kind.MAP),), returns=Int32, notes="-1 for null"
)
def size(x: Value) -> pl.Expr:
    return x.expr.list.len().cast(pl.Int32).fill_null(-1)


@operation("array_size", group=GROUP, params=(Kind.ARRAY,), returns=Int32)
def array_size(x: Value) -> pl.Expr:
    return x.expr.list.len().cast(pl.Int32)


def with_element(binder: Binder, name: str, x: Value, y: Value, *, nulls: bool = True) -> tuple[Value, Value]:
    """An array and a value in one element type."""
    if not isinstance(x.type, List):
        raise binder.mismatch(f"`{name}` takes an array, got {x.type.spark}")
    t = tightest(x.type.item, y.type)
    t = t if t is not None else wider(x.type.item, y.type, promote_strings=False)
    if t is None or (y.type == Null and not nulls):
        raise binder.mismatch(
            f"`{name}` takes an array and a value of its type, got {x.type.spark} and {y.type.spark}"
        )
    return binder.cast(x, List(t)), binder.cast(y, t)


@operation(
    "array_contains",
    group=GROUP,
    params=(Kind.ARRAY, Kind.ANY),
    raw=True,
    result="boolean",
    notes="null where absent and an element is null",
)
def array_contains(binder: Binder, x: Value, y: Value) -> Value:
    x, y = with_element(binder, "array_contains", x, y, nulls=False)
    if not is_plain(y.type) or y.constant is None:
        return combined(Bool, per_value(_contains, x.expr, y.expr, returns=Bool), (x, y))
    if y.known is None:
        return combined(Bool, pl.lit(None, dtype=pl.Boolean), (x, y))
    there = x.expr.list.contains(y.expr)
    holes = x.expr.list.eval(pl.element().is_null()).list.any()
    expr = pl.when(there).then(True).when(x.expr.is_not_null() & ~holes).then(False)
    return combined(Bool, expr.otherwise(pl.lit(None, dtype=pl.Boolean)), (x, y))


def _contains(xs: list[Any], y: Any) -> bool | None:
    if any(x is not None and ordering(x, y) == 0 for x in xs):
        return True
    return None if None in xs else False


@operation(
    "array_position",
    group=GROUP,
    params=(Kind.ARRAY, Kind.ANY),
    raw=True,
    result="bigint",
    notes="0 where absent",
)
def array_position(binder: Binder, x: Value, y: Value) -> Value:
    x, y = with_element(binder, "array_position", x, y)

    def find(xs: list[Any], wanted: Any) -> int:
        return next((i for i, v in enumerate(xs, 1) if v is not None and ordering(v, wanted) == 0), 0)

    return combined(Int64, per_value(find, x.expr, y.expr, returns=Int64), (x, y))


@operation(
    "element_at",
    "try_element_at",
    group=GROUP,
    params=((Kind.ARRAY, Kind.MAP), Kind.ANY),
    raw=True,
    result="element type",
)
def element_at(binder: Binder, x: Value, key: Value) -> Value:
    """Array: 1 is the first, -1 the last. Map: the value of the key."""
    if isinstance(x.type, Map):
        t = tightest(x.type.key, key.type)
        if t != x.type.key:
            raise binder.mismatch(f"the key of this map must be {x.type.key.spark}, got {key.type.spark}")
        return combined(x.type.value, map_lookup(x, binder.cast(key, t)), (x, key))
    if not isinstance(x.type, List) or tightest(key.type, Int32) != Int32:
        raise binder.mismatch(
            f"`element_at` takes an array and an int, or a map and a key, got {x.type.spark} and {key.type.spark}"
        )
    if key.known == 0 and key.constant is not None:
        raise binder.mismatch("`element_at` counts from 1, or from -1 at the end; there is no element 0")
    at = key.expr.cast(pl.Int64)
    count = x.expr.list.len().cast(pl.Int64)
    index = pl.when(at > 0).then(at - 1).when(at < 0).then(count + at).otherwise(None)
    return combined(x.type.item, element(x.expr, index), (x, key))


@operation(
    "get",
    group=GROUP,
    params=(Kind.ARRAY, Int32),
    returns=_item,
    result="element type",
    notes="counts from 0",
)
def get(x: Value, index: Value) -> pl.Expr:
    return element(x.expr, index.expr.cast(pl.Int64))


@operation(
    "sort_array",
    group=GROUP,
    params=(Kind.ARRAY, Bool),
    optional=1,
    returns=same,
    result="as its argument",
    notes="nulls first when ascending",
)
def sort_array(x: Value, ascending: Value | None = None) -> pl.Expr:
    plain = is_plain(item_type(x)) and (ascending is None or ascending.known is not None)
    if plain:
        down = ascending is not None and not ascending.known
        return x.expr.list.sort(descending=down, nulls_last=down)
    key = functools.cmp_to_key(ordering)
    order = pl.lit(True) if ascending is None else ascending.expr
    return per_value(lambda xs, up: sorted(xs, key=key, reverse=not up), x.expr, order, returns=x.type)


@operation(
    "array_max", group=GROUP, params=(Kind.ARRAY,), returns=_item, result="element type", notes="skips nulls"
)
def array_max(x: Value) -> pl.Expr:
    return _extreme(x, largest=True)


@operation(
    "array_min", group=GROUP, params=(Kind.ARRAY,), returns=_item, result="element type", notes="skips nulls"
)
def array_min(x: Value) -> pl.Expr:
    return _extreme(x, largest=False)


def _extreme(x: Value, *, largest: bool) -> pl.Expr:
    if is_plain(item_type(x)) and item_type(x) != String:
        return x.expr.list.max() if largest else x.expr.list.min()
    if item_type(x) == String:
        there = x.expr.list.drop_nulls().list.sort(descending=largest)
        return there.list.first()
    key = functools.cmp_to_key(ordering)
    pick = max if largest else min

    def run(xs: list[Any]) -> Any:
        known = [v for v in xs if v is not None]
        return pick(known, key=key) if known else None

    return per_value(run, x.expr, returns=item_type(x))


@operation("array_distinct", group=GROUP, params=(Kind.ARRAY,), returns=same, result="as its argument")
def array_distinct(x: Value) -> pl.Expr:
    if is_plain(item_type(x)):
        return x.expr.list.unique(maintain_order=True)
    return per_value(_first_of_each, x.expr, returns=x.type)


def _key(v: Any) -> Any:
    if isinstance(v, float):
        return repr(v)  # bit by bit: 0.0 is not -0.0, NaN is NaN
    if isinstance(v, list):
        return tuple(map(_key, v))
    return tuple((k, _key(m)) for k, m in v.items()) if isinstance(v, dict) else v


def _first_of_each(xs: list[Any]) -> list[Any]:
    seen: dict[Any, Any] = {}
    for v in xs:
        seen.setdefault(_key(v), v)
    return list(seen.values())


def _two_arrays(binder: Binder, name: str, a: Value, b: Value) -> tuple[DataType, Value, Value]:
    for v in (a, b):
        if not isinstance(v.type, List) and v.type != Null:
            raise binder.mismatch(f"`{name}` takes two arrays, got {a.type.spark} and {b.type.spark}")
    t, (a, b) = binder.to_common((a, b), f"the arrays of `{name}`")
    if not isinstance(t, List):
        raise binder.mismatch(f"`{name}` takes two arrays, got nulls")
    return t, a, b


def _union(xs: list[Any], ys: list[Any]) -> list[Any]:
    return _first_of_each([*xs, *ys])


def _intersect(xs: list[Any], ys: list[Any]) -> list[Any]:
    keys = {_key(y) for y in ys}
    return [x for x in _first_of_each(xs) if _key(x) in keys]


def _except(xs: list[Any], ys: list[Any]) -> list[Any]:
    keys = {_key(y) for y in ys}
    return [x for x in _first_of_each(xs) if _key(x) not in keys]


def _set_operation(name: str, run: Any, binder: Binder, a: Value, b: Value) -> Value:
    t, a, b = _two_arrays(binder, name, a, b)
    return combined(t, per_value(run, a.expr, b.expr, returns=t), (a, b))


for _name, _run in (("array_union", _union), ("array_intersect", _intersect), ("array_except", _except)):
    operation(_name, group=GROUP, params=(Kind.ARRAY, Kind.ARRAY), raw=True, result="array", by_value=True)(
        functools.partial(_set_operation, _name, _run)
    )


@operation(
    "arrays_overlap", group=GROUP, params=(Kind.ARRAY, Kind.ARRAY), raw=True, result="boolean", by_value=True
)
def arrays_overlap(binder: Binder, a: Value, b: Value) -> Value:
    _, a, b = _two_arrays(binder, "arrays_overlap", a, b)

    def run(xs: list[Any], ys: list[Any]) -> bool | None:
        if {_key(x) for x in xs if x is not None} & {_key(y) for y in ys if y is not None}:
            return True
        return None if xs and ys and (None in xs or None in ys) else False

    return combined(Bool, per_value(run, a.expr, b.expr, returns=Bool), (a, b))


@operation(
    "array_join",
    group=GROUP,
    params=(List(String), String, String),
    optional=1,
    returns=String,
    notes="skips nulls without a third argument",
)
def array_join(x: Value, separator: Value, filler: Value | None = None) -> pl.Expr:
    if filler is None:
        return x.expr.list.join(separator.expr, ignore_nulls=True)
    if filler.known is not None:
        return x.expr.list.eval(pl.element().fill_null(filler.known)).list.join(separator.expr)
    run = lambda xs, s, f: s.join(f if v is None else v for v in xs)  # noqa: E731
    return per_value(run, x.expr, separator.expr, filler.expr, returns=String)


@operation(
    "slice",
    group=GROUP,
    params=(Kind.ARRAY, Int32, Int32),
    returns=same,
    result="as its argument",
    notes="from 1, or from -1 at the end",
)
def slice_array(x: Value, start: Value, count: Value) -> pl.Expr:
    at = start.expr.cast(pl.Int64)
    size_of = x.expr.list.len().cast(pl.Int64)
    begin = pl.when(at > 0).then(at - 1).otherwise(size_of + at)
    valid = (at != 0) & (count.expr >= 0)
    outside = (begin < 0) | (begin >= size_of)
    kept = x.expr.list.slice(
        pl.when(outside | ~valid).then(0).otherwise(begin).fill_null(0),
        pl.when(outside | ~valid).then(0).otherwise(count.expr.cast(pl.Int64)).fill_null(0),
    )
    return pl.when(valid).then(kept)


@operation("array_repeat", group=GROUP, params=(Kind.ANY, Int32), raw=True, result="array")
def array_repeat(binder: Binder, x: Value, count: Value) -> Value:
    if implicit(count.type, Int32) is None:
        raise binder.mismatch(f"`array_repeat` takes an int as its count, got {count.type.spark}")
    count = binder.cast(count, Int32)
    run = lambda v, n: None if n is None else [v] * max(n, 0)  # noqa: E731
    expr = per_value(run, x.expr, count.expr, returns=List(x.type), nulls=True)
    return combined(List(x.type), expr, (x, count))


@operation(
    "array_remove", group=GROUP, params=(Kind.ARRAY, Kind.ANY), raw=True, result="array", by_value=True
)
def array_remove(binder: Binder, x: Value, y: Value) -> Value:
    x, y = with_element(binder, "array_remove", x, y)
    run = lambda xs, w: [v for v in xs if v is None or ordering(v, w) != 0]  # noqa: E731
    return combined(x.type, per_value(run, x.expr, y.expr, returns=x.type), (x, y))


@operation(
    "array_append", group=GROUP, params=(Kind.ARRAY, Kind.ANY), raw=True, result="array", by_value=True
)
def array_append(binder: Binder, x: Value, y: Value) -> Value:
    x, y = with_element(binder, "array_append", x, y)
    run = lambda xs, v: None if xs is None else [*xs, v]  # noqa: E731
    return combined(x.type, per_value(run, x.expr, y.expr, returns=x.type, nulls=True), (x, y))


@operation(
    "array_prepend", group=GROUP, params=(Kind.ARRAY, Kind.ANY), raw=True, result="array", by_value=True
)
def array_prepend(binder: Binder, x: Value, y: Value) -> Value:
    x, y = with_element(binder, "array_prepend", x, y)
    run = lambda xs, v: None if xs is None else [v, *xs]  # noqa: E731
    return combined(x.type, per_value(run, x.expr, y.expr, returns=x.type, nulls=True), (x, y))


@operation("array_compact", group=GROUP, params=(Kind.ARRAY,), returns=same, result="as its argument")
def array_compact(x: Value) -> pl.Expr:
    return x.expr.list.drop_nulls()


@operation("flatten", group=GROUP, params=(Kind.ARRAY,), raw=True, result="array", by_value=True)
def flatten(binder: Binder, x: Value) -> Value:
    if not isinstance(x.type, List) or not isinstance(x.type.item, List):
        raise binder.mismatch(f"`flatten` takes an array of arrays, got {x.type.spark}")
    run = lambda xs: None if None in xs else [v for inner in xs for v in inner]  # noqa: E731
    return combined(x.type.item, per_value(run, x.expr, returns=x.type.item), (x,))


@operation(
    "sequence",
    group=GROUP,
    params=(Int64, Int64, Int64),
    optional=1,
    raw=True,
    result="array",
    by_value=True,
    notes="integers only",
)
def sequence(binder: Binder, start: Value, stop: Value, step: Value | None = None) -> Value:
    values = [start, stop] if step is None else [start, stop, step]
    t, found = binder.to_common(values, "the bounds of `sequence`")
    if implicit(t, Kind.INTEGRAL) is None:
        raise binder.mismatch(f"`sequence` takes integers here, got {t.spark}")

    def run(a: int, b: int, by: int | None = None) -> list[int] | None:
        by = by if by is not None else (1 if a <= b else -1)
        return None if by == 0 else list(range(a, b + (1 if by > 0 else -1), by))

    return combined(List(t), per_value(run, *(v.expr for v in found), returns=List(t)), found)
