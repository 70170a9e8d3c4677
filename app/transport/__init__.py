"""Faust's transport, delivering one event per fetched partition: raw record batches instead of records."""

from app.transport.consumer import RawConsumer, RawTransport
from app.transport.topic import RawSchema, RawTopic

__all__ = ["RawConsumer", "RawSchema", "RawTopic", "RawTransport"]
