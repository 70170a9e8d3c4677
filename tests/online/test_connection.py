"""Replies, cut into pieces anywhere, are read as what they are."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headrace.errors import StateError, UnavailableError
from headrace.online.address import Address
from headrace.online.connection import Connection, ReplyError, command
from tests.stack.ports import HOST

HELLO = b"-NOPERM no INFO\r\n:7\r\n"  # What a server answers to INFO and CLIENT ID.


@contextmanager
def answering(replies: bytes, piece: int) -> Iterator[Connection]:
    """A connection to a server that says `replies`, so many bytes at a time, and closes."""

    def serve() -> None:
        end, _ = listener.accept()
        with end:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(0, len(said := HELLO + replies), piece):
                end.sendall(said[i : i + piece])
            end.shutdown(socket.SHUT_WR)
            while end.recv(1 << 16):
                pass

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        connection = Connection(Address(HOST, listener.getsockname()[1]), 10)
        try:
            yield connection
        finally:
            connection.close()
            thread.join()


PIECES = pytest.mark.parametrize("piece", [1, 2, 3, 7, 10_000])


@PIECES
def test_replies_of_every_kind_are_read(piece: int) -> None:
    said = b"+OK\r\n:-12\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n*3\r\n:1\r\n*-1\r\n-ERR no\r\n*0\r\n"
    with answering(said, piece) as connection:
        assert connection.run_id == ""
        assert connection.client_id == 7
        assert [connection.read() for _ in range(5)] == [b"OK", -12, b"a\r\nbc", b"", None]
        items = connection.read()
        assert isinstance(items, list)
        assert items[:2] == [1, None]
        assert isinstance(items[2], ReplyError)
        assert (str(items[2]), items[2].code) == ("ERR no", "ERR")
        assert connection.read() == []
        with pytest.raises(ConnectionError, match="closed the connection"):
            connection.read()


@PIECES
@pytest.mark.parametrize("commands", [0, 1, 5])
def test_transactions_one_after_the_other_are_told_apart(piece: int, commands: int) -> None:
    queued = b"+OK\r\n" + b"+QUEUED\r\n" * commands
    done = queued + b"*%d\r\n" % commands + b":12\r\n" * commands
    void = queued + b"*-1\r\n"
    with answering(done + b"+OK\r\n$2\r\n17\r\n" + void + b"+OK\r\n$-1\r\n" + done, piece) as connection:
        assert connection.read_transaction(commands)
        assert (connection.read(), connection.read()) == (b"OK", b"17")
        assert not connection.read_transaction(commands)
        assert (connection.read(), connection.read()) == (b"OK", None)
        assert connection.read_transaction(commands)


@PIECES
def test_an_error_inside_a_transaction_is_raised_with_the_servers_text(piece: int) -> None:
    said = b"+OK\r\n" + b"+QUEUED\r\n" * 2 + b"*2\r\n:1\r\n-WRONGTYPE Operation against a key\r\n"
    with (
        answering(said, piece) as connection,
        pytest.raises(StateError, match="answered: WRONGTYPE Operation against a key"),
    ):
        connection.read_transaction(2)


@PIECES
def test_the_cause_of_a_refused_transaction_is_raised_and_not_that_it_was_refused(piece: int) -> None:
    said = b"+OK\r\n+QUEUED\r\n-OOM command not allowed\r\n-EXECABORT Transaction discarded\r\n"
    with answering(said, piece) as connection, pytest.raises(UnavailableError, match="OOM command"):
        connection.read_transaction(2)


def test_what_is_no_redis_server_is_not_believed() -> None:
    said = b"HTTP/1.1 400 Bad Request\r\n"
    with answering(said, 100) as connection, pytest.raises(ConnectionError, match="not a Redis reply"):
        connection.read()


def test_a_command_is_its_arguments_with_their_lengths() -> None:
    assert command(b"SET", "é".encode(), b"") == b"*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xa9\r\n$0\r\n\r\n"
