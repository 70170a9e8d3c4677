"""A new view's online state from history: `headrace backfill` beside a worker that waits, until Redis has every entity.

    python -m bench.backfilling --folder DIR [--events 5000000] [--users 100000] [--view panes|month] [--limit N]

Starts Kafka and Redis of its own. The history is that of `bench.training_data` (90 days); the topic has as many
records, empty ones, so that the stream goes on where history ends. Views: `panes` 60 s, 1 h and 24 h windows of four
aggregates and a lifetime sum; `month` the twenty features of the training benchmark. Prints one row of a report.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import polars as pl
import redis
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from deltalake import DeltaTable

from bench import training_data as data
from bench.measuring import cpu_of, rss_of
from bench.process import ROOT, Process
from headrace.history.account import position_name, writer_of
from headrace.history.storage import table_uri
from tests.stack.kafka import Kafka, create_topic
from tests.stack.redis import Redis

BATCH = 200_000
WAIT = 1800.0

PANES = """
view = hr.FeatureView(
    "spend", entity=user, source=payments, backfill="2025-01-01T00:00:00Z",
    features={
        "sum_ever": hr.sum("amount", over=hr.lifetime()),
        **{
            f"{name}_{label}": feature
            for label, over in {"60s": hr.tumbling("60s"), "1h": hr.rolling("1h"), "24h": hr.rolling("24h")}.items()
            for name, feature in {
                "count": hr.count(over=over), "sum": hr.sum("amount", over=over),
                "min": hr.min("amount", over=over), "max": hr.max("amount", over=over),
            }.items()
        },
    },
)
"""

HEAD = [
    "| events | entities | view | job s | Redis has all, s | job CPU s | worker CPU s | job peak MB | worker MB |",
    "|---|---|---|---|---|---|---|---|---|",
]


@dataclass(frozen=True)
class Backfilled:
    """Seconds from the start of the job until its end, and until the last entity is readable."""

    events: int
    entities: int
    view: str
    job: float
    whole: float
    job_cpu: float
    worker_cpu: float
    job_peak: float
    worker_rss: float

    @property
    def line(self) -> str:
        """A row of the report."""
        return (
            f"| {self.events:,} | {self.entities:,} | {self.view} | {self.job:.1f} | {self.whole:.1f} | "
            f"{self.job_cpu:.1f} | {self.worker_cpu:.1f} | {self.job_peak:,.0f} | {self.worker_rss:,.0f} |"
        )


def config(folder: Path, uri: str, view: str) -> Path:
    """A config folder with the view."""
    made = data.config(folder, uri, "int")
    file = made / "features" / "payments.py"
    text = file.read_text()
    text = text[: text.index("newest = ")]
    if view == "panes":
        text = text[: text.index("spend = ")] + PANES
    else:
        text = text.replace("source=payments,\n", 'source=payments, backfill="2025-01-01T00:00:00Z",\n')
    file.write_text(text)
    return made


async def fill(bootstrap: str, topic: str, ends: Mapping[int, int]) -> None:
    """Give each partition so many records, as few as possible at a time: what is in them nobody reads."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    await client.force_metadata_update()
    try:
        for partition, end in ends.items():
            leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
            for begin in range(0, end, BATCH):
                records = _empty(min(BATCH, end - begin))
                answer = await client.send(
                    leader, ProduceRequest(None, -1, 30_000, [(topic, [(partition, records)])])
                )
                code = answer.topics[0][1][0][1]
                if code:
                    raise RuntimeError(f"{topic}/{partition}: the broker answers {code}")
    finally:
        await client.close()


_MADE: dict[int, bytes] = {}


def _empty(n: int) -> bytes:
    if n not in _MADE:
        builder = DefaultRecordBatchBuilder(2, 1, 0, -1, -1, -1, 1 << 26)
        for i in range(n):
            builder.append(i, data.LAST // 1000, None, b"", [])
        _MADE[n] = bytes(builder.build())
    return _MADE[n]


def prepared(kafka: str, folder: Path, events: int, users: int) -> tuple[Path, list[int]]:
    """The history, made if it is not there yet, and a topic that goes as far; which entities it has."""
    history = data.once(
        folder, f"history-int-{events}-{users}", lambda to: data.history(str(to), events, users, "int")
    )
    table = DeltaTable(table_uri(str(history), data.PROJECT, data.SOURCE))
    writer = writer_of(data.PROJECT, data.SOURCE)
    ends = {
        p: int(table.transaction_version(position_name(writer, (data.SOURCE, p))) or 0)
        for p in range(data.PARTITIONS)
    }
    keys = pl.scan_delta(table).select(pl.col("user_id").unique()).collect()["user_id"].to_list()
    create_topic(kafka, data.SOURCE, data.PARTITIONS, {"retention.ms": "-1", "max.message.bytes": "8000000"})
    asyncio.run(fill(kafka, data.SOURCE, ends))
    return history, keys


def variables(kafka: str, redis_url: str, folder: Path) -> dict[str, str]:
    """What points the job and the worker at the components; state goes to `folder`."""
    return {
        "HEADRACE_KAFKA__BOOTSTRAP": kafka,
        "HEADRACE_REDIS__URL": redis_url,
        "HEADRACE_ENGINE__CLOCK": "event",
        "HEADRACE_STATE__DIR": f"{folder}/state",
    }


def started(
    config: Path, environment: Mapping[str, str], log: TextIO, limit: int | None
) -> subprocess.Popen[bytes]:
    """`headrace backfill`; `limit`: entities a second that the worker writes online afterwards."""
    more = [] if limit is None else ["--limit", str(limit)]
    return subprocess.Popen(
        [sys.executable, "-m", "headrace.cli", "backfill", "spend", "--config", str(config), *more],
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def ready(worker: Process) -> None:
    """Wait until a worker answers."""
    while worker.metrics() is None:
        worker.check()
        time.sleep(0.2)


def run(
    kafka: str,
    redis_url: str,
    folder: Path,
    events: int,
    users: int,
    view: str,
    limit: int | None = None,
) -> Backfilled:
    """Backfill a history of so many events."""
    history, keys = prepared(kafka, folder, events, users)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = config(Path(scratch), str(history), view)
        environment = variables(kafka, redis_url, Path(scratch))
        with (
            Process("worker", made, environment, core=None) as worker,
            redis.Redis.from_url(redis_url) as online,
        ):
            ready(worker)
            before, began = cpu_of(worker.pid), time.perf_counter()
            log = Path(scratch) / "backfill.log"
            with log.open("w") as out:
                _, status, use = os.wait4(started(made, environment, out, limit).pid, 0)
            ended = time.perf_counter() - began
            if status:
                raise RuntimeError(log.read_text()[-2000:])
            while online.dbsize() < len(keys):
                worker.check()
                if time.perf_counter() - began > WAIT:
                    raise RuntimeError(
                        f"Redis has {online.dbsize()} of {len(keys)} entities after {WAIT:.0f} s"
                    )
                time.sleep(0.2)
            whole = time.perf_counter() - began
            spent, rss = cpu_of(worker.pid) - before, rss_of(worker.pid, peak=True)
    cpu = use.ru_utime + use.ru_stime
    return Backfilled(events, len(keys), view, ended, whole, cpu, spent, use.ru_maxrss / 1024, rss)


@contextmanager
def components(folder: Path) -> Iterator[tuple[str, str]]:
    """Kafka's and Redis' addresses; both run while this is open."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch, ExitStack() as stack:
        kafka, online = Kafka(Path(scratch) / "kafka"), Redis(Path(scratch) / "redis")
        for component in (kafka, online):
            stack.callback(component.stop)
            component.launch()
        kafka.wait()
        online.wait()
        yield kafka.address, online.url


def main() -> None:
    """Run and print."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--folder", type=Path, required=True)
    given.add_argument("--events", type=int, default=5_000_000)
    given.add_argument("--users", type=int, default=100_000)
    given.add_argument("--view", choices=["panes", "month"], default="panes")
    given.add_argument("--limit", type=int)
    asked = given.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with components(asked.folder) as (kafka, online):
        done = run(kafka, online, asked.folder, asked.events, asked.users, asked.view, asked.limit)
        print("\n".join([*HEAD, done.line]))


if __name__ == "__main__":
    main()
