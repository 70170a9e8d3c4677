"""Memory that is kept while a training set is made."""

from __future__ import annotations

import platform
import resource

import numpy as np
import pytest

from headrace.heap import kept

PAGES = 2_000_000 // resource.getpagesize()


def _faults(times: int) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        np.ones(250_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has another heap")
def test_freed_arrays_are_used_again_and_given_back_at_the_end() -> None:
    with kept():
        _faults(1)
        assert _faults(20) < PAGES
    assert _faults(1) > PAGES // 2
