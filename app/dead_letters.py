"""Dead letters as people read them: the topic of section 7 of the spec, with its headers decoded."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from confluent_kafka import Message

from app.reading import read_to_end
from headrace.errors import UsageError
from headrace.settings import Settings
from headrace.topics import dead_letter_topic

REASONS = (
    "decode",
    "schema_unknown",
    "schema_mismatch",
    "null_key",
    "timestamp_missing",
    "timestamp_future",
    "transform",
    "too_large",
)
"""Every reason that a worker writes."""
OURS = ("reason", "detail", "source", "topic", "partition", "offset", "at")


@dataclass(frozen=True)
class DeadLetter:
    """An event that could not be used. `id` is where it stands in the dead-letter topic: ``partition:offset``.

    `topic partition offset` are of the event itself; `headers` are those that it came with.
    """

    id: str
    reason: str
    detail: str
    source: str
    topic: str
    partition: int
    offset: int
    at: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def plain(self) -> dict[str, Any]:
        """As JSON can say it: bytes in base64, and as text beside it where they are text."""
        told = asdict(self)
        for name in ("key", "value"):
            found: bytes | None = getattr(self, name)
            told[name] = None if found is None else base64.b64encode(found).decode()
            told[f"{name}_text"] = text_of(found)
        told["headers"] = [
            [name, text_of(value) or base64.b64encode(value).decode()] for name, value in self.headers
        ]
        return told


def text_of(value: bytes | None) -> str | None:
    """Bytes as a text that can be printed, or None."""
    try:
        text = None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
    return text if text is not None and text.isprintable() else None


def dead_letters(settings: Settings) -> Iterator[DeadLetter]:
    """Every dead letter of the project, oldest first."""
    for message in read_to_end(settings.kafka, dead_letter_topic(settings.project)):
        yield letter_of(message)


def letter_of(message: Message) -> DeadLetter:
    """A record of the dead-letter topic; ours are the last headers of each name."""
    headers = [(n, v if isinstance(v, bytes) else str(v or "").encode()) for n, v in message.headers() or []]
    ours: dict[str, str] = {}
    while headers and headers[-1][0] in OURS and headers[-1][0] not in ours:
        name, value = headers.pop()
        ours[name] = value.decode(errors="replace")
    return DeadLetter(
        id=f"{message.partition()}:{message.offset()}",
        reason=ours.get("reason", ""),
        detail=ours.get("detail", ""),
        source=ours.get("source", ""),
        topic=ours.get("topic", ""),
        partition=int(ours.get("partition") or -1),
        offset=int(ours.get("offset") or -1),
        at=ours.get("at", ""),
        key=message.key(),
        value=message.value(),
        headers=tuple(headers),
    )


def dead_letter(settings: Settings, id: str) -> DeadLetter:
    """One dead letter by its id, or by its offset where the topic has one partition. UsageError if there is none."""
    wanted = id if ":" in id else f"0:{id}"
    for letter in dead_letters(settings):
        if letter.id == wanted:
            return letter
    raise UsageError(f"there is no dead letter `{id}`. `headrace dead-letters list` shows them.")
