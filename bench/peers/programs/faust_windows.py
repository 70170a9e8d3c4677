"""Stock Faust: a tumbling table with a changelog, at least once.

    python faust_windows.py worker -l warn --without-web

The task's cheapest form: one read and one write of the table an event; nothing is sent on. The window is that of the
message's timestamp, which is the event time.
"""

import os
import time

import faust
from faust.serializers import codecs
from reading import BROKER, FIRST, TOPIC, Counts, added, decode, show


class Datum(faust.Codec):
    """A bare Avro datum."""

    def _dumps(self, o):
        raise NotImplementedError

    def _loads(self, b):
        return decode(b)


codecs.register("datum", Datum())
SIZE = int(os.environ["SIZE"])
app = faust.App(
    f"faust{time.time_ns()}",
    broker="kafka://" + BROKER,
    store="rocksdb://?driver=rocksdict",
    topic_partitions=4,
    topic_replication_factor=1,
    consumer_auto_offset_reset="earliest",
    broker_max_poll_records=5000,
    stream_buffer_maxsize=16384,
    datadir=os.environ["STATE"],
    topic_disable_leader=True,
)
topic = app.topic(TOPIC, value_serializer="datum", key_serializer="raw", value_type=None, partitions=4)
FOREVER = (
    100 * 365 * 86_400.0
)  # Faust tells by the wall clock what has expired, and the events are some years old
table = app.Table("windows", default=lambda: list(FIRST), partitions=4).tumbling(float(SIZE), expires=FOREVER)
counts = Counts()


@app.agent(topic)
async def windows(stream):
    """One event after the other."""
    async for event in stream:
        window = table[event["user_id"]]
        state = added(window.value(), event["amount"])
        table[event["user_id"]] = state
        counts.events += 1
        counts.emitted += 1
        show(event["user_id"], event["ts"] // (1000 * SIZE) * 1000 * SIZE, state)


if __name__ == "__main__":
    counts.tell()
    app.main()
