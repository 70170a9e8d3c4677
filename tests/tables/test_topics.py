"""What the cluster says of topics while its brokers do not agree yet."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from headrace.errors import StateError, UnavailableError
from tables.kafka.topics import TopicInfo, Topics


class LateBroker:
    """An admin client whose broker hears of a topic after it was asked so many times; `made` by the controller."""

    def __init__(self, *, ignorant: int, error: int = KafkaError.UNKNOWN_TOPIC_OR_PART) -> None:
        self.left = ignorant
        self.error = error
        self.made: list[str] = []

    def describe_topics(self, topics: Any, request_timeout: float) -> dict[str, Future[Any]]:
        future: Future[Any] = Future()
        if self.left:
            self.left -= 1
            future.set_exception(KafkaException(KafkaError(self.error)))
        else:
            future.set_result(SimpleNamespace(topic_id="id", partitions=[0, 1]))
        return {"payments": future}

    def create_topics(self, topics: list[Any], request_timeout: float) -> dict[str, Future[Any]]:
        future: Future[Any] = Future()
        if self.made:
            future.set_exception(KafkaException(KafkaError(KafkaError.TOPIC_ALREADY_EXISTS)))
        else:
            future.set_result(None)
        self.made += [t.topic for t in topics]
        return {"payments": future}


PAYMENTS = {"payments": TopicInfo("payments", 2, "id")}


def topics(admin: LateBroker, timeout: float) -> Topics:
    made = Topics({"bootstrap.servers": "127.0.0.1:1"}, embedded=False, timeout=timeout)
    made._admin = admin
    return made


def test_a_topic_that_the_broker_does_not_know_is_left_out() -> None:
    asked = topics(LateBroker(ignorant=1), timeout=60.0)
    assert asked.describe(["payments"]) == {}
    assert asked.describe(["payments"]) == PAYMENTS


def test_a_topic_just_made_is_waited_for() -> None:
    admin = LateBroker(ignorant=3)
    assert topics(admin, timeout=60.0).ensure({"payments": (2, {})}) == PAYMENTS
    assert admin.made == ["payments"]


def test_a_topic_that_somebody_else_made_meanwhile_is_ours_as_well() -> None:
    admin = LateBroker(ignorant=3)
    admin.made.append("payments")
    assert topics(admin, timeout=60.0).ensure({"payments": (2, {})}) == PAYMENTS


def test_a_topic_that_is_made_and_never_shown_is_an_error() -> None:
    with pytest.raises(UnavailableError, match="does not show them: payments"):
        topics(LateBroker(ignorant=1 << 30), timeout=0.1).ensure({"payments": (2, {})})


def test_a_topic_of_another_partition_count_is_refused() -> None:
    with pytest.raises(StateError, match="has 2 partitions, 3 are needed"):
        topics(LateBroker(ignorant=0), timeout=60.0).ensure({"payments": (3, {})})


def test_what_may_not_be_seen_is_told_at_once() -> None:
    admin = LateBroker(ignorant=1 << 30, error=KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(UnavailableError, match=r"`payments`: .*uthorization"):
        topics(admin, timeout=60.0).describe(["payments"])
