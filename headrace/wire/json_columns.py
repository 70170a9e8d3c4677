"""JSON values as columns."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.avro.columnar import Columns
from headrace.avro.schema import AvroSchema
from headrace.avro.varints import I8
from headrace.types import DataType


class JsonDecoder:
    def __init__(self, schema: AvroSchema | Mapping[str, DataType]) -> None:
        self.schema = schema

    def decode(self, body: memoryview, start: I8, end: I8) -> Columns:
        raise NotImplementedError
