"""Avro: schemas as column types, records to bytes, and bytes to columns. Knows no Kafka and no registry."""

from headrace.avro.columnar import ColumnarDecoder, Columns
from headrace.avro.encode import encode, encode_framed, encode_many
from headrace.avro.plain import InvalidValueError
from headrace.avro.resolution import SchemaMismatchError
from headrace.avro.schema import AvroSchema, parse_schema

__all__ = [
    "AvroSchema",
    "ColumnarDecoder",
    "Columns",
    "InvalidValueError",
    "SchemaMismatchError",
    "encode",
    "encode_framed",
    "encode_many",
    "parse_schema",
]
