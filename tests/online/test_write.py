"""The writer and a server that goes away, refuses, or comes back with less than it had."""

from __future__ import annotations

import itertools
import subprocess
import threading
from pathlib import Path

import pytest
import redis

from headrace.errors import OnlineLostError, SettingsError, StateError, UnavailableError
from headrace.online.write import OnlineWriter
from headrace.types import String
from tests.online.proxy import Proxy
from tests.online.rows import SPACE, chunks, counted
from tests.stack.process import Command
from tests.stack.redis import Redis

FENCE = SPACE.fence_key(0)
KEYS = [f"{i}" for i in range(1_000)]


def test_many_chunks_arrive_whole_over_any_number_of_connections(url: str, client: redis.Redis) -> None:
    for connections in (1, 2, 5):
        with OnlineWriter(url, connections=connections) as writer:
            writer.claim(FENCE, 1)
            writer.write(FENCE, 1, counted(KEYS, connections, chunk_keys=7))
        pipe = client.pipeline(transaction=False)
        for key in KEYS:
            pipe.hget(SPACE.redis_key(key), "n")
        assert pipe.execute() == [str(connections)] * len(KEYS)


def test_large_values_pass_in_both_directions(url: str, client: redis.Redis) -> None:
    values: list[object] = ["é" * 1_500_000, "x" * 3_000_000, "z"]
    with OnlineWriter(url) as writer:
        writer.write(None, 0, chunks(["a", "b", "c"], {"s": (String, values)}))
    assert [client.hget(SPACE.redis_key(k), "s") for k in "abc"] == values


def test_writing_nothing_is_no_error(url: str) -> None:
    with OnlineWriter(url) as writer:
        writer.claim(FENCE, 1)
        writer.write(FENCE, 1, [])
        writer.write_all([])


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    writer = OnlineWriter("redis://:hush@127.0.0.1:1/3")
    with pytest.raises(UnavailableError, match=r"Redis at 127.0.0.1:1/3: .*refused") as e:
        writer.connect()
    assert "hush" not in str(e.value)


def test_a_line_that_is_cut_in_the_middle_of_a_write_can_be_written_again(
    proxy: Proxy, client: redis.Redis
) -> None:
    numbers = itertools.count(1)  # Whose next() is one step, for the lines of both connections.

    def cut(data: bytes) -> bytes | None:
        return None if b"HSET" in data and next(numbers) == 20 else data

    proxy.before = cut
    with OnlineWriter(proxy.url) as writer:
        writer.claim(FENCE, 1)
        with pytest.raises(UnavailableError, match=f"Redis at 127.0.0.1:{proxy.port}"):
            writer.write(FENCE, 1, counted(KEYS, 1, chunk_keys=10))
        assert 0 < client.dbsize() < len(KEYS)  # type: ignore[operator]
        writer.write(FENCE, 1, counted(KEYS, 1, chunk_keys=10))
    assert client.dbsize() == len(KEYS) + 1


def test_half_of_a_chunk_on_the_line_writes_nothing(proxy: Proxy, client: redis.Redis) -> None:
    with OnlineWriter(proxy.url) as writer:
        writer.claim(FENCE, 1)

        def half(data: bytes) -> bytes:
            if b"HSET" not in data:
                return data
            proxy.hang_up()
            return data[: len(data) // 2]

        proxy.before = half
        with pytest.raises(UnavailableError):
            writer.write(FENCE, 1, counted(["a", "b"], 1))
    assert client.keys("shop:spend*") == []


def test_a_server_that_restarted_empty_is_a_loss_until_it_is_claimed_again(own_server: Redis) -> None:
    with OnlineWriter(own_server.url) as writer:
        writer.claim(FENCE, 1)
        writer.claim(None, 0)
        writer.write(FENCE, 1, counted(["a"], 1))
        own_server.stop()
        with pytest.raises(UnavailableError):
            writer.write(FENCE, 1, counted(["a"], 2))
        with pytest.raises(UnavailableError, match="refused"):
            writer.write(FENCE, 1, counted(["a"], 2))
        own_server.start()
        for fence, epoch in ((FENCE, 1), (None, 0)):
            with pytest.raises(OnlineLostError, match="restarted") as e:
                writer.write(fence, epoch, counted(["a"], 2))
            assert e.value.fence_key == fence
            writer.claim(fence, epoch)
            writer.write(fence, epoch, counted(["a"], 2))
    with redis.Redis.from_url(own_server.url, decode_responses=True) as client:
        assert client.hget("shop:spend@3:a", "n") == "2"


def test_a_server_that_restarted_with_its_fences_may_have_lost_the_rest(tmp_path: Path) -> None:
    server = Redis(tmp_path / "durable", durable=True)
    server.start()
    try:
        with OnlineWriter(server.url) as writer:
            writer.claim(FENCE, 1)
            server.restart()
            with redis.Redis.from_url(server.url, decode_responses=True) as client:
                assert client.get(FENCE) == "1"
            with pytest.raises(UnavailableError):
                writer.write(FENCE, 1, counted(["a"], 1))
            with pytest.raises(OnlineLostError, match="it may have lost writes"):
                writer.write(FENCE, 1, counted(["a"], 1))
    finally:
        server.stop()


def test_a_paused_server_is_unavailable_after_the_timeout_and_serves_again(own_server: Redis) -> None:
    with OnlineWriter(own_server.url, timeout=1) as writer:
        writer.claim(FENCE, 1)
        own_server.pause()
        with pytest.raises(UnavailableError, match="timed out"):
            writer.write(FENCE, 1, counted(["a"], 1))
        own_server.resume()
        writer.write(FENCE, 1, counted(["a"], 2))


def test_a_wrong_password_is_a_setting_to_correct_and_is_not_shown(own_server: Redis) -> None:
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("requirepass", "right")
    for login in ("", ":hush@", "nobody:hush@"):
        with pytest.raises(SettingsError, match=r"Correct the user or password in redis\.url") as e:
            OnlineWriter(f"redis://{login}{own_server.address}/0").connect()
        assert "hush" not in str(e.value)
    with OnlineWriter(f"redis://:right@{own_server.address}/5") as writer:
        writer.write(None, 0, counted(["a"], 1))
    with redis.Redis(port=own_server.port, password="right", db=5, decode_responses=True) as client:
        assert client.hget("shop:spend@3:a", "n") == "1"


def test_a_user_without_the_right_to_write_is_a_setting_to_correct(own_server: Redis) -> None:
    with redis.Redis.from_url(own_server.url) as client:
        client.execute_command("ACL SETUSER reader on >pw ~* +@read +@connection +multi +exec +info")
    writer = OnlineWriter(f"redis://reader:pw@{own_server.address}")
    with writer, pytest.raises(SettingsError, match="NOPERM"):
        writer.write(None, 0, counted(["a"], 1))


def test_a_full_or_read_only_server_is_waited_for(own_server: Redis) -> None:
    with redis.Redis.from_url(own_server.url) as client, OnlineWriter(own_server.url) as writer:
        writer.claim(FENCE, 1)
        client.config_set("maxmemory", "1")
        with pytest.raises(UnavailableError, match="OOM"):
            writer.write(FENCE, 1, counted(["a"], 1))
        client.config_set("maxmemory", "0")
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(UnavailableError, match="READONLY"):
            writer.write(FENCE, 1, counted(["a"], 1))
        client.execute_command("REPLICAOF", "NO", "ONE")
        writer.write(FENCE, 1, counted(["a"], 1))


def test_a_key_that_holds_something_else_is_named_as_the_server_names_it(
    url: str, client: redis.Redis
) -> None:
    client.set("shop:spend@3:b", "taken")
    with OnlineWriter(url) as writer:
        with pytest.raises(StateError, match="WRONGTYPE"):
            writer.write(None, 0, counted(["a", "b", "c"], 1))
        writer.write(None, 0, counted(["d"], 1))
    assert client.hget("shop:spend@3:c", "n") == "1"


def test_threads_take_turns(url: str, client: redis.Redis) -> None:
    failures: list[BaseException] = []
    with OnlineWriter(url) as writer:

        def write(name: str) -> None:
            try:
                for n in range(20):
                    writer.write(None, 0, counted([f"{name}{i}" for i in range(30)], n, chunk_keys=4))
            except BaseException as exc:
                failures.append(exc)

        threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert {client.hget(SPACE.redis_key(f"{n}{i}"), "n") for n in "abc" for i in range(30)} == {"19"}


class UnixRedis(Redis):
    def command(self) -> Command:
        base = super().command()
        return Command([*base.arguments, "--unixsocket", "redis.sock"], base.environment)


def test_a_unix_socket_serves_as_well(tmp_path: Path) -> None:
    server = UnixRedis(tmp_path / "u")
    server.start()
    try:
        with OnlineWriter(f"unix://{server.folder}/redis.sock?db=2") as writer:
            writer.claim(FENCE, 1)
            writer.write(FENCE, 1, counted(["a"], 1))
        with redis.Redis(port=server.port, db=2, decode_responses=True) as client:
            assert client.hget("shop:spend@3:a", "n") == "1"
        with pytest.raises(UnavailableError, match=r"unix:///nowhere\.sock"):
            OnlineWriter("unix:///nowhere.sock").connect()
    finally:
        server.stop()


_SELF_SIGNED = (
    "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
)


def test_tls_is_verified_and_serves(shared_server: Redis, client: redis.Redis, tmp_path: Path) -> None:
    import ssl

    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(
        ["openssl", *_SELF_SIGNED.split(), "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Proxy(shared_server.port, tls=context) as proxy:
        address = f"rediss://localhost:{proxy.port}/0"
        with pytest.raises(UnavailableError, match="certificate verify failed"):
            OnlineWriter(address).connect()
        for options in (f"ssl_ca_certs={certificate}", "ssl_cert_reqs=none"):
            with OnlineWriter(f"{address}?{options}") as writer:
                writer.write(None, 0, counted(KEYS, 1))
    assert client.dbsize() == len(KEYS)
