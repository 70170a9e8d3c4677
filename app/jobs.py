"""A project's jobs, run apart from the stream: refreshes on schedule, what dead processes left, samples verified.

APScheduler says when; what a job is, and how far it is, stands in the project's folder, so that a process that was
killed forgets nothing. Owns no work: `headrace.offline` does it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from prometheus_client import CollectorRegistry, Counter, Gauge

from app.cadence import Cadence
from app.clock import now_us
from app.standing import is_late
from headrace.client import FeatureStore
from headrace.definitions import BatchSource, FeatureView, StreamSource
from headrace.errors import HeadraceError, StateError
from headrace.history.access import options_of
from headrace.history.storage import table_uri
from headrace.history.upkeep import is_kept
from headrace.offline.caring import Cared, care, care_for_values
from headrace.offline.jobs import Record, folder_of, run
from headrace.offline.submitting import refresh_record, refreshes, work_of

log = logging.getLogger("headrace.jobs")

LOOK = 2.0
"""Seconds between two looks at what is late and what was left behind."""

AGAIN = 15.0
"""Seconds after which a refresh that failed is tried again, if it is not due before."""


DAILY = 86_400.0

ONCE = "care for history"


class Jobs:
    """Runs until it is stopped. `verify_every`, `care_every`: seconds; `sample`: entities of each view that are
    verified then."""

    def __init__(
        self,
        store: FeatureStore,
        *,
        limit: int | None,
        verify_every: float,
        sample: int,
        care_every: float = DAILY,
    ) -> None:
        self._store = store
        self._limit = limit
        self._every = verify_every
        self._sample = sample
        self._folder = folder_of(store.settings)
        views = store.project.views.values()
        self._refreshed = [v for v in views if isinstance(v.source, BatchSource) and v.refresh is not None]
        self._verified = [v for v in views if isinstance(v.source, StreamSource) and v.online]
        self._kept = [s for s in store.project.sources.values() if isinstance(s, StreamSource)]
        self._written = [v for v in views if v.offline]
        self._care_every = care_every
        self._cadences = [Cadence(store, v) for v in views if v.materialize is not None]
        self._waiting = {c.name for c in self._cadences}
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(2), "looks": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._lock = threading.Lock()
        self._busy = 0
        self._seed = 0
        self._free: set[str] = set()
        self._taken: set[str] = set()
        self._late: set[str] = set()
        self._failures: set[str] = set()
        self._looked = False
        self._compared = True
        self._ending = threading.Event()
        self.metrics = CollectorRegistry()
        self._lag = Gauge(
            "headrace_refresh_lag_seconds", "Since the last refresh began", ["view"], registry=self.metrics
        )
        self._target = Gauge(
            "headrace_refresh_target_seconds", "The view's refresh=", ["view"], registry=self.metrics
        )
        self._behind = Gauge(
            "headrace_materialize_lag_seconds", "Since the newest instant", ["view"], registry=self.metrics
        )
        self._ends = Counter(
            "headrace_jobs_ended", "Jobs by how they ended", ["kind", "state"], registry=self.metrics
        )
        self._rate = Gauge(
            "headrace_verify_match_rate", "Sampled entities that match", ["view"], registry=self.metrics
        )
        self._mismatches = Counter(
            "headrace_verify_mismatches", "Values that differ", ["view", "reason"], registry=self.metrics
        )

    @property
    def failed(self) -> bool:
        """Whether a refresh, a job that was taken up or a verification failed, and has not been right since."""
        return bool(self._failures)

    @property
    def idle(self) -> bool:
        """Nothing runs, is due or was left behind, and all was verified once. What failed is not waited for."""
        with self._lock:
            now = now_us()
            due = any(v.id not in self._failures and self._due(v) <= now for v in self._refreshed)
            under_way = self._busy or self._free or self._taken or due or self._waiting - self._failures
            return self._looked and self._compared and not under_way

    def start(self) -> None:
        """Begin: refreshes that are due at once, others when they are."""
        for view in self._refreshed:
            assert view.refresh is not None
            every = view.refresh / 1e6
            self._target.labels(view.id).set(every)
            self._add(f"refresh {view.id}", partial(self._refresh, view), every, _at(self._due(view)))
        for cadence in self._cadences:
            self._add(cadence.name, partial(self._materialize, cadence), cadence.every, _at(now_us()))
        if self._kept or self._written:
            self._waiting.add(ONCE)
            self._add(ONCE, self._care, self._care_every, _at(now_us()))
        self._add("look", self._look, LOOK, _at(now_us()), executor="looks")
        if self._verified and not self._store.settings.redis.embedded:
            self._compared = False
            self._add("verify", self._verify, self._every, _at(now_us()))
        self._scheduler.start()
        told = ", ".join(v.id for v in self._refreshed) or "no view"
        log.info("jobs at %s: %s is refreshed", self._folder.folder, told)

    def stop(self, patience: float) -> bool:
        """Start nothing more, and wait `patience` seconds for what runs. Whether all of it has ended."""
        self._ending.set()
        self._scheduler.pause()
        for job in self._scheduler.get_jobs():
            job.remove()
        ending = threading.Thread(target=self._scheduler.shutdown, daemon=True)
        ending.start()
        ending.join(patience)
        return not ending.is_alive()

    def _add(
        self, id: str, act: Callable[[], object], every: float, first: datetime, executor: str = "default"
    ) -> None:
        self._scheduler.add_job(act, "interval", seconds=every, id=id, next_run_time=first, executor=executor)

    def _due(self, view: FeatureView) -> int:
        """When the next refresh is due (microseconds): at once, if one has not ended or there was none."""
        known = refreshes(self._folder, self._store.project.plan(view))
        if not known or known[-1].state not in ("done", "cancelled"):
            return 0
        assert view.refresh is not None
        return int(known[-1].arguments["begun"]) + view.refresh

    def _refresh(self, view: FeatureView) -> None:
        def work() -> Record:
            store = self._store
            record = refresh_record(store.project, store.settings, view, now_us(), self._limit)
            return self._run(record)

        if not self._tried(view.id, work) and view.refresh is not None:
            soon = _at(now_us() + min(int(AGAIN * 1e6), view.refresh))
            self._scheduler.modify_job(f"refresh {view.id}", next_run_time=soon)

    def _materialize(self, cadence: Cadence) -> None:
        """What is due of a view's instants, one job after another until nothing is."""
        more = True

        def work() -> None:
            nonlocal more
            record = cadence.record()
            more = record is not None
            if record is not None:
                self._run(record)
            if (lag := cadence.lag(now_us())) is not None:
                self._behind.labels(cadence.view).set(lag / 1e6)

        while more and not self._ending.is_set():
            if not self._tried(cadence.name, work):
                break
        (self._waiting.add if more else self._waiting.discard)(cadence.name)

    def _run(self, record: Record) -> Record:
        try:
            work = work_of(self._store.project, self._store.settings, record)
        except HeadraceError as exc:
            told = str(exc)

            def work(job: object) -> object:
                raise StateError(told)

        try:
            ended = run(self._folder, record.id, work)
        finally:
            self._ends.labels(record.kind, self._folder.get(record.id).state).inc()
        log.info("%s of %s: %s", record.kind, record.arguments.get("view"), ended.state)
        return ended

    def _tried(self, what: str, act: Callable[[], object]) -> bool:
        with self._lock:
            self._busy += 1
        try:
            act()
            self._failures.discard(what)
            return True
        except Exception as exc:
            self._failures.add(what)
            log.error("%s: %s", what, exc, exc_info=None if isinstance(exc, HeadraceError) else exc)
            return False
        finally:
            with self._lock:
                self._busy -= 1

    def _look(self) -> None:
        """Take up what no process has run for two looks (one that has just submitted a job is about to), and say
        which views are behind their target.
        """
        free = {r.id: r for r in self._folder.abandoned() if not self._on_schedule(r)}
        for id in (set(free) & self._free) - self._taken:
            log.info("taking up %s, whose process is gone", id)
            self._taken.add(id)
            self._scheduler.add_job(self._take_up, args=(free[id],), id=f"take up {id}")
        self._free = set(free)
        now = now_us()
        for view in self._refreshed:
            done = [r for r in refreshes(self._folder, self._store.project.plan(view)) if r.state == "done"]
            assert view.refresh is not None
            lag = now - int(done[-1].arguments["begun"]) if done else None
            if lag is not None:
                self._lag.labels(view.id).set(lag / 1e6)
            late = is_late(view.refresh, lag)
            if late and lag is not None and view.id not in self._late:
                log.warning(
                    "%s is %.0f s behind: its refresh= is %.0f s", view.id, lag / 1e6, view.refresh / 1e6
                )
            (self._late.add if late else self._late.discard)(view.id)
        self._looked = True

    def _on_schedule(self, record: Record) -> bool:
        """Whether its schedule takes it up: of a view that is declared so no more, nobody else would."""
        names = {c.name for c in self._cadences}
        return record.kind == "refresh" or (
            "every" in record.arguments and f"materialize {record.arguments['view']}" in names
        )

    def _take_up(self, record: Record) -> None:
        self._tried(record.id, lambda: self._run(record))
        self._taken.discard(record.id)

    def _verify(self) -> None:
        """Another sample of each online view that has history, each time."""
        self._seed += 1
        settings = self._store.settings
        for view in self._verified:
            uri = table_uri(settings.history.uri, settings.project, view.source.name)
            if not is_kept(uri, options_of(settings)):
                log.info("%s is not verified: there is no history at %s", view.id, uri)
                continue
            self._tried(f"verify {view.id}", partial(self._compare, view))
        self._compared = True

    def _care(self) -> None:
        """Retention, order and old versions of each source's history, and files of each view's values; one that fails
        keeps no other from it."""
        store = self._store
        for source in self._kept:
            self._cared(
                f"history of {source.name}", partial(care, store.project, store.settings, source, now_us())
            )
        for view in self._written:
            self._cared(f"values of {view.id}", partial(care_for_values, store.settings, view, now_us()))
        self._waiting.discard(ONCE)

    def _cared(self, what: str, act: Callable[[], Cared | None]) -> None:
        def work() -> None:
            if done := act():
                log.info("%s: %s", what, done.told())

        self._tried(what, work)

    def _compare(self, view: FeatureView) -> None:
        found = self._store.verify(view, sample=self._sample, seed=self._seed)
        self._rate.labels(view.id).set(found.rate)
        for mismatch in found.mismatches:
            self._mismatches.labels(view.id, mismatch.reason).inc()
        if found.mismatches or found.gaps:
            first = "; ".join(f"{m.entity} {m.feature} {m.reason}" for m in found.mismatches[:5])
            raise StateError(
                f"{found.matched} of {found.checked} entities match history, which lacks events in "
                f"{len(found.gaps)} partitions: {first}. See `headrace verify {view.id} --seed {self._seed}`"
            )


def _at(us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=max(us, now_us()))
