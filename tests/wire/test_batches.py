"""Record batches as a fetch brings them: extents, checksums, transactions, damage."""

from __future__ import annotations

import pytest

from headrace.errors import CorruptRecordError
from headrace.wire import Record, RecordBatches, batch_bytes, control_bytes


def parse(data: bytes, start: int = 0, **options: object) -> RecordBatches:
    return RecordBatches.parse("payments", 3, start, data, **options)  # type: ignore[arg-type]


def some(n: int, **options: object) -> bytes:
    return batch_bytes([Record(b"v", timestamp=100 + i) for i in range(n)], **options)  # type: ignore[arg-type]


def test_batches_say_what_they_hold() -> None:
    found = parse(some(3, base=10) + some(2, base=13, codec="zstd"), start=10)
    assert (found.topic, found.partition, found.start) == ("payments", 3, 10)
    assert (found.count, found.next_offset, found.max_timestamp) == (5, 15, 102)
    assert [(b.base, b.count, b.codec) for b in found.batches] == [(10, 3, 0), (13, 2, 4)]
    assert found.nbytes == len(some(3)) + len(some(2, codec="zstd"))


def test_nothing_fetched_is_nothing_and_goes_nowhere() -> None:
    found = parse(b"", start=7)
    assert (found.count, found.next_offset, found.max_timestamp, found.nbytes) == (0, 7, -1, 0)


@pytest.mark.parametrize("cut", [1, 20, 60, 61, 70])
def test_a_last_batch_that_is_cut_short_is_left_for_the_next_fetch(cut: int) -> None:
    whole, next_ = some(2, base=0), some(2, base=2)
    found = parse(whole + next_[: min(cut, len(next_) - 1)])
    assert (found.count, found.next_offset, found.nbytes) == (2, 2, len(whole))


def test_batches_below_the_start_are_dropped_and_one_across_it_is_kept() -> None:
    found = parse(some(5, base=0) + some(5, base=5) + some(5, base=10), start=7)
    assert [b.base for b in found.batches] == [5, 10]
    assert found.next_offset == 15


def test_a_compacted_batch_ends_where_its_last_record_was() -> None:
    found = parse(some(1, base=0, last_offset_delta=9))
    assert (found.count, found.next_offset) == (1, 10)
    empty = parse(batch_bytes([], base=10, last_offset_delta=4), start=10)
    assert (empty.count, empty.next_offset, empty.batches) == (0, 15, ())


def test_a_fetch_is_cut_between_its_batches_and_nothing_of_it_is_lost() -> None:
    found = parse(some(5, base=0) + some(5, base=5) + some(5, base=12, last_offset_delta=9), start=2)
    first, rest = found.cut(6)
    assert rest is not None
    assert [b.base for b in first.batches] == [0, 5]
    assert [b.base for b in rest.batches] == [12]
    assert (first.start, first.next_offset, rest.start, rest.next_offset) == (2, 12, 12, 22)
    assert (first.count, rest.count) == (10, 5)
    assert (first.nbytes, rest.nbytes) == (2 * len(some(5)), len(some(5)))


@pytest.mark.parametrize(("count", "held"), [(0, 5), (1, 5), (5, 5), (6, 10), (10, 10), (11, 15)])
def test_a_cut_takes_whole_batches_until_it_has_enough(count: int, held: int) -> None:
    assert parse(some(5, base=0) + some(5, base=5) + some(5, base=10)).cut(count)[0].count == held


def test_there_is_nothing_to_cut_off_where_everything_is_wanted() -> None:
    found = parse(some(5, base=0) + some(5, base=5))
    assert found.cut(6) == (found, None)
    nothing = parse(control_bytes(base=2, producer=9, commit=True), start=2)
    assert nothing.cut(1) == (nothing, None)


def test_control_batches_are_skipped_and_passed() -> None:
    data = some(2, base=0, producer=9, transactional=True) + control_bytes(base=2, producer=9, commit=True)
    found = parse(data)
    assert (found.count, found.next_offset) == (2, 3)


def test_batches_of_aborted_transactions_are_dropped_up_to_their_marker() -> None:
    mine, other = {"producer": 1, "transactional": True}, {"producer": 2, "transactional": True}
    data = b"".join(
        [
            some(1, base=0, **mine),  # committed before
            control_bytes(base=1, producer=1, commit=True),
            some(1, base=2, **mine),  # aborted
            some(1, base=3, **other),
            some(1, base=4),  # no transaction at all
            some(1, base=5, **mine),  # aborted
            control_bytes(base=6, producer=1, commit=False),
            some(1, base=7, **mine),  # the next transaction of the same producer
            control_bytes(base=8, producer=2, commit=True),
            control_bytes(base=9, producer=1, commit=True),
        ]
    )
    found = parse(data, aborted=[(1, 2)])
    assert [b.base for b in found.batches] == [0, 3, 4, 7]
    assert found.next_offset == 10
    assert parse(data).count == 6


def test_an_aborted_transaction_that_began_before_the_fetch_is_dropped_too() -> None:
    data = some(1, base=50, producer=1, transactional=True) + control_bytes(base=51, producer=1, commit=False)
    found = parse(data, start=50, aborted=[(1, 20)])
    assert (found.count, found.next_offset) == (0, 52)


def test_a_damaged_batch_is_named_by_its_offset() -> None:
    data = bytearray(some(2, base=0) + some(2, base=2))
    data[-1] ^= 1
    with pytest.raises(CorruptRecordError, match=r"payments\[3\] at offset 2: expected checksum 0x"):
        parse(bytes(data))
    assert parse(bytes(data), check_crc=False).count == 4


def test_an_old_message_format_is_refused_in_words() -> None:
    data = bytearray(some(1))
    data[16] = 1
    with pytest.raises(CorruptRecordError, match=r"expected record format v2, got v1"):
        parse(bytes(data))


def test_a_length_that_cannot_be_is_refused() -> None:
    data = bytearray(some(1))
    data[8:12] = (5).to_bytes(4, "big")
    with pytest.raises(CorruptRecordError, match="a batch of 5 bytes"):
        parse(bytes(data))
