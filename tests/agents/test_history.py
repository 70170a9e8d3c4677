"""Two writers of one history: whoever is fenced goes on from where the table stands, and nothing is there twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from aiokafka import TopicPartition

import headrace as hr
from agents.history import HistoryFlow, Keeper
from agents.stages import decoder_of
from headrace.avro import encode, parse_schema
from headrace.errors import PositionError
from headrace.history.schema import HistorySchema
from headrace.history.table import HistoryTable
from headrace.plan import SourcePlan
from headrace.wire import Record, record_batches

FIELDS = [
    {"name": "user", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
]
AVRO = {"type": "record", "name": "Visit", "fields": FIELDS}
SOURCE = hr.StreamSource(
    "visits", topics=["visits"], schema=AVRO, key="user", timestamp="at", start="earliest"
)
TP = TopicPartition("visits", 0)
OTHER = TopicPartition("visits", 1)


class Released:
    """Where a consumer was told to fetch from, partition by partition."""

    def __init__(self) -> None:
        self.at: list[tuple[TopicPartition, int]] = []
        self.moved = asyncio.Event()

    async def release(self, tp: TopicPartition, offset: int) -> None:
        self.at.append((tp, offset))
        self.moved.set()


class Writer:
    """A history flow, without Kafka: `add` is a fetch, `crashed` what it would have stopped for."""

    def __init__(
        self, folder: Path, failpoint: Callable[[str], None] = lambda step: None, begin: int = 0
    ) -> None:
        self.table = HistoryTable(
            str(folder / "visits"), HistorySchema(SOURCE.columns, event_time=None), writer="headrace/p/visits"
        )
        self.keeper = Keeper("visits", SourcePlan(SOURCE), decoder_of(SOURCE, None), self.table)
        self.released = Released()
        self.crashed: list[BaseException] = []
        self.flow = HistoryFlow(
            {"visits": self.keeper},
            every=3600.0,
            events=1_000,
            now=lambda: 0,
            start=lambda topic, partition: begin,
            settling=lambda: False,
            crash=self._crash,
            failpoint=failpoint,
            fenced_pause=0.0,
        )

    async def _crash(self, error: BaseException) -> None:
        self.crashed.append(error)

    async def assigned(self, *partitions: TopicPartition) -> None:
        await self.flow.assigned(partitions, self.released)
        await self.opened(len(partitions))

    async def opened(self, times: int) -> None:
        """Return once partitions were released so often."""
        while len(self.released.at) < times:
            self.released.moved.clear()
            await self.released.moved.wait()

    async def add(self, start: int, end: int, tp: TopicPartition = TP) -> None:
        schema = parse_schema(AVRO)
        records = [Record(encode(schema, {"user": f"u{i}", "at": 1_000_000 + i})) for i in range(start, end)]
        await self.flow.add(record_batches(records, topic=tp.topic, partition=tp.partition, base=start))

    async def commit(self) -> None:
        await self.flow.commit(self.keeper)


def offsets(folder: Path, tp: TopicPartition = TP) -> list[int]:
    found = pl.scan_delta(str(folder / "visits")).filter(pl.col("_partition") == tp.partition)
    return found.select(pl.col("_offset").sort()).collect().to_series().to_list()


async def test_a_fenced_owner_goes_on_from_where_the_sleeper_left_off(tmp_path: Path) -> None:
    sleeper, owner = Writer(tmp_path), Writer(tmp_path)
    await sleeper.assigned(TP)
    await sleeper.add(0, 5)
    await owner.assigned(TP)
    await owner.add(0, 3)
    await sleeper.commit()  # it wakes up
    await owner.commit()
    await owner.opened(2)
    assert owner.released.at == [(TP, 0), (TP, 5)]
    await owner.add(5, 9)
    await owner.commit()
    assert owner.crashed == []
    assert offsets(tmp_path) == list(range(9))


async def test_what_is_fetched_while_a_fenced_commit_is_under_way_is_not_committed(tmp_path: Path) -> None:
    sleeper = Writer(tmp_path)
    reached = asyncio.Event()
    owner = Writer(tmp_path, lambda step: reached.set())
    await sleeper.assigned(TP)
    await sleeper.add(0, 5)
    await owner.assigned(TP, OTHER)
    await owner.add(0, 3)
    await owner.add(0, 2, OTHER)
    await sleeper.commit()
    committing = asyncio.ensure_future(owner.commit())
    await reached.wait()
    await owner.add(3, 7)
    await committing
    await owner.commit()
    await owner.opened(4)
    assert sorted(owner.released.at[2:]) == [(TP, 5), (OTHER, 0)]
    await owner.add(3, 7)  # the older fetch once more, and the one that was asked for
    await owner.add(0, 2, OTHER)
    await owner.commit()
    assert owner.crashed == []
    assert offsets(tmp_path) == list(range(7))
    assert offsets(tmp_path, OTHER) == [0, 1]


async def test_a_fetch_from_before_a_partition_was_opened_again_is_no_gap(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    await writer.assigned(TP)
    await writer.add(4, 6)
    await writer.add(0, 6)
    await writer.commit()
    assert offsets(tmp_path) == list(range(6))


async def test_a_log_that_begins_beyond_the_table_is_a_gap(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    await writer.assigned(TP)
    await writer.add(0, 2)
    await writer.commit()
    late = Writer(tmp_path, begin=4)
    await late.assigned(TP)
    with pytest.raises(
        PositionError, match="the log begins at offset 4, history ends at 2: 2 offsets are gone"
    ):
        await late.add(4, 6)


async def test_a_commit_that_ends_after_its_partitions_went_leaves_the_books_of_the_next_assignment(
    tmp_path: Path,
) -> None:
    reached = asyncio.Event()
    writer = Writer(tmp_path, lambda step: reached.set())
    await writer.assigned(TP)
    await writer.add(0, 4)
    committing = asyncio.ensure_future(writer.commit())
    await reached.wait()
    await writer.flow.revoked()
    await writer.flow.assigned([OTHER], writer.released)
    await committing
    await writer.opened(2)
    assert await writer.flow.durable() == {OTHER: 0}
    assert writer.keeper.position == {OTHER: 0}
    assert offsets(tmp_path) == [0, 1, 2, 3]
