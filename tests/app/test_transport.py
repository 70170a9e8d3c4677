"""What we override and rely on inside Faust, pinned: an upgrade that changes it fails here first."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher as AIOKafkaFetcher
from faust.tables.manager import TableManager
from faust.topics import Topic
from faust.transport.consumer import Consumer, Fetcher
from faust.transport.drivers import aiokafka as driver
from mode.services import ServiceTask

from app.faust_app import NoTables
from app.transport import RawConsumer, RawTransport
from app.transport.assignor import InTurn
from app.transport.consumer import RawFetcher, RawThread


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("faust-streaming") == "0.15.3"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (RawConsumer, driver.Consumer),
        (RawThread, driver.AIOKafkaConsumerThread),
        (RawTransport, driver.Transport),
        (RawFetcher, Fetcher),
    ],
)
def test_every_override_replaces_something(ours: type, theirs: type) -> None:
    new = {"release", "_commit_positions", "join_again", "in_thread", "seek_there"}  # ours alone
    mine = {n for n, f in vars(ours).items() if inspect.isfunction(f) and not n.startswith("__")}
    assert mine - new <= {n for n in mine if hasattr(theirs, n)}


@pytest.mark.parametrize(
    "name",
    ["_fetch_records", "_create_worker_consumer", "_drain_messages", "getmany", "on_partitions_revoked"],
)
def test_an_override_takes_what_stock_is_called_with(name: str) -> None:
    ours: Any = (
        RawThread if hasattr(RawThread, name) and name.startswith(("_fetch", "_create")) else RawConsumer
    )
    theirs: Any = driver.AIOKafkaConsumerThread if ours is RawThread else Consumer
    taken = [p for p in inspect.signature(getattr(ours, name)).parameters if p != "self"]
    given = [p for p in inspect.signature(getattr(theirs, name)).parameters if p != "self"]
    assert taken == given


def test_stock_drops_its_books_before_it_commits_at_a_revocation() -> None:
    # The reason why `on_partitions_revoked` is overridden; if this changes, ours can go.
    source = inspect.getsource(Consumer.on_partitions_revoked)
    assert "_on_partitions_revoked" in source


def test_stock_crashes_a_fetcher_that_is_stopped_in_a_rebalance() -> None:
    # The reason why `_fetcher` is overridden; if this changes, ours can go.
    assert "if self.app.rebalancing:" in inspect.getsource(Fetcher._fetcher.fun)
    assert isinstance(vars(RawFetcher)["_fetcher"], ServiceTask), "it has to stand in for stock's task"


def test_aiokafka_asks_with_each_fetch_what_it_was_told_last() -> None:
    source = inspect.getsource(AIOKafkaFetcher._get_actions_per_node)
    request = source[source.index("FetchRequest(") :]
    assert "self._fetch_max_wait_ms," in request
    assert "self._fetch_min_bytes," in request


def test_the_books_that_are_dropped_exist() -> None:
    made = inspect.getsource(Consumer.__init__)
    for name in ("_gap", "_acked", "_acked_index", "_read_offset", "_committed_offset", "_unacked_messages"):
        assert f"self.{name} = " in made, name


def test_a_topic_made_through_the_app_would_ignore_its_queue_size() -> None:
    # The reason why `RawTopic` is made directly.
    assert "maxsize" in inspect.signature(Topic.__init__).parameters


def test_stock_sleeps_until_tables_are_registered_and_until_partitions_are_active() -> None:
    # The reasons for `NoTables` and `_wait_next_records`; if these change, ours can go.
    assert "await self.sleep(1.0)" in inspect.getsource(TableManager.on_start)
    assert "await self.sleep(1)" in inspect.getsource(Consumer._wait_next_records)


def test_our_tables_do_what_stock_does_after_its_sleep() -> None:
    stock = inspect.getsource(TableManager.on_start)
    for step in ("await self._update_channels()", "await self.recovery.start()"):
        assert step in stock
        assert step in inspect.getsource(NoTables.on_start)


def test_stock_seeks_in_the_thread_of_the_caller() -> None:
    # The reason why `_seek` is overridden; if this changes, ours can go.
    assert "self._thread.seek(partition, offset)" in inspect.getsource(driver.Consumer._seek)
    assert "call_thread" not in inspect.getsource(driver.AIOKafkaConsumerThread.seek)


def test_a_member_that_asks_again_is_not_the_same_to_the_broker() -> None:
    assignor = InTurn()
    before = assignor.metadata(["payments"])
    assignor.asked += 1
    assert assignor.metadata(["payments"]) != before


def test_aiokafka_hands_the_assignors_on_as_they_are() -> None:
    assert "assignors=self._partition_assignment_strategy" in inspect.getsource(AIOKafkaConsumer.start)


def test_a_worker_loads_nothing_that_its_first_value_does_not_need() -> None:
    script = (
        "import sys, app.features, app.embedding, app.process, app.metrics_server, headrace.loading;"
        "print([m for m in ('pandas', 'numba', 'scipy', 'httpx', 'valkey', 'deltalake', 's3fs', 'rich', 'duckdb')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
