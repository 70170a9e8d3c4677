"""A deployment of Headrace as a user has it: a config folder, addresses in the environment, processes.

Knows the command line and the public layout of Redis and of history; imports nothing of the engine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import redis

from tests.integration.polling import until
from tests.stack.components import Components
from tests.stack.process import Command, Component
from tests.stack.s3 import ACCESS_KEY, REGION, SECRET_KEY

HERE = Path(__file__).parent
HEADRACE = [sys.executable, "-m", "headrace"]
DEADLINE = 180.0


def on_s3(uri: str, endpoint: str) -> dict[str, str]:
    """Settings that keep history on an S3 server of ours."""
    return {
        "HEADRACE_HISTORY__URI": uri,
        "HEADRACE_HISTORY__ENDPOINT": endpoint,
        "HEADRACE_HISTORY__ACCESS_KEY": ACCESS_KEY,
        "HEADRACE_HISTORY__SECRET_KEY": SECRET_KEY,
        "HEADRACE_HISTORY__REGION": REGION,
        "HEADRACE_HISTORY__ALLOW_HTTP": "true",
    }


class Process(Component):
    """A `headrace worker` or `headrace history`; ready when every partition it was given is open."""

    name = "headrace"
    deadline = DEADLINE

    def __init__(self, folder: Path, arguments: list[str], environment: Mapping[str, str]) -> None:
        super().__init__(folder)
        self._arguments = arguments
        self._environment = dict(environment)

    def command(self) -> Command:
        return Command([*HEADRACE, *self._arguments], self._environment)

    def answers(self) -> bool:
        return self.said("open at offset") or self.said("history continues at offset")

    def said(self, text: str) -> bool:
        """Whether its log has `text`."""
        return text in self.text

    @property
    def text(self) -> str:
        """Its whole log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def code(self) -> int | None:
        """Its exit code, once it has ended; -9 after SIGKILL."""
        return self._process.poll() if self._process is not None else None

    def ended(self, seconds: float = DEADLINE) -> int:
        """Its exit code, once it has ended by itself."""
        until(f"the end of {self._arguments}", lambda: not self.running, seconds)
        assert self.code is not None
        return self.code

    def ended_well(self, seconds: float = DEADLINE) -> None:
        """It ended by itself and had nothing to complain of."""
        assert self.ended(seconds) == 0, self.log_tail(60)


class Deployment:
    """One project on given components. A context manager: its processes end with it.

    `topics`: the topics of its sources, declared name -> partitions; each gets a name of its own, put in
    place of the declared one in the definitions. `environment` holds further settings.
    """

    def __init__(
        self,
        folder: Path,
        components: Components,
        project: str | Path,
        topics: Mapping[str, int],
        environment: Mapping[str, str] | None = None,
        edit: Callable[[str], str] = lambda text: text,
    ) -> None:
        self.folder = folder
        self.components = components
        self.project = components.unique("p")
        self.config = folder / "config"
        shutil.copytree(HERE / project, self.config, ignore=shutil.ignore_patterns("__pycache__"))
        self.topics = {name: components.unique(name) for name in topics}
        for name, partitions in topics.items():
            components.create_topic(self.topics[name], partitions)
        for file in (self.config / "features").glob("*.py"):
            text = edit(file.read_text())
            for name, real in self.topics.items():
                text = text.replace(f'topics=["{name}"', f'topics=["{real}"').replace(
                    f', "{name}"]', f', "{real}"]'
                )
            file.write_text(text)
        self.environment = {
            "HEADRACE_PROJECT": self.project,
            "HEADRACE_KAFKA__BOOTSTRAP": components.kafka,
            "HEADRACE_REDIS__URL": components.redis_url,
            "HEADRACE_HISTORY__URI": str(folder / "history"),
            **({"HEADRACE_REGISTRY__URL": components.registry_url} if components.registry_url else {}),
            **(environment or {}),
        }
        self.processes: list[Process] = []

    # -- processes

    def start(
        self,
        verb: str,
        *arguments: str,
        state: str = "state",
        failpoint: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Launch `headrace verb`, with a state folder and perhaps a step at which it kills itself."""
        settings = {
            **self.environment,
            "HEADRACE_STATE__DIR": str(self.folder / state),
            "COLUMNS": "1000",  # no sentence of the log is broken
            **({"HEADRACE_FAILPOINT": failpoint} if failpoint else {}),
            **(environment or {}),
        }
        process = Process(
            self.folder / f"{verb}-{len(self.processes) + 1}",
            [verb, *arguments, "--config", str(self.config)],
            settings,
        )
        self.processes.append(process)
        process.launch()
        return process

    def run(self, verb: str, idle: str = "1s", **options: Any) -> Process:
        """Run `headrace verb` until it has been idle for so long; it must end well."""
        process = self.start(verb, "--until-idle", idle, **options)
        process.ended_well()
        return process

    def ask(self, *arguments: str, code: int = 0) -> Any:
        """What a verb that prints data says with `--json`."""
        told = subprocess.run(
            [*HEADRACE, *arguments, "--json", "--config", str(self.config)],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert told.returncode == code, f"{arguments}: exit {told.returncode}\n{told.stdout}{told.stderr}"
        return json.loads(told.stdout)

    def __enter__(self) -> Deployment:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()

    # -- what the others see

    def features(self, view: str) -> dict[str, dict[str, str]]:
        """Every hash of `view@version` in Redis, by the key's last part; fields of ours (`_...`) left out."""
        prefix = f"{self.project}:{view}:"
        with redis.Redis.from_url(self.environment["HEADRACE_REDIS__URL"], decode_responses=True) as client:
            keys = sorted(client.scan_iter(match=f"{prefix}*", count=10_000))
            pipe = client.pipeline(transaction=False)
            for key in keys:
                pipe.hgetall(key)
            found = dict(zip(keys, pipe.execute(), strict=True))
        return {
            key.removeprefix(prefix): {f: v for f, v in fields.items() if not f.startswith("_")}
            for key, fields in found.items()
            if fields  # it may have expired in between
        }

    def dead_letters(self) -> list[dict[str, Any]]:
        """`headrace dead-letters list --json`."""
        found: list[dict[str, Any]] = self.ask("dead-letters", "list", "--last", "100000")
        return found

    def committed(self, process: str = "worker") -> dict[tuple[str, int], int | None]:
        """(topic, partition) -> the offset committed, of `headrace status --json`."""
        rows = self.ask("status")["lag"]
        return {(r["topic"], r["partition"]): r["committed"] for r in rows if r["process"] == process}

    def lag(self, process: str = "worker") -> dict[tuple[str, int], int | None]:
        """(topic, partition) -> events not committed, of `headrace status --json`."""
        rows = self.ask("status")["lag"]
        return {(r["topic"], r["partition"]): r["lag"] for r in rows if r["process"] == process}
