"""What the cluster says of topics while its brokers do not agree yet."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from headrace.errors import UnavailableError
from tables.kafka.topics import TopicInfo, Topics


class TwoBrokers:
    """An admin client whose second broker hears of a topic later than the first: after so many questions."""

    def __init__(self, ignorant: int, error: int = KafkaError.UNKNOWN_TOPIC_OR_PART) -> None:
        self.left = ignorant
        self.error = error

    def list_topics(self, timeout: float) -> Any:
        return SimpleNamespace(
            topics={"payments": SimpleNamespace(partitions={0: None, 1: None}, error=None)}
        )

    def describe_topics(self, topics: Any, request_timeout: float) -> dict[str, Future[Any]]:
        future: Future[Any] = Future()
        if self.left:
            self.left -= 1
            future.set_exception(KafkaException(KafkaError(self.error)))
        else:
            future.set_result(SimpleNamespace(topic_id="id"))
        return {"payments": future}


def topics(admin: TwoBrokers, timeout: float) -> Topics:
    made = Topics({"bootstrap.servers": "127.0.0.1:1"}, embedded=False, timeout=timeout)
    made._admin = admin
    return made


def test_a_topic_that_only_one_broker_knows_yet_is_asked_for_again() -> None:
    found = topics(TwoBrokers(ignorant=3), timeout=60.0).describe(["payments"])
    assert found == {"payments": TopicInfo("payments", 2, "id")}


def test_brokers_that_never_agree_are_an_error() -> None:
    with pytest.raises(UnavailableError, match="Unknown topic or partition"):
        topics(TwoBrokers(ignorant=1 << 30), timeout=0.1).describe(["payments"])


def test_any_other_answer_is_told_at_once() -> None:
    admin = TwoBrokers(ignorant=1 << 30, error=KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(UnavailableError):
        topics(admin, timeout=60.0).describe(["payments"])
    assert admin.left == (1 << 30) - 1
