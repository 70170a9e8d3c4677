"""The demo as a person starts it: a process, its output, and each command that it prints."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.demo.children import headrace

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 180.0

pytestmark = pytest.mark.integration


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The default project in a folder of its own, so that its data is, too."""
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


@pytest.fixture
def running(config: Path) -> Iterator[subprocess.Popen[str]]:
    command = [*headrace(), "demo", "--config", str(config), "--rate", "200", "--plain"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_a_bounded_run_checks_itself(config: Path) -> None:
    command = [*headrace(), "demo", "--config", str(config), "--events", "3000", "--rate", "1500", "--exit"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no fencing" in done.stdout
    assert "Sent 3,000 events; Kafka acknowledged 3,000." in done.stdout
    assert re.search(r"Online: [\d,]+ entities of 3 views, every value equal", done.stdout)
    assert "History: 3,000 events, each as it was sent, once." in done.stdout


def test_every_command_that_it_prints_works_and_ctrl_c_ends_all(
    running: subprocess.Popen[str], config: Path
) -> None:
    assert running.stdout is not None
    commands, lines = [], []
    for line in running.stdout:
        lines.append(line)
        if re.match(r"  (HEADRACE_|\S*python |redis-cli|valkey-cli)", line):
            commands.append(line.strip())
        if re.search(r"history [1-9]", line):  # the first commit is there
            break
    said = "".join(lines)
    assert len(commands) >= 5, said
    for command in commands:
        done = subprocess.run(
            command.replace(" --watch", ""), shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert re.search(r"flights|answers|EWR", done.stdout), f"{command}\n{done.stdout}"
    running.send_signal(signal.SIGINT)
    rest = running.stdout.read()
    assert running.wait(DEADLINE) == 0, rest
    logs = config.parent / "data" / "demo"
    assert "closed at offset" in (logs / "worker.log").read_text()
    second = subprocess.run(
        [*headrace(), "demo", "--config", str(config), "--events", "200", "--exit"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert second.returncode == 0, second.stdout + second.stderr


def test_a_project_without_flights_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "config" / "features").mkdir(parents=True)
    done = subprocess.run(
        [*headrace(), "demo", "--config", str(tmp_path / "config")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "headrace ingest" in " ".join(done.stderr.split())


def test_exit_without_a_number_of_events_is_refused() -> None:
    done = subprocess.run(
        [*headrace(), "demo", "--exit"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "--events" in done.stderr
