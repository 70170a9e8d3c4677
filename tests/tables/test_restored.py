"""What the end of a changelog says: which flush was the last, whoever opened the partition since."""

from __future__ import annotations

from tables.kafka.changelog import Restored
from tables.marker import Marker


def marker(epoch: int, sequence: int) -> Marker:
    return Marker("f", epoch=epoch, sequence=sequence)


def test_the_last_flush_is_the_one_whose_marker_came_last() -> None:
    found = Restored(marker(0, 0), 0)
    found.changed([b"a"])
    found.marked(marker(0, 1), 1)
    found.changed([b"b", b"c"])
    found.marked(marker(0, 2), 4)
    assert found.last_flush == [b"b", b"c"]
    assert (found.marker.flush_start, found.marker.changelog) == (2, 5)


def test_an_opening_does_not_end_the_last_flush() -> None:
    found = Restored(marker(1, 0), 0)
    found.changed([b"a"])
    found.marked(marker(1, 1), 1)
    found.marked(marker(2, 2), 3)
    found.marked(marker(3, 3), 5)
    assert found.last_flush == [b"a"]
    assert (found.marker.epoch, found.marker.flush_start, found.marker.changelog) == (3, 0, 6)


def test_the_first_flush_after_an_opening_takes_its_place() -> None:
    found = Restored(marker(1, 0), 0)
    found.changed([b"a"])
    found.marked(marker(1, 1), 1)
    found.marked(marker(2, 2), 3)
    found.changed([b"b"])
    found.marked(marker(2, 3), 6)
    assert found.last_flush == [b"b"]
    assert found.marker.flush_start == 4


def test_records_without_a_marker_belong_to_no_flush_yet() -> None:
    found = Restored(marker(1, 0), 0)
    found.changed([b"a"])
    found.marked(marker(1, 1), 1)
    found.changed([b"b"])
    assert found.last_flush == [b"a"]
    assert found.marker.sequence == 1
