"""Each component answers over its own protocol, as the rest of the suite supposes."""

from __future__ import annotations

import time

import httpx
import polars as pl
import pytest
import redis
from botocore.exceptions import ClientError
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from deltalake import DeltaTable, write_deltalake

from tests.stack import s3
from tests.stack.components import Components, RealComponents
from tests.stack.kafka import admin
from tests.stack.whole import Addresses

DEADLINE = 30.0


def _committed(bootstrap: str, topic: str, until: int) -> list[bytes]:
    """Values that a `read_committed` reader sees of partition 0 up to offset `until`."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "committed",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        got: list[bytes] = []
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            message = consumer.poll(0.1)
            if message is None:
                continue
            if message.error() is None:
                got.append(message.value())
            elif message.offset() >= until:
                return got
        raise AssertionError(f"the end of {topic} was not reached: {got}")
    finally:
        consumer.close()


def test_kafka_keeps_what_is_produced(components: Components) -> None:
    topic = components.unique("kept")
    components.create_topic(topic, 1)
    producer = Producer({"bootstrap.servers": components.kafka})
    for i in range(50):
        producer.produce(topic, str(i).encode())
    assert producer.flush(DEADLINE) == 0
    assert _committed(components.kafka, topic, 50) == [str(i).encode() for i in range(50)]


def test_a_topic_has_its_partitions_at_once(components: Components) -> None:
    topic = components.unique("wide")
    components.create_topic(topic, 7)
    found = Producer({"bootstrap.servers": components.kafka}).list_topics(topic, timeout=DEADLINE)
    assert len(found.topics[topic].partitions) == 7


def test_kafka_hides_an_aborted_transaction(real: RealComponents) -> None:
    topic = real.unique("transactions")
    real.create_topic(topic, 1)
    producer = Producer({"bootstrap.servers": real.kafka, "transactional.id": topic})
    producer.init_transactions(DEADLINE)
    for value, commit in ((b"first", True), (b"aborted", False), (b"second", True)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(DEADLINE)
        if commit:
            producer.commit_transaction(DEADLINE)
        else:
            producer.abort_transaction(DEADLINE)
    # Three records, and after each a marker.
    assert _committed(real.kafka, topic, 6) == [b"first", b"second"]


def test_kafka_fences_an_older_producer(real: RealComponents) -> None:
    topic = real.unique("fenced")
    real.create_topic(topic, 1)
    old = Producer({"bootstrap.servers": real.kafka, "transactional.id": topic})
    old.init_transactions(DEADLINE)
    old.begin_transaction()
    old.produce(topic, b"zombie")
    old.flush(DEADLINE)
    new = Producer({"bootstrap.servers": real.kafka, "transactional.id": topic})
    new.init_transactions(DEADLINE)
    with pytest.raises(KafkaException):
        old.commit_transaction(DEADLINE)
    assert _committed(real.kafka, topic, 2) == []


def test_kafka_does_not_make_a_topic_that_somebody_asks_for(real: RealComponents) -> None:
    missing = real.unique("missing")
    producer = Producer({"bootstrap.servers": real.kafka})
    assert producer.list_topics(missing, timeout=DEADLINE).topics[missing].error is not None
    assert missing not in admin(real.kafka).list_topics(timeout=DEADLINE).topics


def test_the_registry_gives_back_a_schema_by_its_id(real: RealComponents) -> None:
    subject = real.unique("payments") + "-value"
    schema = '{"type":"record","name":"Payment","fields":[{"name":"amount","type":"double"}]}'
    with httpx.Client(base_url=real.registry_url or "", timeout=DEADLINE) as client:
        registered = client.post(f"/subjects/{subject}/versions", json={"schema": schema})
        assert registered.status_code == httpx.codes.OK, registered.text
        found = client.get(f"/schemas/ids/{registered.json()['id']}")
        assert found.json()["schema"] == schema
        unknown = client.get("/schemas/ids/987654321")
        assert unknown.status_code == httpx.codes.NOT_FOUND


def test_s3_refuses_to_overwrite_where_that_is_forbidden(real: RealComponents) -> None:
    bucket = real.unique("bucket").replace("_", "-")
    s3.create_bucket(real.s3_url, bucket)
    client = s3.client(real.s3_url)
    try:
        client.put_object(Bucket=bucket, Key="log/0.json", Body=b"first", IfNoneMatch="*")
        with pytest.raises(ClientError) as refused:
            client.put_object(Bucket=bucket, Key="log/0.json", Body=b"second", IfNoneMatch="*")
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
        answer = client.get_object(Bucket=bucket, Key="log/0.json")
        assert answer["Body"].read() == b"first"
    finally:
        client.close()


def test_s3_refuses_a_wrong_signature(real: RealComponents) -> None:
    assert httpx.get(real.s3_url).status_code == httpx.codes.FORBIDDEN


def test_history_holds_a_delta_table(components: Components) -> None:
    uri = components.history_uri("delta") + "/table"
    rows = pl.DataFrame({"n": [1, 2, 3]})
    for _ in range(2):
        write_deltalake(uri, rows.to_arrow(), mode="append", storage_options=components.storage_options)
    table = DeltaTable(uri, storage_options=components.storage_options)
    assert table.version() == 1
    assert sorted(table.to_pyarrow_table().column("n").to_pylist()) == [1, 1, 2, 2, 3, 3]


def test_redis_answers(components: Components) -> None:
    with redis.Redis.from_url(components.redis_url) as client:
        assert client.ping() is True
        key = components.unique("key")
        client.set(key, "value", px=60_000)
        assert client.get(key) == b"value"


def test_the_distributions_redis_answers_too(stack_addresses: Addresses) -> None:
    if stack_addresses.redis_server_url is None:
        pytest.skip("redis-server is not installed here")
    with redis.Redis.from_url(stack_addresses.redis_server_url) as client:
        assert client.ping() is True


def test_names_do_not_collide(components: Components) -> None:
    assert len({components.unique("name") for _ in range(1_000)}) == 1_000
