"""Kafka's v2 record batches of one partition, as a fetch brought them: extents, offsets, flags.

Owns the batch header (KIP-98), the checksum, control batches and aborted transactions. Refuses to look into
a record: that is `frames`. Compressed batches stay compressed until they are decoded.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import crc32c

from headrace.avro.varints import decode
from headrace.errors import CorruptRecordError
from headrace.wire.compression import decompress

HEADER = struct.Struct(">qiibIhiqqqhii")
"""base offset, length, leader epoch, magic, crc, attributes, last offset delta, first timestamp, max timestamp,
producer id, producer epoch, base sequence, record count: 61 bytes, then the records."""

CODEC_MASK = 0x07
LOG_APPEND_TIME = 0x08
TRANSACTIONAL = 0x10
CONTROL = 0x20

_CRC_AT = 17  # position of the crc; it covers everything from the attributes (21) on
_ABORT_MARKER = 0


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """One batch: `records` as they lie in the log (compressed by `codec`), `count` of them from offset `base`.

    A record's timestamp (ms) is `first_timestamp` plus its delta, or `append_timestamp` where the broker
    stamped the batch.
    """

    base: int
    count: int
    codec: int
    first_timestamp: int
    append_timestamp: int | None
    records: memoryview

    def payload(self) -> bytes | memoryview:
        """The records, decompressed."""
        try:
            return decompress(self.records, self.codec)
        except ValueError as error:
            raise CorruptRecordError(f"batch at offset {self.base}: {error}") from None


@dataclass(frozen=True, slots=True)
class RecordBatches:
    """The batches of one partition that hold wanted records, in offset order.

    `start`: the first wanted offset; records below it may be present and are trimmed when decoded.
    `next_offset`: where the next fetch begins: one past the last batch, also past control, aborted and
    compacted ones. `count`: records held. `nbytes`: bytes as fetched. `max_timestamp`: ms, none is newer; -1 if none.
    """

    topic: str
    partition: int
    start: int
    next_offset: int
    count: int
    nbytes: int
    max_timestamp: int
    batches: tuple[RecordBatch, ...]

    def __len__(self) -> int:
        return self.count

    @classmethod
    def parse(
        cls,
        topic: str,
        partition: int,
        start: int,
        data: bytes | memoryview,
        *,
        check_crc: bool = True,
        aborted: Iterable[tuple[int, int]] = (),
    ) -> RecordBatches:
        """The batches in the bytes of a fetch response.

        `aborted`: (producer id, first offset) of the aborted transactions that a read_committed fetch
        reports; their batches are dropped. The broker may cut the last batch short: it is left for the next
        fetch. Raises CorruptRecordError, naming the offset, for a checksum that is wrong, a length that
        cannot be, or a message format older than v2.
        """
        view = memoryview(data)
        transactions = _Transactions(aborted)
        batches: list[RecordBatch] = []
        next_offset, count, max_timestamp, at = start, 0, -1, 0
        while len(view) - at >= HEADER.size:
            base, length, _, magic, crc, attributes, last, first_ts, max_ts, producer, _, _, n = (
                HEADER.unpack_from(view, at)
            )
            where = f"{topic}[{partition}] at offset {base}"
            if magic != 2:
                raise CorruptRecordError(
                    f"{where}: expected record format v2, got v{magic}. "
                    "Messages written before Kafka 0.11 must be rewritten or skipped"
                )
            end = at + 12 + length
            if length < HEADER.size - 12 or n < 0:
                raise CorruptRecordError(f"{where}: a batch of {length} bytes and {n} records cannot be")
            if end > len(view):
                break
            if check_crc and crc32c.crc32c(view[at + _CRC_AT + 4 : end]) != crc:
                raise CorruptRecordError(
                    f"{where}: expected checksum {crc:#010x}, got another over {length} bytes. "
                    "The batch was damaged on disk or on the way; fetch again, then check the broker's log"
                )
            records = view[at + HEADER.size : end]
            wanted = transactions.keeps(base, producer, attributes, records)
            if wanted and n and base + last >= start:
                append_ts = max_ts if attributes & LOG_APPEND_TIME else None
                batches.append(RecordBatch(base, n, attributes & CODEC_MASK, first_ts, append_ts, records))
                count += n
                max_timestamp = max(max_timestamp, max_ts)
            next_offset = max(next_offset, base + last + 1)
            at = end
        return cls(topic, partition, start, next_offset, count, at, max_timestamp, tuple(batches))

    def cut(self, count: int) -> tuple[RecordBatches, RecordBatches | None]:
        """The first batches, at least one, that hold `count` records together; the others, None if there are none."""
        held = list(accumulate(b.count for b in self.batches))
        n = bisect_left(held, count) + 1
        if n >= len(held):
            return self, None
        first, rest = self.batches[:n], self.batches[n:]
        at, nbytes = rest[0].base, sum(HEADER.size + len(b.records) for b in first)
        return (
            replace(self, next_offset=at, count=held[n - 1], nbytes=nbytes, batches=first),
            replace(
                self, start=at, count=self.count - held[n - 1], nbytes=self.nbytes - nbytes, batches=rest
            ),
        )


class _Transactions:
    """Which batches a read_committed reader sees: the algorithm of the Java client's and aiokafka's fetchers."""

    def __init__(self, aborted: Iterable[tuple[int, int]]) -> None:
        self._ahead: Sequence[tuple[int, int]] = sorted(aborted, key=lambda a: a[1])
        self._open: set[int] = set()

    def keeps(self, base: int, producer: int, attributes: int, records: memoryview) -> bool:
        control = bool(attributes & CONTROL)
        if producer >= 0:
            while self._ahead and self._ahead[0][1] <= base:
                self._open.add(self._ahead[0][0])
                self._ahead = self._ahead[1:]
            if control and _marker(records) == _ABORT_MARKER:
                self._open.discard(producer)
            elif attributes & TRANSACTIONAL and producer in self._open:
                return False
        return not control


def _marker(records: memoryview) -> int:
    """The type in a control record's key: its version and its type, two bytes each."""
    at = 0
    for skipped in (0, 1, 0, 0):  # length; attributes and timestamp delta; offset delta; key length
        _, at = decode(records, at + skipped)
    return int.from_bytes(records[at + 2 : at + 4], "big")
