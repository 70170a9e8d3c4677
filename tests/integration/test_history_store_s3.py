"""The history store on a folder and on a real S3 server: concurrent writers, lost answers, outages, kill -9."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from headrace.errors import FencedError, PositionError, SettingsError, UnavailableError
from headrace.history.read import history_dataset, read_history
from headrace.history.storage import storage_options, table_uri
from headrace.history.upkeep import compact, vacuum
from tests.history.events import T0, events, offsets, open_table
from tests.online.proxy import Proxy
from tests.stack.components import Components
from tests.stack.s3 import ACCESS_KEY, REGION, S3, SECRET_KEY, create_bucket

P0 = ("pay", 0)

pytestmark = pytest.mark.integration


def options(endpoint: str, secret: str = SECRET_KEY) -> dict[str, str]:
    """As the service makes them from its settings, but giving up sooner."""
    made = storage_options(endpoint=endpoint, access_key=ACCESS_KEY, secret_key=secret, region=REGION)
    return made | {"max_retries": "1", "retry_timeout": "2s"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """An S3 server of our own, that a test may stop."""
    started = S3(tmp_path_factory.mktemp("s3"))
    started.start()
    create_bucket(started.url, "lake")
    yield started
    started.stop()


@pytest.fixture
def line(server: S3) -> Iterator[Proxy]:
    """A way to the S3 server on which answers can be lost."""
    with Proxy(server.port) as between:
        yield between


def endpoint(line: Proxy) -> str:
    return f"http://127.0.0.1:{line.port}"


@pytest.fixture
def uri(request: pytest.FixtureRequest) -> str:
    return f"s3://lake/{request.node.name.replace('[', '/').replace(']', '')}"


def test_events_are_kept_once_and_read_back(components: Components) -> None:
    uri = table_uri(components.history_uri("history"), "shop", "pay")
    table = open_table(uri, options=components.storage_options)
    for start in (0, 10, 0, 10, 20):
        try:
            table.append(events(start, start + 10), {P0: (start, start + 10)})
        except FencedError:
            assert start == 0
    frame = read_history(uri, components.storage_options)
    assert offsets(frame) == list(range(30))
    assert frame.filter(pl.col("_date") == T0.date()).select(pl.len()).collect().item() == 30
    assert history_dataset(uri, components.storage_options).count_rows() == 30
    assert compact(uri, components.storage_options) == (3, 1)
    assert vacuum(uri, components.storage_options) == []
    assert offsets(read_history(uri, components.storage_options)) == list(range(30))
    assert open_table(uri, options=components.storage_options).position("pay", 0) == 30


def test_writers_at_once_keep_every_event_once(components: Components) -> None:
    uri = table_uri(components.history_uri("history"), "shop", "pay")
    barrier, fenced, failures = threading.Barrier(4), [], []

    def write(partition: int, size: int) -> None:
        """As the history process does: goes on from where the table stands, until it stands at 40."""
        barrier.wait()
        table = open_table(uri, options=components.storage_options)
        start = 0
        while start < 40:
            end = min(start + size, 40)
            try:
                table.append(events(start, end, partition=partition), {("pay", partition): (start, end)})
                start = end
            except (FencedError, PositionError):
                fenced.append(partition)
                start = table.position("pay", partition) or 0

    def guarded(partition: int, size: int) -> None:
        try:
            write(partition, size)
        except Exception as exc:
            failures.append(exc)

    # Two writers of partition 0, whose spans differ.
    threads = [threading.Thread(target=guarded, args=w) for w in [(0, 5), (0, 7), (1, 5), (2, 5)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert 0 in fenced
    frame = read_history(uri, components.storage_options)
    for partition in range(3):
        assert offsets(frame, partition) == list(range(40))


def test_a_commit_whose_answer_was_lost_is_not_made_twice(server: S3, line: Proxy, uri: str) -> None:
    table = open_table(uri, options=options(endpoint(line)))
    lost = itertools.count()

    def lose(data: bytes) -> bytes:
        if data.startswith(b"PUT ") and b"/_delta_log/" in data and next(lost) == 0:
            line.hang_up()
        return data

    line.before = lose
    table.append(events(0, 5), {P0: (0, 5)})
    table.append(events(5, 9), {P0: (5, 9)})
    assert next(lost) > 1
    assert offsets(read_history(uri, options(server.url))) == list(range(9))


def test_a_commit_whose_answer_was_lost_with_the_store_is_found_when_called_again(
    server: S3, line: Proxy, uri: str
) -> None:
    table = open_table(uri, options=options(endpoint(line)))
    committed = threading.Event()

    def lose(data: bytes) -> bytes | None:
        if committed.is_set():
            return None
        if data.startswith(b"PUT ") and b"/_delta_log/" in data:
            committed.set()
            line.hang_up()
        return data

    line.before = lose
    with pytest.raises(UnavailableError, match="does not answer"):
        table.append(events(0, 5), {P0: (0, 5)})
    line.before = lambda data: data
    table.append(events(0, 5), {P0: (0, 5)})
    assert offsets(read_history(uri, options(server.url))) == list(range(5))


def test_a_store_that_goes_away_is_unavailable_and_nothing_is_lost(server: S3, uri: str) -> None:
    table = open_table(uri, options=options(server.url))
    table.append(events(0, 5), {P0: (0, 5)})
    server.stop()
    try:
        with pytest.raises(UnavailableError, match=f"history at {uri} does not answer"):
            table.append(events(5, 9), {P0: (5, 9)})
        with pytest.raises(UnavailableError):
            table.position("pay", 0)
    finally:
        server.start()
    table.append(events(5, 9), {P0: (5, 9)})
    assert offsets(read_history(uri, options(server.url))) == list(range(9))


def test_a_bucket_that_is_not_there_is_a_setting_to_correct(server: S3) -> None:
    with pytest.raises(SettingsError, match="there is no bucket `nowhere` at the S3 server"):
        open_table("s3://nowhere/history/t", options=options(server.url))


def test_refused_credentials_are_a_setting_to_correct_and_are_not_shown(server: S3, uri: str) -> None:
    with pytest.raises(SettingsError, match="refuses the credentials") as e:
        open_table(uri, options=options(server.url, secret="hush-hush"))
    assert "hush" not in str(e.value)


_WRITER = """
import sys
from tests.history.events import events, open_table
table = open_table(sys.argv[1])
while True:
    at = table.position("pay", 0) or 0
    table.append(events(at, at + 20), {("pay", 0): (at, at + 20)})
    print(at + 20, flush=True)
"""


def test_a_writer_that_is_killed_at_any_moment_leaves_every_event_once(tmp_path: Path) -> None:
    for life in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        ) as process:
            assert process.stdout is not None
            for _ in range(life + 2):
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
        kept = offsets(read_history(str(tmp_path)))
        assert kept == list(range(len(kept)))
        assert len(kept) >= acknowledged
        assert open_table(tmp_path).position("pay", 0) == len(kept)
