"""Markers say the same after they were written and read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tables.marker import Marker, source

MARKERS = st.builds(
    Marker,
    fingerprint=st.text(max_size=10),
    epoch=st.integers(0, 2**31),
    sequence=st.integers(0, 2**53),
    positions=st.dictionaries(
        st.builds(source, st.text(max_size=5), st.integers(0, 9)), st.integers(0, 2**53)
    ),
    clock=st.none() | st.integers(-(2**62), 2**62),
    topic_id=st.none() | st.text(max_size=8),
    sweep=st.booleans(),
    flush_start=st.integers(0, 2**53),
    changelog=st.integers(0, 2**53),
)


@given(MARKERS)
def test_a_marker_is_read_as_it_was_written(marker: Marker) -> None:
    assert Marker.decode(marker.encode()) == marker


def test_a_logged_marker_differs_in_its_place_alone() -> None:
    marker = Marker("f", epoch=2, sequence=5, positions={source("pay", 3): 17})
    assert marker.logged(40, 44) == Marker("f", 2, 5, {"pay:3": 17}, flush_start=40, changelog=44)
