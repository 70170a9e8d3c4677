"""The embedded Redis is a real server that ends with its starter."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from app.embedded.redis import EmbeddedRedis
from headrace.errors import UnavailableError
from tests.stack.ports import free_port, is_free

pytestmark = pytest.mark.integration

DEADLINE = 30.0


def test_it_answers_and_holds_hashes_with_an_expiry() -> None:
    with EmbeddedRedis() as running, redis.Redis.from_url(running.url, decode_responses=True) as client:
        client.hset("shop:spend@1:7", mapping={"spend_48h": "12.5"})
        client.pexpire("shop:spend@1:7", 60_000)
        assert client.hgetall("shop:spend@1:7") == {"spend_48h": "12.5"}
        assert 0 < client.pttl("shop:spend@1:7") <= 60_000


def test_its_port_can_be_fixed_and_is_free_again_afterwards() -> None:
    port = free_port()
    with EmbeddedRedis(port=port) as running:
        assert running.url == f"redis://127.0.0.1:{port}/0"
        assert not is_free(port)
    assert is_free(port)


def test_a_taken_port_is_said_although_its_holder_answers() -> None:
    with EmbeddedRedis() as running, pytest.raises(UnavailableError, match=f"port {running.port} .* another"):
        EmbeddedRedis(port=running.port).start()


def test_keys_come_back_from_its_folder(tmp_path: Path) -> None:
    with EmbeddedRedis(folder=tmp_path) as running, redis.Redis.from_url(running.url) as client:
        client.set("kept", "yes")
    with EmbeddedRedis(folder=tmp_path) as running, redis.Redis.from_url(running.url) as client:
        assert client.get("kept") == b"yes"


def test_it_ends_with_its_starter_even_after_kill_9() -> None:
    script = (
        "import sys; from app.embedded.redis import EmbeddedRedis; r = EmbeddedRedis(); r.start();"
        "print(r.port, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        port = int(starter.stdout.readline())
        assert not is_free(port)
        starter.send_signal(signal.SIGKILL)
    end = time.monotonic() + DEADLINE
    while not is_free(port):
        assert time.monotonic() < end, f"port {port} is still held"
        time.sleep(0.02)
