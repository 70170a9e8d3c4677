"""Quix Streams: a tumbling window in RocksDB with a changelog, at least once, every update emitted."""

import os
import time
from datetime import timedelta

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Max, Min, Sum
from quixstreams.models import Deserializer
from reading import BROKER, TOPIC, Counts, decode, show

counts = Counts()


class Datum(Deserializer):
    """A bare Avro datum."""

    split_values = False

    def __call__(self, value, ctx):
        counts.events += 1
        return decode(value)


app = Application(
    broker_address=BROKER,
    consumer_group=f"quix{time.time_ns()}",
    auto_offset_reset="earliest",
    commit_interval=10.0,
    state_dir=os.environ["STATE"],
    loglevel="WARNING",
)
events = app.dataframe(
    app.topic(
        TOPIC,
        value_deserializer=Datum(),
        key_deserializer="str",
        timestamp_extractor=lambda value, headers, timestamp, kind: value["ts"],
    )
)
windows = events.tumbling_window(timedelta(seconds=int(os.environ["SIZE"])), grace_ms=5000).agg(
    count=Count(), sum=Sum("amount"), min=Min("amount"), max=Max("amount")
)


def emitted(value, key, timestamp, headers):
    """Count a result."""
    counts.emitted += 1
    show(key, value["start"], (value["count"], value["sum"], value["min"], value["max"]))


windows.current().update(emitted, metadata=True)
counts.tell()
app.run()
