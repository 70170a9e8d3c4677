"""Kafka Streams: RocksDB and changelog, exactly once, one stream thread."""

from __future__ import annotations

import json
from pathlib import Path

from bench.events import SCHEMA, user
from bench.peers.engine import SHOWN, W1, W2, Engine, Job, Running, Task
from bench.peers.installing import classes, jars
from bench.peers.lines import LineProcess
from tests.stack.java import java

ARTIFACTS = (
    "org.apache.kafka:kafka-streams:4.1.1",
    "org.apache.avro:avro:1.12.0",
    "org.slf4j:slf4j-simple:1.7.36",
)
SOURCE = Path(__file__).parent / "programs" / "Windows.java"


class KafkaStreams(Engine):
    """Exactly-once v2 with a commit every 100 ms, which is Headrace's flush."""

    name = "kafka-streams"
    title = "Kafka Streams, RocksDB + changelog, exactly once, commit every 100 ms"
    emits = "changed windows at each commit"
    tasks = frozenset({W1.name, W2.name})

    def install(self) -> str:
        self._classpath()
        return (
            ", ".join(each.split(":", 1)[1].replace(":", " ") for each in ARTIFACTS[:2])
            + ", Java 17 or newer"
        )

    def events(self, task: Task) -> int:
        return 4_000_000 if task == W1 else 400_000

    def start(self, job: Job) -> Running:
        schema = job.folder / "txn.avsc"
        schema.write_text(json.dumps(SCHEMA))
        given = {
            "broker": job.kafka,
            "topic": job.topic,
            "schema": schema,
            "size": job.task.size,
            "advance": job.task.step,
            "state": job.folder / "state",
            "guarantee": "exactly_once_v2",
            "commit": 100,
            **({"show": user(SHOWN)} if job.check else {}),
        }
        machine = ["-Xms1g", "-Xmx1g", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        command = [str(java(17)), *machine, "-cp", self._classpath(), "Windows"]
        return LineProcess(job, command + [f"{key}={value}" for key, value in given.items()])

    def _classpath(self) -> str:
        libraries = f"{jars(self.name, *ARTIFACTS)}/*"
        return f"{classes(SOURCE, libraries)}:{libraries}"
