"""A process before it runs: how long it waits for Kafka, and what its log says of an error of ours."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
from prometheus_client import CollectorRegistry

from app.metrics_server import serve
from app.process import configure_logging, said_in_the_log, wait_for_kafka
from headrace.errors import PositionError, SettingsError, StateError, UnavailableError, UsageError
from headrace.settings import MetricsSettings, Settings, load_settings


def settings(**env: str) -> Settings:
    return load_settings("nowhere/config", {"HEADRACE_KAFKA__BOOTSTRAP": "127.0.0.1:1", **env})


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """What goes to standard error, with the log as it was before restored."""
    root, ours = logging.getLogger(), logging.getLogger("headrace")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield capsys
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def test_a_process_with_a_time_to_run_does_not_wait_longer_for_kafka() -> None:
    now, pauses = [100.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    with pytest.raises(UnavailableError, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        wait_for_kafka(settings(), sleep, 2.5, lambda: now[0])
    assert pauses == [1.0, 1.5]


def crash(error: Exception) -> None:
    """As Faust tells of an error that ends the process."""
    try:
        raise error
    except Exception:
        logging.getLogger("app.faust_app").error("[^-App]: Crashed reason=%r", error, exc_info=True)


def test_an_error_of_ours_is_one_line_without_a_traceback(logged: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings())
    error = PositionError("topic `payments` was deleted and made again")
    logging.getLogger("headrace.worker").error("stopping: %s", error)
    crash(error)
    crash(StateError("the disk is full"))
    lines = [line.split(" ERROR   ")[1] for line in logged.readouterr().err.splitlines()]
    assert lines == ["stopping: topic `payments` was deleted and made again", "stopping: the disk is full"]


def test_an_error_that_is_not_ours_keeps_its_traceback(logged: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings())
    crash(ZeroDivisionError("by zero"))
    assert "Traceback" in logged.readouterr().err


def test_where_the_log_is_json_the_last_word_is_too(logged: pytest.CaptureFixture[str]) -> None:
    made = settings(HEADRACE_LOG__FORMAT="json")
    configure_logging(made)
    with pytest.raises(typer.Exit) as failed, said_in_the_log(made):
        raise StateError("no such topic")
    with pytest.raises(typer.Exit) as wrong, said_in_the_log(made):
        raise UsageError("no such view")
    lines = [json.loads(line) for line in logged.readouterr().err.splitlines()]
    assert [(line["level"], line["message"]) for line in lines] == [
        ("error", "stopping: no such topic"),
        ("error", "stopping: no such view"),
    ]
    assert (failed.value.exit_code, wrong.value.exit_code) == (1, 2)


def test_where_the_log_is_text_an_error_passes_to_the_command_line() -> None:
    with pytest.raises(StateError), said_in_the_log(settings()):
        raise StateError("no such topic")


def test_a_port_for_metrics_that_is_taken_is_a_setting_to_correct() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wanted = MetricsSettings(host="127.0.0.1", port=port)
        with (
            pytest.raises(
                SettingsError, match=rf"metrics\.port: nothing can be served at 127\.0\.0\.1:{port}"
            ),
            serve(CollectorRegistry(), wanted),
        ):
            pass


def test_a_process_that_cannot_end_by_itself_is_ended_with_1() -> None:
    hanging = (
        "import threading; from app.process import _no_longer_than; "
        "begin = _no_longer_than(0.1); begin(); begin(); threading.Event().wait()"
    )
    told = subprocess.run(
        [sys.executable, "-c", hanging], capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 1
    assert "not drained in 0 s" in told.stderr
