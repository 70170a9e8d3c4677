"""Wire formats: Kafka's record batches and their values (Avro or JSON) as columns, and bad records as dead letters.

`RecordBatches.parse` takes the bytes of a fetch, `SourceDecoder.decode` gives a `Decoded`. Knows no Kafka client.
"""

from headrace.wire.batches import RecordBatch, RecordBatches
from headrace.wire.building import Record, batch_bytes, control_bytes, record_batches
from headrace.wire.decoded import DeadRecord, Decoded
from headrace.wire.decoder import SourceDecoder, warm

__all__ = [
    "DeadRecord",
    "Decoded",
    "Record",
    "RecordBatch",
    "RecordBatches",
    "SourceDecoder",
    "batch_bytes",
    "control_bytes",
    "record_batches",
    "warm",
]
