"""A task goes on with its own topic alone."""

from __future__ import annotations

from typing import Any, cast

import pytest
from aiokafka import TopicPartition

from agents.identity import check_topic
from agents.task import Task
from headrace.errors import PositionError, StateError
from tables.kafka.topics import TopicInfo


def task(topic_id: str | None = "a", partitions: int | None = 3) -> Task:
    return Task(
        TopicPartition("clicks", 0),
        cast(Any, None),
        {},
        {},
        cast(Any, None),
        topic_id=topic_id,
        partitions=partitions,
    )


def test_the_same_topic_or_nothing_said_of_it_is_no_error() -> None:
    check_topic(task(), TopicInfo("clicks", 3, "a"))
    check_topic(task(), None)
    check_topic(task(None, None), TopicInfo("clicks", 3, "a"))
    check_topic(task(), TopicInfo("clicks", 3, None))


def test_another_topic_of_the_same_name_is_refused() -> None:
    with pytest.raises(PositionError, match="`clicks` was deleted and made again"):
        check_topic(task(), TopicInfo("clicks", 3, "b"))


def test_a_topic_that_grew_is_refused_though_the_task_is_of_a_new_partition() -> None:
    with pytest.raises(StateError, match="`clicks` has 4 partitions now, it had 3"):
        check_topic(task(), TopicInfo("clicks", 4, "a"))
