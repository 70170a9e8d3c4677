"""`UpdateSource`: the published updates of a view as a stream of events, which views on that view read.

Nobody declares one: a plan makes it of the upstream view. Owns the names of what an update carries beside keys and
features. Knows no Kafka: where the updates are is said by whoever consumes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.avro import AvroSchema
from headrace.definitions.feature_view import FeatureView
from headrace.definitions.schema import Columns
from headrace.definitions.stream_source import StreamSource
from headrace.types import DataType, Timestamp

EVENT_TIME, AS_OF, VERSION, VIEW_VERSION, REMOVED = (
    "_event_time",
    "_as_of",
    "_version",
    "_view_version",
    "_removed",
)
"""Of an update: the newest event applied, the instant of the values, a number that grows with each update of the
entity, the version of the view, and whether nothing is left of the entity."""


@dataclass(frozen=True, init=False, eq=False, repr=False)
class UpdateSource(StreamSource):
    """A stream source whose events are the updates of `view`: its entity's keys and its features, and their time.

    It begins with the oldest update there is, since a view and those on it are one definition of values.
    """

    view: FeatureView


def update_source(
    view: FeatureView,
    features: Mapping[str, DataType],
    *,
    key: str | None,
    lateness: int,
    topic: str | None = None,
    avro: AvroSchema | None = None,
    framing: str = "none",
) -> UpdateSource:
    """The updates of `view`, whose `features` have these types. `key`: the column that keys its topic, if one does."""
    columns = {**view.entity.keys, **features, EVENT_TIME: Timestamp}
    source = UpdateSource.__new__(UpdateSource)
    source._set(
        name=view.id,
        description=view.description,
        owner=view.owner,
        tags=view.tags,
        place=view.place,
        mistakes=(),
        topics=(topic or view.id,),
        schema=avro,
        format="avro",
        framing=framing,
        key=key,
        timestamp=EVENT_TIME,
        lateness=lateness,
        max_ahead=None,
        event_id=None,
        dedup=None,
        start="earliest",
        resolved=Columns(columns, frozenset(features), avro),
        view=view,
    )
    return source
