"""Published updates of a view as Avro: the schema, derived from its plan, and the records of emitted entities.

An update is absolute: an entity's keys and all of its features as of an instant, null where there is no value, and a
version that grows with each update of the entity. So a reader may take one twice, or miss all but the last. Knows no
Kafka and no registry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from headrace.avro import AvroSchema, encode_many, parse_schema
from headrace.definitions.update_source import AS_OF, EVENT_TIME, REMOVED, VERSION, VIEW_VERSION
from headrace.online.keys import parse_entity_key
from headrace.plan import ViewPlan
from headrace.types import (
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    Float32,
    Float64,
    Int64,
    List,
    Map,
    String,
    Struct,
    Timestamp,
)

_PLAIN: Mapping[DataType, object] = {
    Bool: "boolean",
    Int64: "long",
    Float32: "float",
    Float64: "double",
    String: "string",
    Bytes: "bytes",
    Timestamp: {"type": "long", "logicalType": "timestamp-micros"},
    Date: {"type": "int", "logicalType": "date"},
}


def update_schema(plan: ViewPlan, project: str) -> AvroSchema:
    """The schema of a view's updates: the entity's keys, the features (nullable), and what is known of the values.

    ``_event_time`` is that of the newest event applied, ``_as_of`` the instant of the values, ``_version`` grows with
    each update, ``_view_version`` is the view's (all versions publish on one topic), ``_removed`` says that nothing is
    left of the entity.
    """
    view = plan.view
    fields: list[dict[str, Any]] = [
        {"name": name, "type": avro_type(t, name)} for name, t in view.entity.keys.items()
    ]
    for name, t in plan.feature_types.items():
        told = {"doc": view.features[name].description} if view.features[name].description else {}
        fields.append({"name": name, "type": ["null", avro_type(t, name)], "default": None, **told})
    fields += [{"name": name, "type": _PLAIN[Timestamp]} for name in (EVENT_TIME, AS_OF)]
    fields += [{"name": VERSION, "type": "long"}, {"name": VIEW_VERSION, "type": "string", "default": ""}]
    fields += [{"name": REMOVED, "type": "boolean"}]
    record: dict[str, Any] = {
        "type": "record",
        "name": view.name,
        "namespace": f"headrace.{re.sub('[^A-Za-z0-9_]', '_', project)}",
        "fields": fields,
    }
    return parse_schema(record | ({"doc": view.description} if view.description else {}))


def updates(plan: ViewPlan, online: pl.DataFrame, version: int) -> pl.DataFrame:
    """The update of each emitted row (`Update.online`), in order, with the columns of `update_schema`."""
    keys = plan.view.entity.keys
    texts = [parse_entity_key(text, list(keys.values())) for text in online["_key"].to_list()]
    columns = [
        pl.Series(name, [values[i] for values in texts], dtype=t.polars)
        for i, (name, t) in enumerate(keys.items())
    ]
    gone = online["_remove"]
    features = online.select(
        pl.when(~gone).then(pl.col(name).cast(t.polars)).alias(name) for name, t in plan.feature_types.items()
    )
    times = [online[name].cast(Timestamp.polars) for name in (EVENT_TIME, AS_OF)]
    told = [
        pl.Series(VERSION, [version] * len(online), dtype=pl.Int64),
        pl.Series(VIEW_VERSION, [plan.view.version] * len(online), dtype=pl.String),
        gone.alias(REMOVED),
    ]
    return pl.DataFrame([*columns, *features.get_columns(), *times, *told])


def encoded_updates(
    plan: ViewPlan, schema: AvroSchema, online: pl.DataFrame, version: int, schema_id: int | None
) -> list[bytes]:
    """The Avro value of each emitted row, in order; framed if there is a `schema_id`."""
    return encode_many(schema, updates(plan, online, version), schema_id=schema_id)


def avro_type(type: DataType, name: str) -> object:
    """The Avro type that carries values of `type`; `name` is for the records within it."""
    if isinstance(type, Decimal):
        return {
            "type": "bytes",
            "logicalType": "decimal",
            "precision": type.precision,
            "scale": type.scale,
        }
    if isinstance(type, List):
        return {"type": "array", "items": ["null", avro_type(type.item, f"{name}_item")]}
    if isinstance(type, Map) and type.key == String:
        return {"type": "map", "values": ["null", avro_type(type.value, f"{name}_value")]}
    if isinstance(type, Map):
        entry = Struct((("key", type.key), ("value", type.value)))
        return {"type": "array", "items": avro_type(entry, f"{name}_entry")}
    if isinstance(type, Struct):
        fields = [
            {"name": field, "type": ["null", avro_type(t, f"{name}_{field}")]} for field, t in type.fields
        ]
        return {"type": "record", "name": f"{name}_record", "fields": fields}
    return _PLAIN.get(type, "int")
