"""A model that cannot fail shows nothing: each broken protocol is caught, in the interleaving that is named for it."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from tests.model.interleavings import STORIES, begin
from tests.model.mutations import MUTATIONS, Mutation
from tests.model.worker import Worker
from tests.model.world import World, world


def told(at: World, story: str, a: Worker) -> None:
    STORIES[story](at, a)
    at.end()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_it_is_caught_that(mutation: Mutation) -> None:
    with world() as at:
        a = begin(at)
        with patch(mutation.target, mutation.by), pytest.raises(AssertionError):
            told(at, mutation.story, a)
