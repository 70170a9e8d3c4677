"""Components can be started, killed, paused and found again, and none is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from confluent_kafka import KafkaError, Producer

from tests.stack import cache
from tests.stack.install import MissingError
from tests.stack.kafka import Kafka, broker_count, create_topic
from tests.stack.ports import free_port, is_free
from tests.stack.process import Component, NotReadyError, started_at
from tests.stack.redis import Redis
from tests.stack.toxiproxy import Toxiproxy
from tests.stack.whole import Addresses

pytestmark = pytest.mark.integration

DEADLINE = 60.0


def _eventually(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + DEADLINE
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _outcome(bootstrap: str, topic: str, timeout_ms: int) -> KafkaError | None:
    """Produce one record to `topic`, acknowledged by every replica in sync; None if it was stored."""
    outcome: list[KafkaError | None] = []
    producer = Producer(
        {"bootstrap.servers": bootstrap, "acks": "all", "message.timeout.ms": timeout_ms, "log_level": 0}
    )
    producer.produce(topic, b"value", callback=lambda error, _: outcome.append(error))
    producer.flush(DEADLINE)
    (found,) = outcome
    return found


def test_a_killed_component_comes_back_at_its_address_with_its_data(tmp_path: Path) -> None:
    server = Redis(tmp_path, durable=True)
    server.start()
    try:
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "yes")
            client.execute_command("WAITAOF", 1, 0, 10_000)
        address, first = server.address, server.pid
        server.kill()
        assert is_free(server.port)
        assert not server.answers()
        server.start()
        assert (server.address, server.pid != first) == (address, True)
        with redis.Redis.from_url(server.url) as client:
            assert client.get("kept") == b"yes"
    finally:
        server.stop()


def test_a_paused_component_answers_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    server = Redis(tmp_path)
    server.start()
    try:
        server.pause()
        assert not server.answers()
        assert server.running
        server.resume()
        assert _eventually(server.answers)
    finally:
        server.stop()


def test_a_component_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    first = Redis(tmp_path / "first")
    first.start()
    try:
        second = Redis(tmp_path / "second", port=free_port(), binary=Path("/bin/false"))
        with pytest.raises(NotReadyError, match="redis ended while starting"):
            second.start()
        assert not second.running
    finally:
        first.stop()


def test_a_component_ends_with_its_starter_even_after_kill_9(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.stack.redis import Redis;"
        f"r = Redis(Path({str(tmp_path)!r})); r.start(); print(r.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=cache.CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert started_at(pid) is not None
        starter.send_signal(signal.SIGKILL)
    assert _eventually(lambda: started_at(pid) is None)


def test_up_twice_is_one_stack_and_down_leaves_nothing(stack: Addresses, tmp_path: Path) -> None:
    place = tmp_path / "headrace"
    place.mkdir()
    for fetched in cache.cache_root().iterdir():
        if fetched.is_dir() and fetched.name != "stacks":
            (place / fetched.name).symlink_to(fetched)

    def run(*verb: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tests.stack", *verb],
            cwd=cache.CHECKOUT,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    try:
        first = run("up", "--json")
        assert first.returncode == 0, first.stderr
        assert run("up", "--json").stdout == first.stdout
        started = json.loads(first.stdout)
        assert broker_count(started["addresses"]["kafka"], DEADLINE) == 1
        assert started["addresses"]["kafka"] != stack.kafka
    finally:
        ended = run("down")
    assert ended.stdout == f"stack: ended {len(started['processes'])} processes\n"
    assert [each for each in started["processes"] if started_at(each["pid"]) == each["started"]] == []
    assert run("status").returncode == 1


def test_three_brokers_serve_while_one_is_down(stack: Addresses, tmp_path: Path) -> None:
    cluster = Kafka(tmp_path, brokers=3, heap="256m")
    cluster.start()
    try:
        create_topic(cluster.address, "replicated", 3)
        assert _outcome(cluster.address, "replicated", 30_000) is None
        cluster.brokers[0].kill()
        assert _outcome(cluster.address, "replicated", 50_000) is None
        cluster.brokers[0].start()
        assert broker_count(cluster.address, DEADLINE) == 3
    finally:
        cluster.stop()


def test_a_client_behind_a_proxy_stays_behind_it(stack: Addresses, tmp_path: Path) -> None:
    assert stack.kafka is not None
    proxies, port = Toxiproxy(tmp_path / "toxiproxy"), free_port()
    broker = Kafka(tmp_path / "kafka", heap="256m", proxies={1: f"127.0.0.1:{port}"})
    _start_or_skip(proxies)
    broker.start()
    try:
        link = proxies.proxy("kafka", broker.brokers[0].proxied_upstream, port)
        create_topic(broker.address, "proxied", 1)
        assert _outcome(link.address, "proxied", 30_000) is None
        link.cut()
        assert _outcome(link.address, "proxied", 1_000) is not None
        assert _outcome(broker.address, "proxied", 30_000) is None
        link.heal()
        toxic = link.add("timeout", timeout=0)
        assert _outcome(link.address, "proxied", 1_000) is not None
        link.remove(toxic)
        assert _outcome(link.address, "proxied", 30_000) is None
        link.close()
    finally:
        broker.stop()
        proxies.stop()


def _start_or_skip(component: Component) -> None:
    try:
        component.start()
    except MissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"{component.name} is missing: {error}")
