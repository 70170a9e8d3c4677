"""New versions that begin with history, under load: no event twice, none missing, whoever is killed when."""

from __future__ import annotations

import itertools
import os
import random
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest

from headrace.history.read import read_history
from tests.integration import views
from tests.integration.deployment import Deployment, Process
from tests.integration.polling import until
from tests.integration.producing import Sender
from tests.integration.recomputation import differences
from tests.integration.watching import Watcher
from tests.stack.components import RealComponents

pytestmark = pytest.mark.integration

SETTINGS = {
    "HEADRACE_ENGINE__CLOCK": "2026-01-10T12:34:56.789012Z",
    "HEADRACE_STATE__MAX_EVENTS": "500",
    "HEADRACE_KAFKA__INSTANCE": "only",  # the group need not wait for the one that was killed
    "HEADRACE_HISTORY__EVERY": "500ms",
}
NEXT = '''"""The same views once more, which begin with history."""

from datetime import timedelta

import headrace as hr
from features.payments import by_merchant, by_user


def again(view: hr.FeatureView) -> hr.FeatureView:
    return hr.FeatureView(
        view.name,
        version=VERSION,
        entity=view.entity,
        source=view.source,
        where=view.where,
        columns=dict(view.columns),
        transform=view.transform,
        granularity=None if view.granularity is None else timedelta(microseconds=view.granularity),
        features=dict(view.features),
        ttl=None if view.ttl is None else timedelta(microseconds=view.ttl),
        backfill=BACKFILL,
    )


later = [again(by_user), again(by_merchant)]
'''
OLD = {"by_user@9": "by_user@1", "by_merchant@9": "by_merchant@2"}
JOB_STEPS = ["after_history:1", "after_part:1", "before_commit:1"]
AT_ITS_END = "after_hand_over:1"
WORKER_STEPS = ["after_changelog", "after_rocksdb", "after_redis"]


class Load:
    """Payments that keep coming, some two hundred a second, while it is entered."""

    def __init__(self, sender: Sender, topic: str, seed: int) -> None:
        self._sender, self._topic = sender, topic
        self._events = iter(views.payments(40_000, seed=seed))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.failed: list[BaseException] = []

    def some(self, count: int) -> None:
        part = list(itertools.islice(self._events, count))
        self._sender.send_all(self._topic, views.SCHEMA, "user_id", part)

    def _send(self) -> None:
        try:
            while not self._stopping.wait(0.1):
                self.some(20)
        except BaseException as exc:
            self.failed.append(exc)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        assert self.failed == []


class Scene:
    """A deployment under load, with history and a worker that is started again when it was killed."""

    def __init__(self, folder: Path, real: RealComponents, seed: int) -> None:
        self.rng = random.Random(seed)
        self.deployment = Deployment(folder, real, "payments", {"payments": 3}, SETTINGS)
        self.sender = Sender(real.kafka)
        self.load = Load(self.sender, self.deployment.topics["payments"], seed)

    def declare(self, backfill: str | None, version: int = 9) -> None:
        text = NEXT.replace("BACKFILL", repr(backfill)).replace("VERSION", str(version))
        (self.deployment.config / "features" / f"later{version}.py").write_text(text)

    def frames(self) -> tuple[str, str]:
        """What history has, as Parquet: rows that say where they stand, and rows that do not."""
        folder = self.deployment.folder
        uri = folder / "history" / self.deployment.project / "sources" / "payments"
        rows = read_history(str(uri)).sort("_partition", "_offset").collect()
        rows.write_parquet(folder / "placed.parquet")
        rows.drop("_topic", "_partition", "_offset").write_parquet(folder / "plain.parquet")
        return f"{folder}/placed.parquet", f"{folder}/plain.parquet"

    def worker(self, failpoint: str | None = None) -> Process:
        process = self.deployment.start("worker", failpoint=failpoint)
        until("an open worker", lambda: process.said("open at offset") or not process.running)
        return process

    def backfill(self, view: str, failpoint: str | None = None, *options: str) -> Process:
        """One job, to its end."""
        process = self.deployment.start("backfill", view, *options, failpoint=failpoint)
        process.ended()
        return process

    def backfills(self, failpoints: dict[str, str | None], *options: str) -> list[int | None]:
        """The exit codes of jobs side by side, one for each view; -9 for those that died at their step."""
        jobs = [
            self.deployment.start("backfill", view, *options, failpoint=step)
            for view, step in failpoints.items()
        ]
        return [job.ended() for job in jobs]

    def kept(self) -> None:
        """History has some of every partition."""
        uri = (
            self.deployment.folder
            / "history"
            / self.deployment.project
            / "sources"
            / "payments"
            / "_delta_log"
        )
        until("history", lambda: len(list(uri.glob("*.json"))) > 3)

    def differing(self, wanted: dict[str, str]) -> list[str]:
        """Every difference between these views (id -> the one it repeats) and the recomputation of the topic."""
        sent = self.sender.sent
        return [
            f"{new} {line}"
            for new, old in wanted.items()
            for line in differences(
                views.recomputed(old, sent, lambda s: views.NOW), self.deployment.features(new)
            )
        ]

    def right(self, wanted: dict[str, str]) -> None:
        last: list[Any] = []

        def look() -> bool:
            last[:] = self.differing(wanted)
            return not last

        try:
            until("values that equal the recomputation", look)
        except AssertionError as error:
            logs = "\n".join(f"--- {p.log.parent.name}\n{p.log_tail()}" for p in self.deployment.processes)
            raise AssertionError(f"{error}\n" + "\n".join(last[:10]) + "\n" + logs) from None


def waits(deployment: Deployment, view: str) -> bool:
    """Whether a worker says that this view waits for its history."""
    return any(view in worker["waiting"] for worker in deployment.ask("status")["workers"])


@pytest.mark.parametrize("seed", range(1, 1 + int(os.environ.get("SEEDS", "1"))))  # SEEDS=10 for a long run
def test_new_versions_begin_with_history_under_load_and_kills(
    real: RealComponents, tmp_path: Path, seed: int
) -> None:
    scene = Scene(tmp_path, real, seed)
    merchants = [views.text(m) for m in views.MERCHANTS]
    with (
        scene.deployment as deployment,
        Watcher(deployment, "by_merchant@2", merchants, "payments_ever") as old,
        Watcher(deployment, "by_merchant@9", merchants, "payments_ever") as new,
    ):
        scene.load.some(2_000)
        deployment.start("history")
        scene.worker().terminate()
        with scene.load:
            scene.kept()
            deployment.processes[-1].ended()
            scene.declare("2025-01-01T00:00:00Z")
            worker = scene.worker()
            assert scene.backfills({view: scene.rng.choice(JOB_STEPS) for view in OLD}) == [-9, -9]
            assert [deployment.features(view) for view in OLD] == [{}, {}], "a shadow is not shown"
            until("a worker that waits with it", lambda: waits(deployment, "by_merchant@9"))
            refused = deployment.ask("promote", "by_merchant@9", code=1)["detail"]
            assert "`by_merchant@9` is a shadow still: it waits for its history" in refused
            assert deployment.ask("get", "by_merchant", merchants[0])[0]["version"] == "2"
            first, second = sorted(OLD, key=lambda _: scene.rng.random())
            assert scene.backfill(first, None, "--limit", "200").code == 0
            until("a worker that takes it up", lambda: worker.said("history is there for what waited"))
            until("values of it", lambda: deployment.features(first))
            worker.kill()
            worker = scene.worker(f"{scene.rng.choice(WORKER_STEPS)}:{scene.rng.randrange(2, 60)}")
            step = scene.rng.choice([None, AT_ITS_END])
            assert scene.backfill(second, step).code == (-9 if step else 0)
            assert scene.backfills(dict.fromkeys(OLD)) == [0, 0], "what is done is done"
            if not worker.running:
                worker = scene.worker()
            until("values of the new versions", lambda: all(map(deployment.features, OLD)))
            worker.kill()
            worker = scene.worker()
        scene.sender.flush()
        scene.right(OLD | {v: v for v in views.VIEWS})
        told = deployment.ask("promote", "by_merchant@9")
        assert told == {"view": "by_merchant", "version": "9", "before": "2"}
        assert deployment.ask("get", "by_merchant", merchants[0])[0]["version"] == "9"
    assert old.backwards == []
    assert new.backwards == []


def test_a_view_that_declares_nothing_is_backfilled_while_no_worker_runs(
    real: RealComponents, tmp_path: Path
) -> None:
    scene = Scene(tmp_path, real, 7)
    with scene.deployment as deployment:
        scene.load.some(2_000)
        deployment.run("history")
        worker = scene.worker()
        scene.declare(None)
        job = scene.backfill("by_user@9")
        assert (job.code, job.said("declares no backfill=")) == (2, True), job.text
        job = scene.backfill("by_user@9", None, "--from", "2025-01-01")
        assert (job.code, job.said("or stop the workers until the backfill is done")) == (1, True), job.text
        worker.terminate()
        worker.ended_well()
        placed, plain = scene.frames()
        midway = datetime.now(UTC).isoformat()
        scene.load.some(500)
        scene.declare("2025-01-01", version=8)
        job = scene.backfill("by_user@8", None, "--events", plain)
        assert (job.code, job.said("each row must say where it stands in the topic")) == (2, True), job.text
        assert scene.backfill("by_user@8", None, "--events", placed).code == 0
        assert scene.backfill("by_merchant@8", None, "--events", plain, "--to", midway).code == 0
        job = scene.backfill("by_user@9", None, "--from", "2025-01-01", "--to", "2100-01-01")
        assert job.code == 0, job.text
        job = scene.backfill("by_merchant@9", None, "--from", "2025-01-01", "--to", "2020-01-01")
        assert (job.code, job.said("by_merchant@9 goes on with the stream")) == (0, True), job.text
        scene.load.some(500)
        deployment.run("worker")
        assert scene.differing(OLD | {"by_user@8": "by_user@1", "by_merchant@8": "by_merchant@2"}) == []
        job = scene.backfill("by_user@9", None, "--from", "2025-01-01")
        assert (job.code, job.said("has state already")) == (1, True), job.text
