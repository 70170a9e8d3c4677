"""librdkafka's mock cluster, through ctypes on the library that confluent-kafka carries.

It owns the bindings and the life of one cluster inside this process; `app.embedded.kafka` runs it in a
process of its own. Nothing here is an event's way: the cluster is librdkafka's own threads.

The Python client reaches a mock cluster only through `test.mock.num.brokers`, with four partitions for
every topic and three seconds before a group's first assignment; the functions bound here set both.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import metadata
from typing import Self

from headrace.errors import UnavailableError, UsageError

_PRODUCER = 0
_NO_ERROR = 0
_TOPIC_EXISTS = 36
_ERROR_TEXT = 512


class MockCluster:
    """A mock Kafka cluster of `brokers` brokers on free loopback ports, until `close`.

    `rebalance_delay` is how long, in milliseconds, a new group waits for more members. A topic that
    a client asks for and that `create_topic` did not make has four partitions.
    """

    def __init__(self, brokers: int = 1, rebalance_delay: int = 0) -> None:
        self._library = _library()
        configuration = self._library.rd_kafka_conf_new()
        self._library.rd_kafka_conf_set_log_cb(configuration, None)
        text = ctypes.create_string_buffer(_ERROR_TEXT)
        self._handle = self._library.rd_kafka_new(_PRODUCER, configuration, text, _ERROR_TEXT)
        if not self._handle:
            raise UnavailableError(f"embedded Kafka: librdkafka did not start: {text.value.decode()}")
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._handle, brokers)
        if not self._cluster:
            self._library.rd_kafka_destroy(self._handle)
            raise UnavailableError("embedded Kafka: no loopback port could be opened for its broker")
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, rebalance_delay)
        self.bootstrap: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Make a topic; one that is there already stays as it is. `UsageError` if it cannot be made."""
        if partitions < 1:
            raise UsageError(f"embedded Kafka: topic {name!r} needs at least one partition, got {partitions}")
        error = self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        if error not in (_NO_ERROR, _TOPIC_EXISTS):
            reason = self._library.rd_kafka_err2str(error).decode()
            raise UsageError(
                f"embedded Kafka: topic {name!r} with {partitions} partitions was not made: {reason}"
            )

    def close(self) -> None:
        """End the cluster; every connection to it breaks. A second call does nothing."""
        if self._cluster:
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
            self._library.rd_kafka_destroy(self._handle)
            self._cluster = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(_path())
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set_log_cb": (None, [pointer, pointer]),
        "rd_kafka_new": (pointer, [number, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_err2str": (text, [number]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _path() -> str:
    for file in metadata.files("confluent-kafka") or []:
        if file.name.startswith("librdkafka") and file.suffix != ".py":
            return str(file.locate())
    raise UnavailableError(
        "embedded Kafka: this confluent-kafka carries no librdkafka of its own; "
        "install the wheel from PyPI: pip install --force-reinstall --only-binary :all: confluent-kafka"
    )
