"""The process behind `headrace jobs`: settings in, an exit code out."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path

from app.worker_verb import seconds

log = logging.getLogger("headrace.jobs")

PATIENCE = 10.0
"""Seconds that work under way is given when the process is to end."""


def run(
    config: Path,
    for_: str | None,
    until_idle: str | None,
    limit: int | None,
    verify_every: str,
    sample: int,
    care_every: str,
) -> int:
    """Run until SIGTERM or SIGINT, for a time, or until there has been nothing to do for a time. The exit code."""
    from headrace.offline.giving_way import give_way

    give_way()
    from app.jobs import Jobs
    from app.metrics_server import serve
    from app.process import configure_logging
    from headrace.client import FeatureStore

    for_seconds, idle_seconds = seconds(for_, "--for"), seconds(until_idle, "--until-idle")
    every = seconds(verify_every, "--verify-every")
    care = seconds(care_every, "--care-every")
    assert every is not None
    assert care is not None
    asked = threading.Event()
    with FeatureStore(config) as store:
        configure_logging(store.settings)
        jobs = Jobs(store, limit=limit, verify_every=every, sample=sample, care_every=care)
        before = {s: signal.signal(s, lambda *_: asked.set()) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            with serve(jobs.metrics, store.settings.metrics):
                jobs.start()
                _wait(jobs, asked, for_seconds, idle_seconds)
                ended = jobs.stop(PATIENCE)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        code = int(jobs.failed)
    if not ended:
        log.warning("ending with work under way: the next start takes it up")
        logging.shutdown()
        os._exit(code)
    return code


def _wait(jobs: object, asked: threading.Event, for_seconds: float | None, idle: float | None) -> None:
    from app.jobs import Jobs

    assert isinstance(jobs, Jobs)
    begun = quiet = time.monotonic()
    while not asked.wait(0.1):
        now = time.monotonic()
        if not jobs.idle:
            quiet = now
        if for_seconds is not None and now - begun >= for_seconds:
            return
        if idle is not None and now - quiet >= idle:
            return
