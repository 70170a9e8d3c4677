"""`StreamSource`: a Kafka topic with a schema, an event time and an allowed lateness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from headrace.avro import AvroSchema
from headrace.declaring import Definition, Mistakes, spoil
from headrace.definitions import rules
from headrace.definitions.schema import Columns, SchemaGiven, Subject, from_avro, read_columns
from headrace.durations import DAY, format_duration
from headrace.errors import DefinitionError, did_you_mean
from headrace.types import FLOATS, DataType, Date, Int64, List, Map, Struct, Timestamp

FORMATS = ("avro", "json")
FRAMINGS = ("none", "registry")
_NOT_KEYS = (List, Map, Struct)


@dataclass(frozen=True, init=False, eq=False, repr=False)
class StreamSource(Definition):
    """A stream of events on one or more Kafka topics.

    Durations are microseconds. `start` is ``"latest"``, ``"earliest"`` or an instant in microseconds.
    `timestamp` names a Timestamp, a Date (midnight UTC) or an Int64 (milliseconds since the Unix epoch);
    without it, event time is the Kafka record's timestamp. `retention` is how long history keeps events by their date;
    None: for ever.
    """

    topics: tuple[str, ...]
    schema: SchemaGiven
    format: str
    framing: str
    key: str | None
    timestamp: str | None
    lateness: int
    max_ahead: int | None
    event_id: str | None
    dedup: int | None
    start: str | int
    retention: int | None
    resolved: Columns | None

    def __init__(
        self,
        name: str,
        *,
        schema: SchemaGiven,
        topics: Sequence[str] | None = None,
        format: str = "avro",
        framing: str | None = None,
        key: str | None = None,
        timestamp: str | None = None,
        lateness: str | timedelta = "0s",
        max_ahead: str | timedelta | None = None,
        event_id: str | None = None,
        dedup: str | timedelta | None = None,
        start: str | datetime = "latest",
        retention: str | timedelta | None = None,
        description: str = "",
        owner: str = "",
        tags: Mapping[str, str] = {},
    ) -> None:
        m = self._mistakes
        self._set(name=rules.name(name, m, what="a source's name"), topics=_topics(topics, name, m))
        self._set(format=_one_of(format, FORMATS, "format", m), schema=schema)
        default = "registry" if isinstance(schema, Subject) else "none"
        self._set(framing=default if framing is None else _one_of(framing, FRAMINGS, "framing", m))
        if self.format == "json" and (framing == "registry" or isinstance(schema, Subject)):
            m.add(
                "JSON events have no schema registry here",
                field="framing" if framing == "registry" else "schema",
                expected="format='avro', or a schema of typed names",
                got="format='json'",
            )
        self._set(key=key, timestamp=timestamp, event_id=event_id)
        self._set(lateness=rules.duration(lateness, m, field="lateness"))
        self._set(max_ahead=rules.optional_duration(max_ahead, m, field="max_ahead"))
        self._set(dedup=rules.optional_duration(dedup, m, field="dedup"))
        self._set(retention=rules.optional_duration(retention, m, field="retention"))
        if self.retention is not None and self.retention % DAY:
            m.add(
                "history is kept in whole days",
                field="retention",
                expected="a number of days, such as '365d'",
                got=format_duration(self.retention),
            )
        if (event_id is None) != (dedup is None):
            m.add(
                "event_id and dedup go together",
                field="dedup" if dedup is None else "event_id",
                expected="both, such as event_id='payment_id', dedup='1h', or neither",
                got=f"event_id={event_id!r}, dedup={dedup!r}",
            )
        self._set(start=_start(start, m), resolved=read_columns(schema, self.format, self._base, m))
        self._set(**rules.words(description, owner, tags, m))
        if self.resolved is not None:
            check_columns(self, self.resolved, m)

    @property
    def columns(self) -> Mapping[str, DataType]:
        """The columns that events carry, in its order. DefinitionError while a subject is unresolved."""
        return self._known().types

    @property
    def nullable(self) -> frozenset[str]:
        """The columns that may be null."""
        return self._known().nullable

    @property
    def avro_schema(self) -> AvroSchema | None:
        """The parsed Avro schema; None for JSON with typed names."""
        return self._known().avro

    @property
    def is_resolved(self) -> bool:
        """Whether the columns are known: always, but for a subject before a registry was asked."""
        return self.resolved is not None

    def resolve(self, avro_schema: object) -> None:
        """Take the schema of this source's subject, parsed or as its JSON says. DefinitionError if unfit."""
        mistakes = Mistakes(f"StreamSource {self.name}", self.place)
        columns = from_avro(avro_schema, mistakes)
        if columns is not None:
            check_columns(self, columns, mistakes)
        self._set(resolved=columns)
        spoil(self, mistakes.settle())

    def _known(self) -> Columns:
        if self.resolved is None:
            raise DefinitionError(
                f"the columns of subject {self.schema} are not known yet",
                definition=f"StreamSource {self.name}",
                field="schema",
                hint="Set registry.url, so that loading can ask the registry.",
                place=self.place,
            )
        return self.resolved


def check_columns(source: StreamSource, columns: Columns, mistakes: Mistakes) -> None:
    """`key`, `timestamp` and `event_id` name columns of a fit type."""
    for field in ("key", "timestamp", "event_id"):
        column = getattr(source, field)
        if column is None:
            continue
        t = columns.types.get(column) if isinstance(column, str) else None
        if t is None:
            mistakes.add(
                f"{field} names no column of the schema",
                field=field,
                expected=f"one of {', '.join(columns.types)}",
                got=f"`{column}`" if isinstance(column, str) else repr(column),
                hint=did_you_mean(str(column), columns.types),
            )
        elif column in columns.always_null:
            mistakes.add(
                f"`{column}` is always null by its schema",
                field=field,
                expected="a column with values",
                got="null",
                hint=f"Name another column, or none ({field}=None).",
            )
        elif field == "timestamp" and t not in (Timestamp, Date, Int64):
            mistakes.add(
                f"`{column}` cannot be an event time",
                field=field,
                expected="a Timestamp, a Date, or an Int64 of milliseconds since 1970",
                got=str(t),
                hint="Give the Avro field the logicalType timestamp-millis or timestamp-micros."
                if columns.avro is not None
                else f"Declare it as '{column}': hr.Timestamp.",
            )
        elif field != "timestamp" and (isinstance(t, _NOT_KEYS) or t in FLOATS):
            mistakes.add(
                f"`{column}` cannot be {'a key' if field == 'key' else 'an event id'}",
                field=field,
                expected="an integer, a text, or another type that is equal to itself",
                got=str(t),
            )


def _topics(topics: object, name: object, mistakes: Mistakes) -> tuple[str, ...]:
    if topics is None:
        return (str(name),)
    if isinstance(topics, str) or not isinstance(topics, Sequence) or not topics:
        mistakes.add(
            "topics is a list of at least one topic",
            field="topics",
            expected="such as topics=['payments']",
            got=repr(topics),
            hint=f"Write topics=[{topics!r}]." if isinstance(topics, str) and topics else None,
        )
        return (str(name),)
    for topic in topics:
        rules.topic(topic, mistakes, field="topics")
    for topic in sorted({str(t) for t in topics if list(topics).count(t) > 1}):
        mistakes.add("a topic is named twice", field="topics", expected="each topic once", got=f"`{topic}`")
    return tuple(str(t) for t in topics)


def _one_of(value: object, known: tuple[str, ...], field: str, mistakes: Mistakes) -> str:
    if value in known:
        return str(value)
    mistakes.add(
        f"unknown {field}",
        field=field,
        expected=" or ".join(repr(k) for k in known),
        got=repr(value),
        hint=did_you_mean(str(value), known),
    )
    return known[0]


def _start(start: object, mistakes: Mistakes) -> str | int:
    if start in ("latest", "earliest"):
        return str(start)
    expected = "'latest', 'earliest' or an instant such as '2026-01-01T00:00:00Z'"
    return rules.instant(start, mistakes, field="start", expected=expected)
