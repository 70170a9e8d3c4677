"""A Faust topic whose events are whole fetched partitions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from faust.serializers.schemas import Schema
from faust.topics import Topic

QUEUED = 8
"""Fetched partitions that an agent's queue holds; Faust counts events, and one event is one fetch here."""


class RawSchema(Schema):
    """Delivers a message's value as it is: it was never serialised."""

    def compile(self, app: Any, **options: Any) -> Callable[..., Awaitable[Any]]:
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, None, message)

        return decode


class RawTopic(Topic):
    """`app.topic(maxsize=)` is silently ignored by Faust (app/base.py); a topic made directly is not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["maxsize"] = kwargs.get("maxsize") or QUEUED
        kwargs.setdefault("schema", RawSchema())
        super().__init__(*args, **kwargs)
