"""What the demo runs on: embedded parts, a folder that begins empty, and the two processes.

Owns the order in which they start and stop. The folder begins empty because the embedded broker does: state that
knew more than its log would be refused.
"""

from __future__ import annotations

import fcntl
import shutil
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from app.demo.children import Child
from app.embedded.kafka import EmbeddedKafka
from app.embedded.redis import EmbeddedRedis
from headrace.definitions import StreamSource
from headrace.errors import UnavailableError, UsageError
from headrace.history.storage import table_uri
from headrace.settings import Address, Settings

PARTITIONS = 2  # what a flush of few events costs goes by partitions
COMMIT_EVERY = "2s"
OWN = ("state", "history", "worker.log", "history.log")
"""What a start removes from the folder."""


class Stage:
    """Everything that runs beside the demo itself; a context manager. `settings` are those of its parts."""

    def __init__(self, settings: Settings, source: StreamSource, config: Path) -> None:
        self.folder = settings.home / "data" / "demo"
        self.metrics_port = 0
        self.settings = settings
        self._source = source
        self._config = config
        self._stack = ExitStack()
        self.worker: Child
        self.history: Child

    def __enter__(self) -> Self:
        with self._stack as stack:
            self._empty_folder(stack)
            kafka = stack.enter_context(EmbeddedKafka(dict.fromkeys(self._source.topics, PARTITIONS)))
            redis = stack.enter_context(EmbeddedRedis())
            self.metrics_port = _free_port()
            self.settings = self._told(kafka.bootstrap, redis.url)
            env = self._environment(kafka.bootstrap, redis.url)
            self.worker = Child("worker", self._verb("worker"), env, self.folder / "worker.log")
            self.history = Child("history", self._verb("history"), env, self.folder / "history.log")
            stack.callback(self._stop_children)
            self.worker.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def table(self) -> Path:
        """Where the source's history table is."""
        return Path(table_uri(self.settings.history.uri, self.settings.project, self._source.name))

    def keep_history(self) -> None:
        """Start the history process: after the worker, which would start slower beside it. It reads from the start."""
        self.history.start()

    def check(self) -> None:
        """UnavailableError, with the end of its log, if a process has ended."""
        for child in (self.worker, self.history):
            if child.code is not None:
                raise UnavailableError(
                    f"the {child.name} ended with code {child.code}. The end of {child.log}:\n{child.said()}"
                )

    def _stop_children(self) -> None:
        for child in (self.worker, self.history):
            child.end()
        for child in (self.worker, self.history):
            child.stop()

    def _empty_folder(self, stack: ExitStack) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = stack.enter_context((self.folder / ".lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"a demo is running already: it holds {self.folder}. Stop it with Ctrl-C"
            ) from None
        for name in OWN:
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _verb(self, name: str) -> list[str]:
        return [name, "--config", str(self._config.resolve())]

    def _told(self, bootstrap: str, redis_url: str) -> Settings:
        s = self.settings
        return s.model_copy(
            update={
                "kafka": type(s.kafka)(bootstrap=Address(bootstrap)),
                "redis": s.redis.model_copy(update={"url": Address(redis_url)}),
                "history": type(s.history)(uri=str(self.folder / "history")),
                "state": s.state.model_copy(update={"dir": str(self.folder / "state")}),
            }
        )

    def _environment(self, bootstrap: str, redis_url: str) -> Mapping[str, str]:
        return {
            "HEADRACE_KAFKA__BOOTSTRAP": bootstrap,
            "HEADRACE_KAFKA__SECURITY_PROTOCOL": "PLAINTEXT",
            "HEADRACE_REDIS__URL": redis_url,
            "HEADRACE_HISTORY__URI": str(self.folder / "history"),
            "HEADRACE_HISTORY__EVERY": COMMIT_EVERY,
            "HEADRACE_STATE__DIR": str(self.folder / "state"),
            "HEADRACE_ENGINE__CLOCK": "wall",
            "HEADRACE_METRICS__HOST": "127.0.0.1",
            "HEADRACE_METRICS__PORT": str(self.metrics_port),
            "POLARS_MAX_THREADS": "1",  # several processes share this machine
        }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
