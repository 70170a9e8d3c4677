"""Jobs: offline work with a state that outlives its process, and handles to wait for it and to cancel it.

A job is a JSON file in a folder: ``pending running done failed cancelled``, its arguments, and which of its parts are
done. A process that was killed leaves `running` behind with an owner that is gone; the same job, taken up again,
does not repeat finished parts. Refuses to know what work is.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import math
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TextIO, TypeAlias

import orjson

from headrace.errors import HeadraceError, StateError, UsageError, did_you_mean
from headrace.settings import Settings

log = logging.getLogger("headrace.jobs")

State: TypeAlias = Literal["pending", "running", "done", "failed", "cancelled"]
ENDED: frozenset[str] = frozenset({"done", "failed", "cancelled"})

Work: TypeAlias = Callable[["Running"], object]


@dataclass(frozen=True)
class Record:
    """A job as it is kept. `finished` names its parts that are done, of `parts` in all; `result` is what its work
    tells of what it did."""

    id: str
    kind: str
    arguments: Mapping[str, Any]
    state: State = "pending"
    parts: int = 0
    finished: tuple[str, ...] = ()
    error: str | None = None
    result: Mapping[str, Any] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "finished": len(self.finished)}


@dataclass(frozen=True)
class JobFolder:
    """The jobs of a project, one file each; for any number of processes."""

    folder: Path

    def submit(self, kind: str, arguments: Mapping[str, Any]) -> Record:
        """The job of this kind and these arguments: as it is if it has not ended, else anew.

        One that failed or was cancelled keeps the parts that were done.
        """
        text = orjson.dumps([kind, arguments], option=orjson.OPT_SORT_KEYS)
        id = f"{kind}-{hashlib.sha256(text).hexdigest()[:12]}"
        with self._locked():
            known = self._read(id)
            if known is not None and known.state not in ENDED:
                return known
            kept = known.finished if known is not None and known.state != "done" else ()
            record = Record(id, kind, dict(arguments), finished=kept)
            self._write(record)
            return record

    def get(self, id: str) -> Record:
        """A job. UsageError, with the nearest, if there is none."""
        found = self._read(id)
        if found is None:
            known = [r.id for r in self.list()]
            raise UsageError(f"no job `{id}`. {did_you_mean(id, known) or 'See `headrace jobs list`.'}")
        return found

    def list(self) -> list[Record]:
        """Every job, by id."""
        found = (self._read(path.stem) for path in sorted(self.folder.glob("*.json")))
        return [record for record in found if record is not None]

    def cancel(self, id: str) -> Record:
        """Ask a job to end at its next part; one that has ended stays as it is."""
        return self.change(
            self.get(id).id, lambda r: r if r.state in ENDED else replace(r, state="cancelled")
        )

    def change(self, id: str, by: Callable[[Record], Record]) -> Record:
        """Replace a job's record by what becomes of it; no change of another process is lost."""
        with self._locked():
            record = by(self.get(id))
            self._write(record)
            return record

    def forget(self, id: str) -> None:
        """Take a job that has ended off the list."""
        with self._locked():
            record = self._read(id)
            if record is not None and record.state in ENDED:
                (self.folder / f"{id}.json").unlink()
                (self.folder / f"{id}.lock").unlink(missing_ok=True)

    def abandoned(self) -> tuple[Record, ...]:
        """The jobs that have not ended and that no process runs now."""
        return tuple(r for r in self.list() if r.state not in ENDED and self._is_free(r.id))

    def _is_free(self, id: str) -> bool:
        with self.owned(id, attempts=1) as mine:
            return mine

    @contextmanager
    def owned(self, id: str, *, attempts: int = 5) -> Iterator[bool]:
        """Whether this is the one that runs the job now; the system takes the claim back from a process that died.

        More than one attempt, since somebody may hold the claim for an instant to see whether it is free.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{id}.lock").open("w") as lock:
            yield any(_claimed(lock, pause=0.02 if attempt else 0.0) for attempt in range(attempts))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as exc:
            raise StateError(f"jobs at {self.folder}: {exc.strerror or exc}") from exc

    def _read(self, id: str) -> Record | None:
        try:
            told = orjson.loads((self.folder / f"{id}.json").read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return None
        return Record(**{**told, "finished": tuple(told["finished"])})

    def _write(self, record: Record) -> None:
        part = self.folder / f".{record.id}.part"
        part.write_bytes(orjson.dumps(asdict(record)))
        part.replace(self.folder / f"{record.id}.json")


def _claimed(lock: TextIO, pause: float) -> bool:
    time.sleep(pause)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def folder_of(settings: Settings) -> JobFolder:
    """Where a project's jobs are kept: beside its state."""
    return JobFolder(Path(settings.state.dir) / "jobs")


@dataclass
class Running:
    """A job as its work sees it."""

    folder: JobFolder
    record: Record

    def plan(self, parts: Sequence[str]) -> list[str]:
        """Say what the parts are; those that are still to do."""
        self.record = self.folder.change(self.record.id, lambda r: replace(r, parts=len(parts)))
        return [p for p in parts if p not in set(self.record.finished)]

    def note(self, **result: object) -> None:
        """Tell something of what was done."""
        self.record = self.folder.change(self.record.id, lambda r: replace(r, result={**r.result, **result}))

    def finished(self, part: str) -> bool:
        """A part is done, durably. False if the job is to end."""
        self.record = self.folder.change(self.record.id, lambda r: replace(r, finished=(*r.finished, part)))
        return self.record.state == "running"


def run(folder: JobFolder, id: str, work: Work) -> Record:
    """Run a job to its end, unless another process does: its record then. Failures are in the record, too."""
    with folder.owned(id) as mine:
        if not mine or folder.get(id).state in ENDED:
            return folder.get(id)
        record = folder.change(id, lambda r: replace(r, state="running", error=None))
        try:
            work(Running(folder, record))
        except BaseException as exc:
            told = (
                str(exc)
                if isinstance(exc, HeadraceError)
                else "".join(traceback.format_exception_only(exc)).strip()
            )
            log.error("job %s: %s", id, told)
            folder.change(id, lambda r: replace(r, state="failed", error=told) if r.state == "running" else r)
            raise
        return folder.change(id, lambda r: replace(r, state="done") if r.state == "running" else r)


def _waited(ended: threading.Event, timeout: float | None) -> bool:
    """Whether it came within `timeout` seconds.

    In short waits, since the system may give Ctrl-C to a thread that is no Python's; and no thread is joined, since one
    whose join Ctrl-C cut short counts as ended.
    """
    until = math.inf if timeout is None else time.monotonic() + timeout
    while not ended.wait(min(0.2, max(until - time.monotonic(), 0.0))):
        if time.monotonic() >= until:
            return False
    return True


@dataclass
class Job:
    """A handle to a job that runs in a thread of this process."""

    folder: JobFolder
    id: str
    _ended: threading.Event | None = None
    _errors: list[BaseException] = field(default_factory=list)

    @classmethod
    def start(cls, folder: JobFolder, record: Record, work: Work) -> Job:
        """Start a submitted job."""
        ended = threading.Event()
        job = cls(folder, record.id, ended)

        def body() -> None:
            try:
                run(folder, record.id, work)
            except BaseException as exc:
                job._errors.append(exc)
            finally:
                ended.set()

        threading.Thread(target=body, name=record.id, daemon=True).start()
        return job

    @property
    def state(self) -> State:
        """`pending running done failed cancelled`."""
        return self.folder.get(self.id).state

    @property
    def progress(self) -> tuple[int, int]:
        """How many of its parts are done, and how many there are."""
        record = self.folder.get(self.id)
        return len(record.finished), record.parts

    def cancel(self) -> None:
        """End it at its next part. What is done stays."""
        self.folder.cancel(self.id)

    def wait(self, timeout: float | None = None) -> Job:
        """Wait for its end, at most `timeout` seconds: TimeoutError. Raises what made it fail."""
        if self._ended is not None and not _waited(self._ended, timeout):
            raise TimeoutError(f"job {self.id} is {self.state} after {timeout} s")
        if self._errors:
            raise self._errors[0]
        return self
