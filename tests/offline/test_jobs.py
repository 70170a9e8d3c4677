"""Jobs keep their state beside the process: taken up again, ended once, cancelled between parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.errors import UnavailableError, UsageError
from headrace.offline.jobs import Job, JobFolder, Record, Running, run

PARTS = ["a", "b", "c"]


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(tmp_path / "jobs")


@pytest.fixture
def job(folder: JobFolder) -> Record:
    return folder.submit("count", {"to": 3})


class Away(BaseException):
    """As a process that is killed."""


def worked(done: list[str], stop_at: str | None = None, by: BaseException | None = None):  # type: ignore[no-untyped-def]
    def work(running: Running) -> None:
        for part in running.plan(PARTS):
            if part == stop_at and by is not None:
                raise by
            done.append(part)
            if not running.finished(part):
                return

    return work


def test_a_job_runs_to_its_end(folder: JobFolder, job: Record) -> None:
    done: list[str] = []
    ended = Job.start(folder, job, worked(done)).wait(30)
    assert (ended.state, ended.progress, done) == ("done", (3, 3), PARTS)


def test_finished_parts_are_not_repeated(folder: JobFolder, job: Record) -> None:
    done: list[str] = []
    with pytest.raises(UnavailableError):
        run(folder, job.id, worked(done, "c", UnavailableError("S3 is away")))
    assert (folder.get(job.id).state, folder.get(job.id).error) == ("failed", "S3 is away")
    again = folder.submit("count", {"to": 3})
    assert again.id == job.id
    assert run(folder, again.id, worked(done)).state == "done"
    assert done == PARTS


def test_a_killed_process_leaves_a_job_that_goes_on(folder: JobFolder, job: Record) -> None:
    done: list[str] = []

    def killed(running: Running) -> None:
        running.plan(PARTS)
        running.finished("a")

    with folder.owned(job.id):
        killed(Running(folder, folder.change(job.id, lambda r: Record(r.id, r.kind, r.arguments, "running"))))
    assert folder.get(job.id).state == "running"
    assert run(folder, folder.submit("count", {"to": 3}).id, worked(done)).state == "done"
    assert done == ["b", "c"]


def test_a_job_that_ended_well_begins_anew(folder: JobFolder, job: Record) -> None:
    done: list[str] = []
    run(folder, job.id, worked(done))
    run(folder, folder.submit("count", {"to": 3}).id, worked(done))
    assert done == PARTS * 2


def test_only_one_runs_a_job(folder: JobFolder, job: Record) -> None:
    done: list[str] = []
    with folder.owned(job.id) as mine:
        assert mine
        assert run(folder, job.id, worked(done)).state == "pending"
    assert done == []


def test_a_cancelled_job_ends_at_its_next_part_and_can_go_on(folder: JobFolder, job: Record) -> None:
    done: list[str] = []

    def work(running: Running) -> None:
        for part in running.plan(PARTS):
            done.append(part)
            folder.cancel(job.id)
            if not running.finished(part):
                return

    assert run(folder, job.id, work).state == "cancelled"
    assert run(folder, job.id, worked(done)).state == "cancelled"
    assert done == ["a"]
    run(folder, folder.submit("count", {"to": 3}).id, worked(done))
    assert done == PARTS


def test_waiting_has_an_end_and_raises_what_failed(folder: JobFolder, job: Record) -> None:
    started = Job.start(folder, job, worked([], "a", ValueError("odd")))
    with pytest.raises(ValueError, match="odd"):
        started.wait(30)
    assert folder.get(job.id).error == "ValueError: odd"


def test_jobs_are_listed_and_a_wrong_name_is_told(folder: JobFolder, job: Record) -> None:
    assert [r.id for r in folder.list()] == [job.id]
    with pytest.raises(UsageError, match="no job `nothing`"):
        folder.get("nothing")


def test_a_job_that_nobody_runs_is_abandoned_and_one_that_is_run_is_not(
    folder: JobFolder, job: Record
) -> None:
    assert [r.id for r in folder.abandoned()] == [job.id]
    with folder.owned(job.id) as mine:
        assert mine
        assert folder.abandoned() == ()
    run(folder, job.id, worked([]))
    assert folder.abandoned() == ()


def test_a_job_is_forgotten_once_it_has_ended(folder: JobFolder, job: Record) -> None:
    folder.forget(job.id)
    assert folder.get(job.id).state == "pending"
    run(folder, job.id, worked([]))
    folder.forget(job.id)
    assert folder.list() == []
