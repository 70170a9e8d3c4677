"""Batches built from columns: byte for byte what building record after record gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.wire import Record, RecordBatches, batch_bytes
from headrace.wire.batching import Part, build, encoded_headers
from headrace.wire.building_kernel import LAY

HEADERS = st.lists(st.tuples(st.text(max_size=3), st.binary(max_size=3)), max_size=2)
DATA = st.none() | st.binary(max_size=100) | st.integers(0, 9_000).map(bytes)
RECORDS = st.lists(st.tuples(DATA, DATA), max_size=200)


@pytest.fixture(autouse=True, scope="module", params=[True, False], ids=["machine code", "without numba"])
def native(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        LAY.warm()
        if not request.param:
            patch.setattr(LAY, "_compiled", None)
        yield


@given(RECORDS, st.data(), st.integers(1, 20_000), st.booleans())
def test_the_bytes_are_those_of_records_built_one_by_one(
    records: list[tuple[bytes | None, bytes | None]], data: st.DataObject, limit: int, transactional: bool
) -> None:
    n = len(records)
    each = data.draw(st.lists(HEADERS, min_size=n, max_size=n) | HEADERS.map(lambda h: [h]))
    part = Part([k for k, _ in records], [v for _, v in records], list(map(encoded_headers, each)))
    others = [Part([b"k"], [None], [encoded_headers(())]), Part([], [], [encoded_headers(())])]
    _, built, _, again = build([others[0], part, others[1], part], limit)
    assert [b.data for b in again] == [b.data for b in built]
    assert sum(b.count for b in built) == n
    at = 0
    for b in built:
        mine = records[at : at + b.count]
        headers = each[at : at + b.count] if len(each) == n else each * b.count
        expected = [Record(v, k, 7, h) for (k, v), h in zip(mine, headers, strict=True)]
        made = b.batch(7, (5, 0, -1), transactional=transactional)
        wanted = batch_bytes(expected, producer=5, transactional=transactional)
        assert made[:12] == wanted[:12]
        assert made[16:] == wanted[16:]  # between them the leader's epoch, which a producer does not know
        assert b.count == 1 or len(b.data) <= limit
        at += b.count


@pytest.mark.parametrize(("limit", "counts"), [(1, [1, 1, 1]), (90, [2, 1]), (1 << 20, [3])])
def test_a_batch_takes_what_its_limit_allows_and_one_record_at_least(limit: int, counts: list[int]) -> None:
    [built] = build([Part([b"k"] * 3, [b"v" * 10] * 3, [encoded_headers(())])], limit)
    assert [b.count for b in built] == counts


def test_nothing_makes_no_batch() -> None:
    assert build([Part([], [], [encoded_headers(())])], 100) == [[]]
    assert build([], 100) == []


def test_a_consumer_reads_them() -> None:
    [[built]] = build([Part([b"a", None], [None, b"1"], [encoded_headers([("h", b"x")])])], 1 << 20)
    read = RecordBatches.parse("log", 0, 0, built.batch(1_000))
    assert (read.count, read.next_offset, read.max_timestamp) == (2, 2, 1_000)
