"""Maps, carried as arrays of (key, value) pairs in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from headrace.expressions.coercion import Kind, tightest
from headrace.expressions.columns import per_value
from headrace.expressions.registry import operation
from headrace.expressions.value import Value, combined
from headrace.types import Bool, List, Map, Null, String, Struct

if TYPE_CHECKING:
    from headrace.expressions.bind import Binder

GROUP = "collection"


def map_type(v: Value) -> Map:
    assert isinstance(v.type, Map)
    return v.type


@operation(
    "map_keys",
    group=GROUP,
    params=(Kind.MAP,),
    returns=lambda a: List(map_type(a[0]).key),
    result="array of keys",
)
def map_keys(x: Value) -> pl.Expr:
    return x.expr.list.eval(pl.element().struct.field("key"))


@operation(
    "map_values",
    group=GROUP,
    params=(Kind.MAP,),
    returns=lambda a: List(map_type(a[0]).value),
    result="array of values",
)
def map_values(x: Value) -> pl.Expr:
    return x.expr.list.eval(pl.element().struct.field("value"))


def entry_type(t: Map) -> Struct:
    return Struct((("key", t.key), ("value", t.value)))


@operation(
    "map_entries",
    group=GROUP,
    params=(Kind.MAP,),
    returns=lambda a: List(entry_type(map_type(a[0]))),
    result="array of structs",
)
def map_entries(x: Value) -> pl.Expr:
    return x.expr


@operation("map_contains_key", group=GROUP, params=(Kind.MAP, Kind.ANY), raw=True, result="boolean")
def map_contains_key(binder: Binder, x: Value, key: Value) -> Value:
    if not isinstance(x.type, Map):
        raise binder.mismatch(f"`map_contains_key` takes a map, got {x.type.spark}")
    t = tightest(x.type.key, key.type)
    if t is None or key.type == Null:
        raise binder.mismatch(f"the key of this map must be {x.type.key.spark}, got {key.type.spark}")
    key = binder.cast(key, t)
    if key.constant is not None and t == x.type.key:
        keys = x.expr.list.eval(pl.element().struct.field("key"))
        return combined(Bool, keys.list.contains(key.expr), (x, key))
    wide = binder.cast(x, Map(t, x.type.value))
    run = lambda pairs, k: any(p["key"] == k for p in pairs)  # noqa: E731
    return combined(Bool, per_value(run, wide.expr, key.expr, returns=Bool), (wide, key))


def unique_last(pairs: list[tuple[Any, Any]]) -> list[dict[str, Any]] | None:
    """Pairs as a map; null where a key is null or occurs twice, which Spark refuses at run time."""
    keys = [k for k, _ in pairs]
    if None in keys or len(set(map(str, keys))) < len(keys):
        return None
    return [{"key": k, "value": v} for k, v in pairs]


@operation(
    "map",
    group=GROUP,
    params=(Kind.ANY, Kind.ANY),
    arity=(0, None),
    raw=True,
    result="map",
    notes="by value, unless keys are constants",
)
def make_map(binder: Binder, *values: Value) -> Value:
    if len(values) % 2:
        raise binder.error(
            "`map` takes keys and values in turn, so an even number of arguments", "wrong_arity"
        )
    if not values:
        return combined(
            Map(String, String), pl.lit(pl.Series([[]], dtype=Map(String, String).polars)).first(), ()
        )
    key, keys = binder.to_common(values[::2], "the keys of `map`")
    value, items = binder.to_common(values[1::2], "the values of `map`")
    if key == Null or isinstance(key, Map):
        raise binder.mismatch(f"the keys of a map cannot be {key.spark}")
    t = Map(key, value)
    pairs = [pl.struct(k.expr.alias("key"), v.expr.alias("value")) for k, v in zip(keys, items, strict=True)]
    made = pl.concat_list(pairs).cast(t.polars)
    known = [k.known for k in keys]
    if None in known or len(set(map(str, known))) < len(known):
        run = lambda xs: unique_last([tuple(p.values()) for p in xs])  # noqa: E731
        made = per_value(run, made, returns=t)
    return combined(t, made, (*keys, *items))


@operation(
    "map_from_arrays", group=GROUP, params=(Kind.ARRAY, Kind.ARRAY), raw=True, result="map", by_value=True
)
def map_from_arrays(binder: Binder, keys: Value, values: Value) -> Value:
    if not isinstance(keys.type, List) or not isinstance(values.type, List):
        raise binder.mismatch(
            f"`map_from_arrays` takes two arrays, got {keys.type.spark} and {values.type.spark}"
        )
    t = Map(keys.type.item, values.type.item)
    run = lambda k, v: unique_last(list(zip(k, v, strict=True))) if len(k) == len(v) else None  # noqa: E731
    return combined(t, per_value(run, keys.expr, values.expr, returns=t), (keys, values))


@operation("map_from_entries", group=GROUP, params=(Kind.ARRAY,), raw=True, result="map", by_value=True)
def map_from_entries(binder: Binder, x: Value) -> Value:
    item = x.type.item if isinstance(x.type, List) else None
    if not isinstance(item, Struct) or len(item.fields) != 2:
        raise binder.mismatch(f"`map_from_entries` takes an array of structs of two, got {x.type.spark}")
    t = Map(item.fields[0][1], item.fields[1][1])
    run = lambda xs: None if None in xs else unique_last([tuple(p.values()) for p in xs])  # noqa: E731
    return combined(t, per_value(run, x.expr, returns=t), (x,))


@operation(
    "map_concat", group=GROUP, params=(Kind.MAP,), arity=(1, None), raw=True, result="map", by_value=True
)
def map_concat(binder: Binder, *values: Value) -> Value:
    t, found = binder.to_common(values, "the maps of `map_concat`")
    if not isinstance(t, Map):
        raise binder.mismatch(f"`map_concat` takes maps, got {t.spark}")

    def run(*maps: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
        return unique_last([(p["key"], p["value"]) for m in maps for p in m])

    return combined(t, per_value(run, *(v.expr for v in found), returns=t), found)


@operation(
    "str_to_map",
    group=GROUP,
    params=(String, String, String),
    optional=2,
    returns=Map(String, String),
    by_value=True,
    notes="literal delimiters",
)
def str_to_map(x: Value, pair: Value | None = None, key_value: Value | None = None) -> pl.Expr:
    def run(s: str, p: str = ",", kv: str = ":") -> list[dict[str, Any]] | None:
        parts = [one.split(kv, 1) for one in s.split(p)]
        return unique_last([(q[0], q[1] if len(q) > 1 else None) for q in parts])

    more = [v.expr for v in (pair, key_value) if v is not None]
    return per_value(run, x.expr, *more, returns=Map(String, String))
