"""Records in, events on Kafka: validated against the source's schema one by one, keyed as the source declares.

Owns what a producer of ours does: encoding, the bytes of a key, and acknowledgement: a record counts as accepted
when Kafka has it. A record that does not fit is a diagnostic and costs nobody else anything.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson
from confluent_kafka import KafkaError, KafkaException, Producer

from app.kafka import producer_options
from headrace.avro.declared import record_of
from headrace.avro.encode import compile_writer, encode, encode_framed
from headrace.avro.plain import InvalidValueError
from headrace.definitions import StreamSource, Subject
from headrace.errors import DecodeError, UnavailableError, UsageError
from headrace.online.keys import python_entity_key
from headrace.project import Project
from headrace.registry import SchemaRegistry
from headrace.settings import Settings
from headrace.types import String

FLUSH_SECONDS = 30.0


@dataclass(frozen=True)
class Unparsed:
    """A line that is no record at all, in place of one."""

    reason: str


@dataclass
class Ingested:
    """What became of records; `diagnostics` are ``{"source", "index", "field", "reason"}``, in order."""

    source: str
    accepted: int = 0
    diagnostics: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, index: int, reason: str, field: str | None = None) -> None:
        """One record that was not taken."""
        told = {"source": self.source, "index": index, "field": field, "reason": reason}
        self.diagnostics.append(told)

    def answer(self) -> dict[str, Any]:
        """As plain values."""
        found = sorted(self.diagnostics, key=lambda d: int(d["index"]))
        return {"accepted": self.accepted, "rejected": len(found), "diagnostics": found}


def ingest(
    project: Project,
    settings: Settings,
    source: str,
    records: Iterable[Mapping[str, Any] | Unparsed],
    *,
    dry_run: bool = False,
    tick: Callable[[int], None] = lambda index: None,
) -> dict[str, Any]:
    """Validate records and produce the good ones to the source's first topic, in order.

    Returns ``{"accepted", "rejected", "diagnostics"}`` when Kafka has answered for each. `tick` is called after
    every record. UsageError for what is no stream source, UnavailableError if Kafka does not answer.
    """
    found = project.source(source)
    if not isinstance(found, StreamSource):
        raise UsageError(f"`{source}` is a batch source: its files are written by whoever owns them")
    if isinstance(records, str | bytes | Mapping) or hasattr(records, "columns"):
        raise UsageError(
            f"records are an iterable of mappings, one for each event, not {type(records).__name__}. "
            "Write [record], or frame.to_dicts() of a Polars frame"
        )
    if settings.kafka.embedded and not dry_run:
        raise UsageError(
            "kafka.bootstrap is `embedded`: that broker lives inside the process that started it. Set "
            "HEADRACE_KAFKA__BOOTSTRAP (the demo says which), or kafka.bootstrap in headrace.toml."
        )
    value_of = encoder_of(found, settings, dry_run=dry_run)
    told = Ingested(source)
    producer = None if dry_run else _Acknowledged(settings, found.topics[0], told)
    for index, record in enumerate(records):
        try:
            if isinstance(record, Unparsed) or not isinstance(record, Mapping):
                reason = record.reason if isinstance(record, Unparsed) else "a record is an object of fields"
                told.refuse(index, reason)
            else:
                value, key = value_of(record), key_of(found, record)
                if producer is None:
                    told.accepted += 1
                else:
                    producer.send(index, key, value)
        except InvalidValueError as error:
            told.refuse(index, f"expected {error.expected}; got {error.got}", error.field or None)
        except (DecodeError, UsageError) as error:
            told.refuse(index, str(error), found.key if isinstance(error, UsageError) else None)
        tick(index)
    if producer is not None:
        producer.finish()
    return told.answer()


def encoder_of(
    source: StreamSource, settings: Settings, *, dry_run: bool = False
) -> Callable[[Mapping[str, Any]], bytes]:
    """Record to bytes, in the source's format and framing; InvalidValueError for one that does not fit."""
    schema = source.avro_schema
    if source.format == "json":
        check = compile_writer(schema.root if schema is not None else record_of(source.columns))

        def as_json(record: Mapping[str, Any]) -> bytes:
            check(record, "")
            return orjson.dumps(record, default=_as_text, option=orjson.OPT_NAIVE_UTC)

        return as_json
    assert schema is not None
    if source.framing != "registry" or dry_run:
        return lambda record: encode(schema, record)
    if settings.registry.url is None:
        raise UsageError(
            f"source `{source.name}` frames its events with a registry's ids, and registry.url is not set"
        )
    subject = source.schema.name if isinstance(source.schema, Subject) else f"{source.topics[0]}-value"
    with SchemaRegistry(settings.registry.url) as registry:
        schema_id = registry.register(subject, schema)
    return lambda record: encode_framed(schema_id, schema, record)


def _as_text(value: object) -> str:
    """What JSON cannot say, as a JSON topic holds it: bytes in base64, a decimal in digits."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def key_of(source: StreamSource, record: Mapping[str, Any]) -> bytes | None:
    """The bytes that key a record: a text as it is, anything else in the text form of the online store."""
    if source.key is None:
        return None
    value = record.get(source.key)
    if value is None and source.key not in record and source.avro_schema is not None:
        default = next(f.default for f in source.avro_schema.root.fields if f.name == source.key)
        value = default if isinstance(default, str | int) else None
    if value is None:
        return None
    t = source.columns[source.key]
    return (
        value.encode()
        if t == String and isinstance(value, str)
        else unquote(python_entity_key([value], [t])).encode()
    )


def parsed(lines: Iterable[str | bytes]) -> Iterable[Mapping[str, Any] | Unparsed]:
    """The records of JSON lines; an empty line is passed over, one that is no object is `Unparsed`."""
    for line in lines:
        if not line.strip():
            continue
        try:
            value = json.loads(line if isinstance(line, str) else line.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            yield Unparsed(f"the line is not UTF-8: {error.reason} at byte {error.start}")
            continue
        except ValueError as error:
            yield Unparsed(f"the line is not JSON: {error}")
            continue
        yield value if isinstance(value, dict) else Unparsed(f"a line is a JSON object, not {value!r}"[:200])


class _Acknowledged:
    """A producer that counts a record when Kafka has it."""

    def __init__(self, settings: Settings, topic: str, told: Ingested) -> None:
        self._producer = Producer(producer_options(settings.kafka))
        self._bootstrap = settings.kafka.bootstrap
        self._topic = topic
        self._told = told

    def send(self, index: int, key: bytes | None, value: bytes) -> None:
        """Hand a record over; its acknowledgement comes later."""

        def answered(error: KafkaError | None, message: Any) -> None:
            if error is None:
                self._told.accepted += 1
            else:
                self._told.refuse(index, f"Kafka did not take it: {error.str()}")

        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=answered)
                break
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                self._told.refuse(index, f"Kafka did not take it: {error.args[0].str()}")
                break
        self._producer.poll(0)

    def finish(self) -> None:
        """Wait for every acknowledgement. UnavailableError if Kafka does not answer in time."""
        waiting = self._producer.flush(FLUSH_SECONDS)
        if waiting:
            self._producer.purge()
            self._producer.flush(1.0)
            raise UnavailableError(
                f"Kafka at {self._bootstrap} did not acknowledge {waiting} records within {FLUSH_SECONDS:.0f} s; "
                f"{self._told.accepted} were acknowledged"
            )
