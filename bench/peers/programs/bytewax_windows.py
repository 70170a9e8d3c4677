"""Bytewax: a tumbling window on event time, recovery on (a snapshot every 10 s), emitted as it closes. One worker."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main
from reading import BROKER, FIRST, TOPIC, Counts, added, decode, show

ALIGNED = datetime(2020, 1, 1, tzinfo=UTC)
SIZE = timedelta(seconds=int(os.environ["SIZE"]))
counts = Counts()


def read(message):
    """(user, (event time in ms, amount)) of a message."""
    event = decode(message.value)
    counts.events += 1
    return event["user_id"], (event["ts"], event["amount"])


def merged(a, b):
    """Two states as one."""
    return (a[0] + b[0], a[1] + b[1], min(a[2], b[2]), max(a[3], b[3]))


class Partition(StatelessSinkPartition):
    """Counts results."""

    def write_batch(self, items):
        counts.emitted += len(items)
        for user, (window, state) in items:
            show(user, int((ALIGNED + window * SIZE).timestamp() * 1000), state)


class Sink(DynamicSink):
    """Gives results to nobody."""

    def build(self, *arguments):
        return Partition()


flow = Dataflow("windows")
messages = op.input("in", flow, KafkaSource([BROKER], [TOPIC], tail=False, batch_size=1000))
# Between two batches Bytewax's watermark runs on with the wall clock: a pause of a replay that is longer than this wait
# makes the events behind it late. Five seconds lost some in every run.
clock = win.EventClock(
    lambda x: datetime.fromtimestamp(x[0] / 1000, UTC), wait_for_system_duration=timedelta(seconds=60)
)
windowed = win.fold_window(
    "window",
    op.map("read", messages, read),
    clock,
    win.TumblingWindower(length=SIZE, align_to=ALIGNED),
    lambda: FIRST,
    lambda state, value: added(state, value[1]),
    merged,
)
op.output("out", windowed.down, Sink())
state = Path(os.environ["STATE"])
state.mkdir()
init_db_dir(state, 1)
counts.tell()
run_main(flow, epoch_interval=timedelta(seconds=10), recovery_config=RecoveryConfig(state))
counts.say()
