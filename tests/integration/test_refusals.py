"""What stops a worker, at start or while it runs: it ends with 1 and says what is wrong and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from tests.integration import views
from tests.integration.deployment import Deployment, Process
from tests.integration.polling import until
from tests.integration.producing import Sender, avro
from tests.stack.components import Components, RealComponents
from tests.stack.kafka import admin, create_topic, delete_topic

pytestmark = pytest.mark.integration

FIXED = {"HEADRACE_ENGINE__CLOCK": "2026-01-10T12:34:56.789012Z"}


def refused(process: Process, *words: str) -> None:
    """It ended with 1, and its log has each of the words."""
    assert process.ended() == 1, process.log_tail(60)
    for word in words:
        assert process.said(word), f"nothing of {word!r} in\n{process.log_tail(60)}"


def send(deployment: Deployment, sender: Sender, count: int, seed: int) -> None:
    events = views.payments(count, seed=seed)
    sender.send_all(deployment.topics["payments"], views.SCHEMA, "user_id", events)


@pytest.mark.parametrize("verb", ["worker", "history"])
def test_a_topic_that_does_not_exist(real: RealComponents, tmp_path: Path, verb: str) -> None:
    with Deployment(tmp_path, real, "payments", {}) as deployment:
        refused(deployment.start(verb), "these topics of the sources do not exist: payments")


def test_a_state_folder_of_another_project(components: Components, tmp_path: Path) -> None:
    with Deployment(tmp_path, components, "payments", {"payments": 2}) as deployment:
        send(deployment, Sender(components.kafka), 10, seed=1)
        deployment.run("worker")
        other = deployment.start("worker", environment={"HEADRACE_PROJECT": "another"})
        refused(other, f"belongs to project `{deployment.project}`, this is `another`", "state.dir")


def test_a_state_folder_of_an_older_layout(components: Components, tmp_path: Path) -> None:
    from tables.store import LAYOUT, StateStore

    with Deployment(tmp_path, components, "payments", {"payments": 2}) as deployment:
        store = StateStore(tmp_path / "state", deployment.project)
        key = b"\xff\xfffolder"
        store._db.put(key, store.get(key).replace(b'"layout":%d' % LAYOUT, b'"layout":0'))
        store.close()
        refused(deployment.start("worker"), "has layout 0", "Delete the folder")


def test_two_workers_on_one_state_folder(real: RealComponents, tmp_path: Path) -> None:
    with Deployment(tmp_path, real, "payments", {"payments": 2}) as deployment:
        first = deployment.start("worker")
        first.wait()
        refused(deployment.start("worker"), "another process uses the state folder")
        first.terminate()
        first.ended_well()


def test_a_topic_that_was_deleted_and_made_again(real: RealComponents, tmp_path: Path) -> None:
    with Deployment(tmp_path, real, "payments", {"payments": 2}, FIXED) as deployment:
        sender, topic = Sender(real.kafka), deployment.topics["payments"]
        send(deployment, sender, 100, seed=1)
        deployment.run("worker")
        delete_topic(real.kafka, topic)
        client = admin(real.kafka)
        until("the end of the topic", lambda: topic not in client.list_topics(timeout=10).topics)
        create_topic(real.kafka, topic, 2)
        send(deployment, Sender(real.kafka), 500, seed=2)
        refused(deployment.start("worker"), f"topic `{topic}` was deleted and made again")
        # What was right stays: nothing of the new topic was mixed into it.
        assert views.wrong(deployment.features, sender.sent, lambda view, sent: views.NOW) == []


def test_a_log_that_begins_beyond_the_position(real: RealComponents, tmp_path: Path) -> None:
    with Deployment(tmp_path, real, "payments", {"payments": 1}, FIXED) as deployment:
        sender, topic = Sender(real.kafka), deployment.topics["payments"]
        send(deployment, sender, 100, seed=1)
        deployment.run("worker")
        counted = list(sender.sent)
        send(deployment, sender, 200, seed=2)
        client = admin(real.kafka)
        deleting = client.delete_records([TopicPartition(topic, 0, 150)])
        for deleted in deleting.values():
            deleted.result(30)
        refused(deployment.start("worker"), "the log begins at offset 150", "50 events are gone")
        assert views.wrong(deployment.features, counted, lambda view, sent: views.NOW) == []


def test_a_producer_that_does_not_key_as_declared(real: RealComponents, tmp_path: Path) -> None:
    with Deployment(tmp_path, real, "payments", {"payments": 2}, FIXED) as deployment:
        sender, topic = Sender(real.kafka), deployment.topics["payments"]
        event = next(e for e in views.payments(200, seed=1) if e["user_id"] is not None)
        value = avro(views.SCHEMA, event)
        worker = deployment.start("worker")

        def ended() -> bool:
            # It goes on: the worker sees it when one flush has the entity from both partitions.
            for number in range(100):
                sender.send(topic, b"x", value, event, partition=number % 2)
            sender.flush()
            return not worker.running

        until("the end of the worker", ended)
        refused(worker, "is on partitions [0, 1]", "declare key=None")


def test_a_topic_whose_partition_count_changed(real: RealComponents, tmp_path: Path) -> None:
    from confluent_kafka.admin import NewPartitions

    with Deployment(tmp_path, real, "payments", {"payments": 2}, FIXED) as deployment:
        topic = deployment.topics["payments"]
        send(deployment, Sender(real.kafka), 100, seed=1)
        deployment.run("worker")
        client = admin(real.kafka)
        grown = client.create_partitions([NewPartitions(topic, 3)])
        grown[topic].result(30)
        refused(deployment.start("worker"), "partition count")
