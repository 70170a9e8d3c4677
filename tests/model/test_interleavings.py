"""Each interleaving of docs/adr/0012 ends well."""

from __future__ import annotations

import pytest

from tests.model.interleavings import STORIES, begin
from tests.model.world import world


@pytest.mark.parametrize("name", STORIES)
def test_it_ends_well_when(name: str) -> None:
    with world() as at:
        STORIES[name](at, begin(at))
        at.end()
