"""Flink SQL: a JobManager and a TaskManager of its own, RocksDB, exactly-once checkpoints, sampled over REST."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.events import user
from bench.peers.engine import SHOWN, W1, W2, Count, Engine, EngineError, Job, Running, Task, Window, Windows
from bench.peers.installing import environment, jars
from tests.stack.install import once
from tests.stack.java import java
from tests.stack.ports import free_port

FLINK = "2.2.1"
CONNECTOR = "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2"
ARTIFACTS = (f"org.apache.flink:flink-avro:{FLINK}", CONNECTOR, f"org.apache.flink:flink-sql-gateway:{FLINK}")
HEAP = "4096m"

_TABLE = """
CREATE TABLE txn (event_id STRING NOT NULL, user_id STRING NOT NULL, merchant_id STRING NOT NULL,
  amount DOUBLE NOT NULL, currency STRING NOT NULL, country STRING NOT NULL, device STRING, ts BIGINT NOT NULL,
  is_online BOOLEAN NOT NULL, item_count INT NOT NULL,
  rt AS TO_TIMESTAMP_LTZ(ts, 3), WATERMARK FOR rt AS rt - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{broker}',
  'scan.startup.mode' = 'earliest-offset', {bounded} 'format' = 'avro');
CREATE TABLE o (w TIMESTAMP(3), user_id STRING, n BIGINT, s DOUBLE, mn DOUBLE, mx DOUBLE)
WITH ('connector' = '{sink}');
"""
_AGGREGATES = "COUNT(*) n, SUM(amount) s, MIN(amount) mn, MAX(amount) mx"
_MINI_BATCH = """
SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.exec.mini-batch.allow-latency' = '1 s';
SET 'table.exec.mini-batch.size' = '5000';
"""
_CONFIG = """
env: {{java: {{opts: {{all: "{exports}"}}}}}}
jobmanager: {{bind-host: localhost, rpc: {{address: localhost, port: {rpc}}}, memory: {{process: {{size: 1200m}}}}}}
taskmanager: {{bind-host: localhost, host: localhost, numberOfTaskSlots: 1, memory: {{process: {{size: {heap}}}}}}}
parallelism: {{default: 1}}
rest: {{address: localhost, port: {rest}}}
state: {{backend: {{type: rocksdb, incremental: true}}}}
execution: {{checkpointing: {{interval: 10s, dir: "file://{folder}/checkpoints", mode: EXACTLY_ONCE}}}}
metrics: {{fetcher: {{update-interval: 500}}}}
io: {{tmp: {{dirs: {folder}}}}}
"""


class Flink(Engine):
    """Windows that are emitted as they close (a window TVF)."""

    name = "flink"
    title = "Flink SQL, RocksDB, exactly once, emits at close"
    emits = "each window as it closes"
    tasks = frozenset({W1.name, W2.name})
    mini_batch = False

    def install(self) -> str:
        home, libraries = _home(), _libraries()
        if not (home / "bin" / "sql-client.sh").exists() or not any(libraries.glob("flink-avro*.jar")):
            raise EngineError(f"{home} or {libraries} is not whole: remove them and try again")
        return f"flink {FLINK}, {CONNECTOR.split(':', 1)[1].replace(':', ' ')}, Java 17 or newer"

    def events(self, task: Task) -> int:
        return 4_000_000 if task == W1 else 2_000_000

    def start(self, job: Job) -> Running:
        return Cluster(job, self.script(job))

    def script(self, job: Job) -> str:
        """The SQL of a job."""
        select = self.query(job.task)
        if job.check:
            select = f"SELECT * FROM ({select}) x WHERE user_id = '{user(SHOWN)}'"
        table = _TABLE.format(
            topic=job.topic,
            broker=job.kafka,
            bounded="'scan.bounded.mode' = 'latest-offset'," if job.check else "",
            sink="print" if job.check else "blackhole",
        )
        return f"SET 'table.local-time-zone' = 'UTC';{self.settings()}{table}INSERT INTO o {select};\n"

    def settings(self) -> str:
        """What is set for this variant."""
        return ""

    def query(self, task: Task) -> str:
        """The windows of a task."""
        on = "TABLE txn, DESCRIPTOR(rt)"
        function = (
            f"TUMBLE({on}, INTERVAL '{task.size}' SECOND)"
            if task.size == task.step
            else f"HOP({on}, INTERVAL '{task.step // 60}' MINUTE, INTERVAL '{task.size // 60}' MINUTE)"
        )
        groups = "GROUP BY window_start, window_end, user_id"
        return f"SELECT window_start, user_id, {_AGGREGATES} FROM TABLE({function}) {groups}"


class FlinkMiniBatch(Flink):
    """The same as a GROUP BY that emits changes, in mini-batches of a second: Flink's fastest with RocksDB."""

    name = "flink-mini-batch"
    title = "Flink SQL, RocksDB, exactly once, changes in mini-batches of 1 s"
    emits = "changed windows at each mini-batch"
    tasks = frozenset({W1.name})

    def settings(self) -> str:
        return _MINI_BATCH + "SET 'table.exec.state.ttl' = '1 h';\n"

    def query(self, task: Task) -> str:
        ms = 1000 * task.size
        start = f"CAST(TO_TIMESTAMP_LTZ(ts / {ms} * {ms}, 3) AS TIMESTAMP(3))"
        return f"SELECT {start}, user_id, {_AGGREGATES} FROM txn GROUP BY ts / {ms} * {ms}, user_id"


class Cluster(Running):
    """One JobManager, one TaskManager and one job; the SQL client submits it and is gone."""

    def __init__(self, job: Job, script: str) -> None:
        self._folder = job.folder.resolve()
        self._rest = f"http://localhost:{(rest := free_port())}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._metric = ""
        try:
            self._id, self._vertices = self._submit(job, script, rest)
        except BaseException:
            self.stop()
            raise

    def pids(self) -> list[int]:
        return [p.pid for p in self._processes]

    def count(self) -> Count | None:
        job = self._get(f"/jobs/{self._id}")
        if job["state"] == "FAILED":
            raise EngineError(json.dumps(self._get(f"/jobs/{self._id}/exceptions"))[:3000])
        source, *rest = self._vertices
        wall = time.monotonic()
        events = self._metric_of(source, "Source__txn", "numRecordsIn")
        emitted = self._metric_of(rest[-1], "Writer", "numRecordsIn") if rest else 0.0
        return Count(wall, events, emitted) if events else None

    def windows(self) -> Windows | None:
        return printed((self._folder / "taskmanager.log").read_text(errors="replace").splitlines())

    def stop(self) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(self._folder / "checkpoints", ignore_errors=True)

    def _submit(self, job: Job, script: str, rest: int) -> tuple[str, list[str]]:
        variables = self._configure(rest)
        for name in ("jobmanager", "taskmanager"):
            with (self._folder / f"{name}.log").open("wb") as log:
                command = ["bash", str(_home() / "bin" / f"{name}.sh"), "start-foreground"]
                self._processes.append(
                    subprocess.Popen(
                        job.pinned(command),
                        env=variables,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        end = time.monotonic() + 120
        while not self._slots():
            if time.monotonic() > end or any(p.poll() is not None for p in self._processes):
                raise EngineError(
                    "Flink did not start:\n" + (self._folder / "taskmanager.log").read_text()[-2000:]
                )
            time.sleep(0.5)
        (self._folder / "job.sql").write_text(script)
        client = ["bash", str(_home() / "bin" / "sql-client.sh"), "-f", str(self._folder / "job.sql")]
        done = subprocess.run(client, env=variables, capture_output=True, text=True, check=False, timeout=180)
        found = re.search(r"Job ID: (\w+)", done.stdout)
        if found is None:
            raise EngineError(f"Flink refused the job:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        return found[1], [v["id"] for v in self._get(f"/jobs/{found[1]}")["vertices"]]

    def _configure(self, rest: int) -> dict[str, str]:
        """Write the cluster's configuration; the environment of its scripts."""
        conf = self._folder / "conf"
        conf.mkdir()
        home = _home()
        for each in (home / "conf").glob("log4j*"):
            shutil.copy(each, conf)
        given = (home / "conf" / "config.yaml").read_text()
        exports = next(
            x.split("all:", 1)[1].strip() for x in given.splitlines() if x.strip().startswith("all:")
        )
        (conf / "config.yaml").write_text(
            _CONFIG.format(exports=exports, rpc=free_port(), rest=rest, folder=self._folder, heap=HEAP)
        )
        return {
            **os.environ,
            "JAVA_HOME": str(java(17).resolve().parents[1]),
            "FLINK_HOME": str(home),
            "_FLINK_HOME_DETERMINED": "1",
            "FLINK_CONF_DIR": str(conf),
            "FLINK_LIB_DIR": str(_libraries()),
            "FLINK_LOG_DIR": str(self._folder),
        }

    def _slots(self) -> bool:
        try:
            return int(self._get("/overview")["slots-total"]) >= 1
        except OSError:
            return False

    def _metric_of(self, vertex: str, operator: str, name: str) -> float:
        """The sum over subtasks of an operator's metric; 0 while it is not there."""
        base = f"/jobs/{self._id}/vertices/{vertex}/subtasks/metrics"
        every = [m["id"] for m in self._get(base)]
        found = [m for m in every if operator in m and m.endswith("." + name)]
        values = self._get(f"{base}?get={found[0]}&agg=sum") if found else []
        return float(values[0]["sum"]) if values else 0.0

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self._rest + path, timeout=10) as answer:
            return json.load(answer)


def printed(lines: Iterable[str]) -> Windows:
    """The windows that the print sink wrote, the last state of each."""
    found: dict[int, Window] = {}
    for line in lines:
        row = re.search(r"\+[IU]\[([^,]+), \w+, (\S+), (\S+), (\S+), (\S+)\]", line)
        if row:
            start = datetime.fromisoformat(row[1]).replace(tzinfo=UTC)
            found[int(start.timestamp() * 1000)] = Window(int(row[2]), *map(float, row.groups()[2:]))
    return found


def _home() -> Path:
    """The distribution that Flink's Python packages carry, jars and scripts; nothing of their Python is used."""
    python = environment("flink", "--no-deps", f"apache-flink-libraries=={FLINK}", f"apache-flink=={FLINK}")
    return next((python.parents[1] / "lib").glob("python*/site-packages/pyflink"))


def _libraries() -> Path:
    """The jars of the distribution beside those of Kafka, Avro and the SQL client."""
    more = jars("flink", *ARTIFACTS)

    def gather(to: Path) -> None:
        own = {p.name for p in (_home() / "lib").glob("*.jar")}
        for name in own:
            (to / name).symlink_to(_home() / "lib" / name)
        for each in more.glob("*.jar"):
            if each.name not in own and each.name.startswith(_WANTED):
                (to / each.name).symlink_to(each)

    return once(f"peer-flink-libraries-{_home().parents[3].name[-10:]}-{more.name[-10:]}", gather)


_WANTED = (
    "flink-avro",
    "flink-sql-connector-kafka",
    "flink-sql-gateway",
    "avro-",
    "jackson-",
    "commons-compress",
)
